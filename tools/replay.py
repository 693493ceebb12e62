"""Playing an entry again from its record: the three scripts, with the flags that it was played with."""

import os
import subprocess
import sys
from pathlib import Path

from league.errors import UserError
from league.record.rules import names_tuned
from league.record.shape import Record
from league.values import GAME_VARIABLE
from league_config import LEAGUES

ROOT = Path(__file__).resolve().parent.parent


def replay(record: Record, entry: str, seed: int, data_dir: str | None, folder: Path = Path(".")) -> None:
    """Play an entry in `folder`/runs with the values of another one's record, and each stage on as many threads."""
    asked = record.asked
    shared = ["--league", asked["league"], "--entry", entry, "--seed", str(seed)]
    if data_dir:
        shared += ["--data_dir", str(Path(data_dir).resolve())]
    # Practice, whatever the terminal's game is; and sums round by how they are split.
    settings = {**os.environ, GAME_VARIABLE: ""}
    tuned = [
        (f"train_{stage}", stage, names_tuned(LEAGUES[asked["league"]], stage)) for stage in ("pretrain", "finetune")
    ]
    for script, stage, names in (*tuned, ("evaluate_bleu", "finetune", ())):
        threads = {"OMP_NUM_THREADS": str(min(256, max(1, record.stages[stage].num_threads)))}
        values = [word for name in names for word in (f"--{name}", str(asked[name]))]
        # A process each: the memory of one does not add to the next one's.
        done = subprocess.run([*command(script), *shared, *values], cwd=folder, env=settings | threads)
        if done.returncode:
            raise UserError(f"{script}.py ended with code {done.returncode}; the same command resumes there.")


def command(script: str) -> list[str]:
    """Return how a script is started."""
    return [sys.executable, str(ROOT / f"{script}.py")]
