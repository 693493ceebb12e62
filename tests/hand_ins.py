"""What a test of the board starts with: an entry's record, a folder to hand in to, archives."""

import zipfile
from pathlib import Path

import pytest
from deck import read


@pytest.fixture(scope="module", name="one")
def an_entry(played) -> dict:
    return read(played / "runs" / "one")


@pytest.fixture(autouse=True, name="elsewhere")
def a_day(tmp_path, monkeypatch) -> Path:
    """The board's own folder, with its cache, beside what is handed in."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "day"


def zipped(path: Path, members: dict[str, bytes | str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def bomb() -> bytes:
    return b"0" * 30_000_000
