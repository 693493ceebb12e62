"""What the tests share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # here as in what the tests start: sums depend on the number of threads

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

SMALL = ["--d_model", "32", "--nhead", "2", "--num_layers", "1", "--d_ff", "64"]


def command(*words: str, processes: int = 1, script: str = "tests/play.py") -> list[str]:
    """Return the command line of a script, under one process or several."""
    if processes == 1:
        return [sys.executable, str(ROOT / script), *words]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    return [*launch, str(ROOT / script), *words]


def run(words: list[str], folder: Path, expect: int = 0, **environment: str) -> subprocess.CompletedProcess:
    """Run a command in `folder` and check its exit code."""
    fixed = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}
    settings = {**os.environ, **fixed, **environment}
    done = subprocess.run(words, cwd=folder, env=settings, capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def played(tmp_path_factory) -> Path:
    """A folder in which the tiny league was played once, entry `one`, one process."""
    folder = tmp_path_factory.mktemp("played")
    run(command("train_pretrain", "--entry", "one", *SMALL), folder)
    run(command("train_finetune", "--entry", "one", "--warmup_steps", "2"), folder)
    (folder / "stdout.txt").write_text(run(command("evaluate_bleu", "--entry", "one"), folder).stdout)
    return folder


@pytest.fixture
def replayed_as_tiny(monkeypatch) -> None:
    """Let the tools that play an entry anew play the tiny league, too."""
    monkeypatch.setattr("tools.replay.command", lambda script: command(script))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
