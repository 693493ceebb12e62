"""What a board writes: an edit shows, what is gone goes, and thousands of entries take seconds."""

import re
import shutil
import sys
import time

import pytest
from deck import deal, varied
from hand_ins import a_day, an_entry, zipped  # noqa: F401

from league.errors import UserError
from league.proof.data import DataAtHand
from tools.board import build, reports, write
from tools.board.__main__ import main
from tools.board.cache import Cache
from tools.board.markdown import plain
from tools.board.writing import differing, is_sealed, seal


def test_an_edit_by_hand_is_noticed_and_kept_unless_forced(elsewhere, one, tmp_path):
    deal(elsewhere / "one", varied(one, 1, bleu=5.0))
    flags = [str(elsewhere), "--out", str(tmp_path / "board"), "--reports", "0"]
    main(flags)
    page = tmp_path / "board" / "LEADERBOARD.md"
    main(flags)  # what it wrote itself it may write over
    page.write_text(page.read_text().replace("5.00", "55.00"))
    with pytest.raises(UserError, match="LEADERBOARD.md: edited by hand"):
        main(flags)
    assert "55.00" in page.read_text()
    main([*flags, "--force"])
    assert "55.00" not in page.read_text()


def test_check_tells_what_is_not_up_to_date(elsewhere, one, tmp_path, capsys):
    deal(elsewhere / "one", varied(one, 1, bleu=5.0))
    flags = [str(elsewhere), "--out", str(tmp_path / "board"), "--reports", "0"]

    def exit_code() -> int:
        with pytest.raises(SystemExit) as end:
            main([*flags, "--check"])
        return end.value.code

    assert exit_code() == 1 and not (tmp_path / "board").exists()
    main(flags)
    assert exit_code() == 0 and "up to date" in capsys.readouterr().out
    deal(elsewhere / "two", varied(one, 2, bleu=6.0))
    capsys.readouterr()
    assert exit_code() == 1 and "LEADERBOARD.md" in capsys.readouterr().out


def test_translations_that_go_while_the_board_is_made_leave_the_rest(played, elsewhere, tmp_path):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    board = build(elsewhere)
    (elsewhere / "one" / "translations.txt").unlink()
    write(board, tmp_path / "board", reports=0)
    assert not list((tmp_path / "board" / "entries").iterdir())
    assert '"data":true' not in (tmp_path / "board" / "index.html").read_text()


def test_two_hand_ins_with_one_record_keep_what_is_theirs(played, elsewhere, tmp_path):
    """Somebody takes another one's record, and hands in other translations with it."""
    for name in ("alice", "mallory"):
        shutil.copytree(played / "runs" / "one", elsewhere / name)
    forged = elsewhere / "mallory" / "translations.txt"
    forged.write_text(re.sub(r"\w+", "forged", forged.read_text()))
    board = build(elsewhere)
    write(board, tmp_path / "board", reports=0)
    rows = {row.name: row for row in (*board.entries, *board.unranked)}
    assert [rows["alice"].state, rows["mallory"].state] == ["claimed", "refuted"]
    texts = {name: tmp_path / "board" / "entries" / f"{row.id}.js" for name, row in rows.items()}
    assert "forged" in texts["mallory"].read_text() and "forged" not in texts["alice"].read_text()


def test_what_is_left_of_an_entry_that_is_gone_is_removed(played, elsewhere, tmp_path):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    out = tmp_path / "board"
    write(build(elsewhere), out, reports=0)
    entry, test = sorted((out / "entries").iterdir())
    assert test.name == "test-tiny-1.js"
    foreign = out / "entries" / "mine.js"
    foreign.write_text("mine")
    shutil.rmtree(elsewhere / "one")
    board = build(elsewhere)
    assert "entries/" + entry.name in differing(board, out)
    write(board, out, reports=0)
    assert not entry.exists() and not test.exists() and foreign.exists() and differing(board, out) == []


def test_a_report_is_made_from_checked_files_and_never_handed_on(played, elsewhere, tmp_path):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    (elsewhere / "one" / "report.html").write_text("<script>alert('theirs')</script>")
    out = tmp_path / "board"
    main([str(elsewhere), "--out", str(out)])
    (report,) = (out / "reports").iterdir()
    assert "theirs" not in report.read_text() and f'"{report.stem}"' in (out / "index.html").read_text()


def test_a_report_without_the_test_set_is_made_anew_once_that_is_there(played, elsewhere, tmp_path, monkeypatch):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    cache = Cache(tmp_path / "cache")

    def refuse(*_):
        raise UserError("no connection")

    with monkeypatch.context() as offline:
        offline.setattr(DataAtHand, "test_set", refuse)
        board = build(elsewhere, cache=cache)
    made = []
    monkeypatch.setattr(reports, "_report", lambda row, _: made.append(row.statistics is not None) or "a report")
    for told in (board, board, build(elsewhere, cache=cache)):
        write(told, tmp_path / "board", reports=1)
    assert made == [False, True]


def test_an_entry_that_upsets_its_report_has_none(played, elsewhere, tmp_path, monkeypatch):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    monkeypatch.setattr(reports, "_report", lambda *_: 1 // 0)
    told = []
    write(build(elsewhere), tmp_path / "board", reports=1, say=told.append)
    assert "no report of one: ZeroDivisionError" in told[-1]
    assert (tmp_path / "board" / "index.html").is_file()


def test_a_seal_breaks_with_any_change():
    text = seal("# Board\n\none\n")
    assert is_sealed(text) and is_sealed(seal("x\n", "// {}")) and not is_sealed("x")
    assert not is_sealed(text.replace("one", "two")) and not is_sealed(text + "more\n")


@pytest.mark.parametrize(
    "text", ["a|b", "<img src=x>", "[x](javascript:alert(1))", "![x](http://y)", "`code`", "a\nb", "https://evil.org"]
)
def test_markdown_shows_a_foreign_text_as_text(text):
    markdown_it = pytest.importorskip("markdown_it")
    table = f"| a |\n|---|\n| {plain(text)} |\n"
    html = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table").render(table)
    assert "://" not in plain(text)  # some hosts make a link of any address
    assert html.count("<td>") == 1 and html.count("<tr>") == 2
    assert not any(tag in html for tag in ("<a", "<img", "<code", "<script"))


def test_the_document_names_what_it_ranks_and_refuses(elsewhere, one, tmp_path):
    deal(elsewhere / "mine", varied(one, 1, bleu=12.5))
    zipped(elsewhere / "bad.zip", {"x": "y"})
    write(build(elsewhere), tmp_path / "board", reports=0)
    text = (tmp_path / "board" / "LEADERBOARD.md").read_text()
    assert "| 1 | mine | **12.50** | 11.50 to 13.50 | 1 |" in text and "| bad | holds no record.json |" in text


# ---- Quickly


def test_thousands_of_records_make_a_board_in_seconds(elsewhere, one, tmp_path):
    record = varied(one, 1)
    for number in range(2000):
        record["entry"] = f"entry{number}"
        record["score"] |= {"value": number % 600 / 20, "interval": [0.0, 31.0]}
        record["score"]["weights"]["model.safetensors"] = f"{number:064x}"
        record["stages"]["finetune"]["sha256"] = record["score"]["weights"]
        deal(elsewhere / f"e{number}", record, age=number)
    start = time.process_time()
    board = build(elsewhere)
    write(board, tmp_path / "board", reports=0)
    seconds = time.process_time() - start
    assert len(board.entries) == 2000
    assert seconds < 4  # one and a half on a machine that does nothing else


CROWD = """
import os
from pathlib import Path

import play  # here, so that each process knows the tiny league

from league.errors import run_command
from tools.board import build, crowd, write


def die(*_):
    os._exit(1)


def main():
    crowd.FEW, crowd.AT_ONCE = 2, 2
    alone = build(Path("day"))
    write(alone, Path("alone"), reports=0)
    outcome, crowd._outcome = crowd._outcome, None  # this process judges nothing now
    write(build(Path("day"), processes=2), Path("crowd"), reports=0)
    crowd._outcome, crowd._begin = outcome, die
    write(build(Path("day"), processes=2), Path("bereft"), reports=0)
    assert {row.statistics is None for row in alone.entries} == {True, False} and len(alone.refused) == 4
    assert {row.state for row in alone.unranked} == {"claimed", "refuted"}, alone.unranked


if __name__ == "__main__":
    run_command(main)
"""


@pytest.mark.long
def test_several_processes_make_the_same_board_as_one(played, elsewhere, one, tmp_path):
    from conftest import ROOT, run

    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    for number in range(6):
        deal(elsewhere / f"e{number}", varied(one, number, bleu=30.0 + number))
    shutil.copytree(elsewhere / "e1", elsewhere / "copy")
    (deal(elsewhere / "damaged", one) / "record.json").write_text('{"format": 2, "entry": NaN}')
    (deal(elsewhere / "other", one) / "record.json").write_text('{"format": 1}')
    (elsewhere / "E2.zip").write_bytes(b"no archive")
    deal(elsewhere / "runs" / "e3", varied(one, 9))
    deal(elsewhere / "untrue", varied(one, 8) | {"official": False})
    (tmp_path / "crowd.py").write_text(CROWD)
    run([sys.executable, "crowd.py"], tmp_path, PYTHONPATH=f"{ROOT}:{ROOT / 'tests'}")
    boards = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("alone", "crowd", "bereft")
    ]
    assert boards[0] == boards[1] == boards[2] and len(boards[0]) == 4
