"""A game of the tiny summaries, played once for all tests of a process."""

import shutil
from pathlib import Path

import pytest
from conftest import SMALL, command, run

from league.record.shape import Record, read_record

GAME = (["train_pretrain", *SMALL], ["train_finetune", "--warmup_steps", "2"], ["evaluate_bleu"])


def play(folder: Path, *words: str, entry: str = "one", processes: int = 1, **more):
    named = words if words[0].startswith("tools.") else (*words, "--entry", entry)
    return run(command(*named, script="tests/play_summaries.py", processes=processes), folder, **more)


def record_of(folder: Path, entry: str = "one") -> Record:
    return read_record(folder / "runs" / entry / "record.json")


@pytest.fixture(scope="session")
def game(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("summaries")
    for words in GAME:
        done = play(folder, *words)
    (folder / "stdout.txt").write_text(done.stdout)
    return folder


@pytest.fixture
def copy(game, tmp_path) -> Path:
    return shutil.copytree(game, tmp_path / "copy")
