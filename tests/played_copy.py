"""A copy of the played folder, to be broken, and what its records say."""

import shutil
from pathlib import Path

import pytest
from conftest import SMALL, command

from league.record.shape import as_json, read_record

PRETRAIN = command("train_pretrain", "--entry", "one", *SMALL)


def record_of(folder: Path, entry: str = "one") -> dict:
    return as_json(read_record(folder / "runs" / entry / "record.json"))


@pytest.fixture(name="here")
def a_copy(played, tmp_path, monkeypatch) -> Path:
    """A copy of the played folder, and in it."""
    shutil.copytree(played, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def weights_of(folder: Path, entry: str = "one") -> str:
    return record_of(folder, entry)["stages"]["pretrain"]["sha256"]["model.safetensors"]
