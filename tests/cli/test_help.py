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


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_there_at_once(words):
    assert min(seconds_of(words) for _ in range(3)) < MOST_SECONDS
