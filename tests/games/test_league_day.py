"""An organiser's day, as docs/organiser.md has it: entries come as zips and folders, are proven, and make a board."""

import re
import shutil
import zipfile

import pytest
from play import TINY  # noqa: F401  (the tiny league is known from here on)

from tools import push, verify
from tools.board import __main__ as board


@pytest.fixture
def day(played, tmp_path, monkeypatch):
    """A folder with two entries handed in: `one` as a zip, and the same as a folder, by somebody else."""
    shutil.copytree(played / "runs" / "one", tmp_path / "runs" / "one")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "entries").mkdir()
    push.main(["runs/one", "--zip", "entries/one.zip"])
    shutil.copytree("runs/one", "entries/two")
    return tmp_path


def test_a_zip_is_unpacked_and_proven(day, capsys):
    with zipfile.ZipFile("entries/one.zip") as archive:
        archive.extractall("unpacked")
    verify.main(["unpacked/one"])
    assert "PROVEN: one, " in capsys.readouterr().out


def test_zips_and_folders_make_one_board(day, capsys):
    flags = ["entries", "--verify", "--out", "board", "--reports", "0"]
    board.main(flags)
    assert "1 ranked, 1 not ranked, 0 refused" in capsys.readouterr().out
    page = (day / "board" / "LEADERBOARD.md").read_text(encoding="utf-8")
    (ranked,) = re.findall(r"^\| 1 \| .*$", page, re.MULTILINE)
    assert ranked.endswith("| verified |")
    assert re.search(r"^.*\bcopy\b.*$", page.replace(ranked, ""), re.MULTILINE)
    with pytest.raises(SystemExit) as told:
        board.main([*flags, "--check"])
    assert told.value.code == 0
    (day / "board" / "LEADERBOARD.md").write_text("| 1 | me | 99.99 |\n", encoding="utf-8")
    with pytest.raises(SystemExit) as told:
        board.main([*flags, "--check"])
    assert told.value.code == 1
