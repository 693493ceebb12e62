"""What the tests share."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock

os.environ.setdefault("OMP_NUM_THREADS", "1")  # here as in what the tests start: sums depend on the number of threads

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
pytest.register_assert_rewrite("app_site", "hub_entry", "splits", "translating")  # plugins that tests import, too

FIXED = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}  # which hides a GPU, too
USUAL = {**os.environ, **FIXED}
STARTED_OVER = "1:SIGKILL"  # an accident that nobody meets who goes on from a checkpoint
READ_LATE = {"HF_TOKEN", "SIGNAL_AT", "SAVE_EVERY", "MINUTES", "SLOW_STEPS", "WORK_NOTED"}  # in the fork: see play.py
PATIENCE = 240  # seconds that no command takes, on a busy machine either
LONGEST = ["test_tune", "test_recipes", "test_checkpoints", "test_hub_fetch", "test_hub_accidents", "test_tools"]
LONGEST += ["test_tune_simulated", "test_torture", "test_faults", "test_entry_report", "test_verify", "test_splits"]
LONGEST += ["test_translate_command", "test_takeover", "test_training_faults", "test_board_written"]
LONGEST += ["test_board_handed_in", "test_board", "test_third_league", "test_summaries", "test_hub_checkpoints"]
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]
SMALL = ["--d_model", "32", "--nhead", "2", "--num_layers", "1", "--d_ff", "64"]


def command(*words: str, processes: int = 1, script: str = "tests/play.py") -> list[str]:
    """Return the command line of a script, under one process or several."""
    start = [sys.executable] if processes == 1 else [*LAUNCH, str(processes)]
    return [*start, str(ROOT / script), *words]


def run(
    words: list[str], folder: Path, expect: int = 0, *, cold: bool = False, **environment: str
) -> subprocess.CompletedProcess:
    """Run a command in `folder` and check its exit code; `cold` starts it as anybody would, which takes seconds."""
    settings = {**os.environ, **FIXED, **environment}
    # What libraries read when they are imported must be the same in a fork of a process that has imported them.
    is_as_usual = environment.keys() <= READ_LATE and for_libraries(settings) == for_libraries(USUAL)
    is_python = words[0] == sys.executable and words[1].endswith((".py", "-m"))
    is_warm = not cold and is_as_usual and is_python and sys.platform == "linux"
    done = (run_warm if is_warm else run_cold)(words, folder, settings)
    assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def for_libraries(settings: dict[str, str]) -> dict[str, str]:
    names = {name for name in settings if name.startswith(("HF_", "TRANSFORMERS_"))} - READ_LATE
    return {name: settings[name] for name in names}


def run_cold(words: list[str], folder: Path, settings: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(words, cwd=folder, env=settings, capture_output=True, text=True, timeout=PATIENCE)


@cache
def warm() -> subprocess.Popen:
    words = [sys.executable, str(ROOT / "tests" / "warm.py")]
    pipe = subprocess.PIPE
    # Without a GPU in sight: a process that has opened one cannot be forked.
    settings = {**USUAL, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(words, env=settings, text=True, start_new_session=True, stdin=pipe, stdout=pipe)


def run_warm(words: list[str], folder: Path, settings: dict[str, str]) -> subprocess.CompletedProcess:
    process, processes, rest = warm(), 1, words[1:]
    if words[: len(LAUNCH)] == LAUNCH:
        processes, rest = int(words[len(LAUNCH)]), words[len(LAUNCH) + 1 :]
    with tempfile.NamedTemporaryFile("r") as stdout, tempfile.NamedTemporaryFile("r") as stderr:
        asked = {"words": rest, "processes": processes, "folder": str(Path(folder).resolve()), "settings": settings}
        process.stdin.write(json.dumps(asked | {"stdout": stdout.name, "stderr": stderr.name}) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], PATIENCE)[0]:
            os.killpg(process.pid, signal.SIGKILL)
            warm.cache_clear()
            raise subprocess.TimeoutExpired(words, PATIENCE, stdout.read(), stderr.read())
        return subprocess.CompletedProcess(words, int(process.stdout.readline()), stdout.read(), stderr.read())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first: of two workers, none waits long for the other's last file."""
    longest = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: longest.get(item.path.stem, len(longest)))


@pytest.fixture(scope="session")
def played(tmp_path_factory) -> Path:
    """A folder in which the tiny league was played once, entry `one`, one process; a copy for each worker of xdist."""
    folder = tmp_path_factory.mktemp("played") / "game"
    session = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" not in os.environ:
        play_once(folder)
        return folder
    original = session.parent / "game"
    with FileLock(session.parent / "game.lock"):
        if not original.exists():
            play_once(original.with_name("unfinished"))
            original.with_name("unfinished").rename(original)
    shutil.copytree(original, folder)
    return folder


def play_once(folder: Path) -> None:
    folder.mkdir()
    for words in (["train_pretrain", *SMALL], ["train_finetune", "--warmup_steps", "2"], ["evaluate_bleu"]):
        # Beside the game, entered.py notes for test_layers.py which of our files each script needs.
        done = run(command(*words, "--league", "tiny", "--entry", "one", script="tests/entered.py"), folder)
    (folder / "stdout.txt").write_text(done.stdout)


@pytest.fixture
def replayed_as_tiny(monkeypatch) -> None:
    """Let the tools that play an entry anew play the tiny league, too."""
    monkeypatch.setattr("tools.replay.command", lambda script: command(script))

    def finish(words, folder, settings, is_seen):
        done = run_warm(words, folder, USUAL)
        return done.returncode, done.stdout.encode()

    monkeypatch.setattr("tools.replay.finish", finish)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def new_folder():
    """Return a way to get an empty folder, for each example its own."""
    with tempfile.TemporaryDirectory() as root:
        yield lambda: Path(tempfile.mkdtemp(dir=root))
