"""What the tests share."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # here as in what the tests start: sums depend on the number of threads

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

FIXED = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}  # which hides a GPU, too
USUAL = {**os.environ, **FIXED}
ACCIDENTS = {"SIGNAL_AT", "SAVE_EVERY", "MINUTES", "SLOW_STEPS"}  # of play.py, which reads them in the fork
PATIENCE = 120  # seconds
SMALL = ["--d_model", "32", "--nhead", "2", "--num_layers", "1", "--d_ff", "64"]


def command(*words: str, processes: int = 1, script: str = "tests/play.py") -> list[str]:
    """Return the command line of a script, under one process or several."""
    if processes == 1:
        return [sys.executable, str(ROOT / script), *words]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    return [*launch, str(ROOT / script), *words]


def run(words: list[str], folder: Path, expect: int = 0, **environment: str) -> subprocess.CompletedProcess:
    """Run a command in `folder` and check its exit code."""
    settings = {**os.environ, **FIXED, **environment}
    # What libraries read when they are imported must be the same in a fork of a process that has imported them.
    is_as_usual = environment.keys() <= ACCIDENTS and for_libraries(settings) == for_libraries(USUAL)
    is_warm = is_as_usual and words[:2] == command() and sys.platform == "linux"
    done = (run_warm if is_warm else run_cold)(words, folder, settings)
    assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def for_libraries(settings: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name.startswith(("HF_", "TRANSFORMERS_"))}


def run_cold(words: list[str], folder: Path, settings: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(words, cwd=folder, env=settings, capture_output=True, text=True, timeout=PATIENCE)


@cache
def warm() -> subprocess.Popen:
    words = [sys.executable, str(ROOT / "tests" / "warm.py")]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=USUAL, text=True, start_new_session=True, stdin=pipe, stdout=pipe)


def run_warm(words: list[str], folder: Path, settings: dict[str, str]) -> subprocess.CompletedProcess:
    process = warm()
    with tempfile.NamedTemporaryFile("r") as stdout, tempfile.NamedTemporaryFile("r") as stderr:
        asked = {"words": words[1:], "folder": str(folder), "settings": settings}
        process.stdin.write(json.dumps(asked | {"stdout": stdout.name, "stderr": stderr.name}) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], PATIENCE)[0]:
            os.killpg(process.pid, signal.SIGKILL)
            warm.cache_clear()
            raise subprocess.TimeoutExpired(words, PATIENCE, stdout.read(), stderr.read())
        return subprocess.CompletedProcess(words, int(process.stdout.readline()), stdout.read(), stderr.read())


@pytest.fixture(scope="session")
def played(tmp_path_factory) -> Path:
    """A folder in which the tiny league was played once, entry `one`, one process: by commands like anybody's."""
    folder = tmp_path_factory.mktemp("played")
    for words in (["train_pretrain", *SMALL], ["train_finetune", "--warmup_steps", "2"], ["evaluate_bleu"]):
        # Beside the game, entered.py notes for test_layers.py which of our files each script needs.
        done = run_cold(command(*words, "--league", "tiny", "--entry", "one", script="tests/entered.py"), folder, USUAL)
        assert done.returncode == 0, done.stderr
    (folder / "stdout.txt").write_text(done.stdout)
    return folder


@pytest.fixture
def replayed_as_tiny(monkeypatch) -> None:
    """Let the tools that play an entry anew play the tiny league, too."""
    monkeypatch.setattr("tools.replay.command", lambda script: command(script))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
