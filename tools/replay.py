"""Playing an entry anew from its record: the three scripts, with the flags that it was played with."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from league.errors import UserError
from league.record.rules import SCHEDULE, STRUCTURE

ROOT = Path(__file__).resolve().parent.parent


def replay(record: dict[str, Any], entry: str, seed: int, data_dir: str | None, folder: Path = Path(".")) -> None:
    """Play an entry in `folder`/runs with the values of another one's record, and on as many threads."""
    asked, threads = record["asked"], min(256, max(1, record["stages"]["finetune"]["num_threads"]))
    shared = ["--league", asked["league"], "--entry", entry, "--seed", str(seed)]
    if data_dir:
        shared += ["--data_dir", str(Path(data_dir).resolve())]
    settings = {**os.environ, "OMP_NUM_THREADS": str(threads)}  # sums round by how they are split
    for script, names in (("train_pretrain", STRUCTURE), ("train_finetune", SCHEDULE), ("evaluate_bleu", ())):
        tuned = [word for name in names for word in (f"--{name}", str(asked[name]))]
        # A process each: the memory of one does not add to the next one's.
        done = subprocess.run([*command(script), *shared, *tuned], cwd=folder, env=settings)
        if done.returncode:
            raise UserError(f"{script}.py ended with code {done.returncode}; the same command goes on from there.")


def command(script: str) -> list[str]:
    """Return how a script is started."""
    return [sys.executable, str(ROOT / f"{script}.py")]
