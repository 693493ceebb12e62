"""`--help` of every command is there at once: what is heavy is imported when there is work."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

SCRIPTS = [["train_pretrain.py"], ["train_finetune.py"], ["evaluate_bleu.py"], ["-m", "benchmarks"]]
FILES = [path for path in ROOT.glob("tools/*.py") if "__main__" in path.read_text(encoding="utf-8")]
TOOLS = [*(path.stem for path in FILES), *(path.parent.name for path in ROOT.glob("tools/*/__main__.py"))]
COMMANDS = [*SCRIPTS, *(["-m", f"tools.{name}"] for name in sorted({*TOOLS}))]
MOST_SECONDS = 0.5  # of the processor, on a busy machine; 0.2 on an idle one


def seconds_of(words: list[str]) -> float:
    before = os.times()
    subprocess.run([sys.executable, *words, "--help"], cwd=ROOT, check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


# Runs a command, and tells OpenMP's settings when the first module of torch is looked for.
WATCH = """
import importlib.abc, os, runpy, sys
class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_WAIT_POLICY"), flush=True)
            os._exit(0)
sys.meta_path.insert(0, Watch())
sys.path.insert(0, os.getcwd())
from league.errors import run_command
sys.argv = sys.argv[1:]
run_command(runpy.run_path(sys.argv[0], run_name="loaded")["main"])
"""


def setting_of(*words: str, **environment: str) -> list[str]:
    """Return what OpenMP will read as its two settings when a command loads torch."""
    clean = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    words = [sys.executable, "-c", WATCH, *words]
    done = subprocess.run(words, cwd=ROOT, env=clean | environment, check=True, capture_output=True, text=True)
    return done.stdout.split()


@pytest.mark.parametrize("words", [["train_pretrain.py"], ["evaluate_bleu.py"], ["tools/translate.py", "runs/none"]])
def test_threads_that_wait_leave_the_core_before_torch_is_loaded(words):
    count, policy = setting_of(*words)
    assert int(count) < 300_000 and policy == "None"


def test_who_sets_how_threads_wait_has_the_last_word():
    assert setting_of("train_pretrain.py", GOMP_SPINCOUNT="7") == ["7", "None"]
    assert setting_of("train_pretrain.py", OMP_WAIT_POLICY="ACTIVE") == ["None", "ACTIVE"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_there_at_once(words):
    assert min(seconds_of(words) for _ in range(3)) < MOST_SECONDS
