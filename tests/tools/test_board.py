"""The board: what is handed in is judged without trust, ranked with its ties, and written so that an edit shows."""

import json
import os
import shutil
import stat
import sys
import time
import zipfile
from pathlib import Path

import pytest
from deck import deal, judged, read, varied
from play import TINY

from league.data.corpora import load_split
from league.errors import UserError
from league.proof import checks as proof
from league.proof.comparison import Comparison
from league.proof.data import DataAtHand
from league.untrusted import MAX_BYTES
from tools.board import build, handed_in, reports, standings, write
from tools.board.__main__ import main
from tools.board.cache import Cache
from tools.board.markdown import plain
from tools.board.pull import pull
from tools.board.writing import differing, is_sealed, seal


@pytest.fixture(scope="module")
def one(played) -> dict:
    return read(played / "runs" / "one")


@pytest.fixture(scope="module")
def targets() -> list[str]:
    return list(load_split(TINY, TINY.pretrain.corpus, "test", None).targets)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> Path:
    """The board's own folder, with its cache, beside what is handed in."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "day"


def board_of(folder: Path, **settings):
    return build(folder, **settings)


def refused(folder: Path) -> dict[str, str]:
    return dict(build(folder).refused)


# ---- Judging


def test_what_was_played_stands_on_the_board_with_its_score_computed_anew(played, one):
    board = build(played / "runs")
    (row,) = board.entries
    assert (row.name, row.rank, row.state, row.score) == ("one", 1, "claimed", one["score"]["value"])
    assert row.statistics.shape == (25, 10) and not row.notes and not board.refused


def test_a_record_alone_stands_as_a_claim_and_says_so(elsewhere, one):
    deal(elsewhere / "alice", varied(one, 1, bleu=30.0))
    (row,) = build(elsewhere).entries
    assert row.state == "claimed" and "as claimed" in row.notes[0]


@pytest.mark.parametrize(
    "accident", ["translations", "score", "interval", "weights", "clock", "verdict", "a file more"]
)
def test_what_is_not_true_is_refuted_and_not_ranked(played, elsewhere, accident):
    folder = shutil.copytree(played / "runs" / "one", elsewhere / "one")
    record = read(folder)
    if accident == "translations":
        (folder / "translations.txt").write_text("A man.\n" * 25)
    elif accident == "score":
        record["score"]["value"] += 1
    elif accident == "interval":
        record["score"]["interval"] = [20.0, 30.0]
    elif accident == "weights":
        (folder / "finetune" / "model.safetensors").write_bytes(b"others")
    elif accident == "clock":
        (folder / "clock.json").write_text('{"spent": {"pretrain": 600.0}}')
    elif accident == "verdict":
        record["clock"]["minutes"] = 999.0
    else:
        (folder / "finetune" / "pytorch_model.bin").write_bytes(b"x")
    (folder / "record.json").write_text(json.dumps(record))
    board = build(elsewhere)
    (row,) = board.unranked
    assert row.state == "refuted" and row.reasons and not board.entries


def test_late_and_open_entries_stand_below_with_their_reasons(elsewhere, one):
    late, other = varied(one, 1, bleu=90.0), varied(one, 2, bleu=80.0)
    late["clock"] |= {"minutes": 7.0, "spent": {"pretrain": 6.0, "finetune": 0.5, "score": 0.5}}
    other["score"]["decoding"]["num_beams"] = 9
    deal(elsewhere / "late", judged(late))
    deal(elsewhere / "other", judged(other))
    deal(elsewhere / "sound", varied(one, 3, bleu=10.0))
    board = build(elsewhere)
    assert [row.name for row in board.entries] == ["sound"]
    assert [(row.name, row.state) for row in board.unranked] == [("late", "late"), ("other", "open")]
    assert board.unranked[0].reasons == ["The clock stands at 7 minutes; no more than 5 can be."]
    assert "num_beams: expected 4, found 9" in board.unranked[1].reasons[0]


def test_each_league_has_a_board_of_its_own(elsewhere, one):
    deal(elsewhere / "mine", varied(one, 1, bleu=10.0))
    foreign = varied(one, 2, bleu=99.0)
    foreign["league"]["name"] = foreign["asked"]["league"] = "elsewhere"
    deal(elsewhere / "theirs", judged(foreign))
    board = build(elsewhere)
    assert {standing.name: [row.name for row in standing.rows] for standing in board.standings} == {
        "tiny": ["mine"],
        "elsewhere": ["theirs"],
    }
    assert [row.name for row in board.entries] == ["mine"]


# ---- Proving


def test_an_entry_is_verified_by_the_full_proof_once(played, elsewhere, monkeypatch):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    told = []
    assert [row.state for row in build(elsewhere, verify=True, say=told.append).entries] == ["verified"]
    assert told[-1] == "1/1 one: verified"
    monkeypatch.setattr(proof, "checks", lambda *_: pytest.fail("proven again"))
    assert [row.state for row in build(elsewhere, verify=True).entries] == ["verified"]
    # Without --verify nothing is promised, and other files are other files.
    assert [row.state for row in build(elsewhere).entries] == ["claimed"]


def test_what_fails_the_full_proof_is_refuted(played, elsewhere, monkeypatch):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    monkeypatch.setattr(proof, "checks", lambda *_: iter([proof.Check("the weights translate", ["they do not"])]))
    for _ in range(2):  # the second time from what is kept
        (row,) = build(elsewhere, verify=True).unranked
        assert (row.state, row.reasons) == ("refuted", ["the weights translate: they do not"])


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError("too little")])
def test_what_this_machine_cannot_do_refutes_nobody(played, elsewhere, monkeypatch, error):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")

    def broken_off(*_):
        raise error

    with monkeypatch.context() as accident:
        accident.setattr(proof, "checks", broken_off)
        (row,) = build(elsewhere, verify=True).entries
        assert row.state == "claimed" and "the proof broke off" in row.notes[-1] and str(error) in row.notes[-1]
    monkeypatch.setattr(proof, "checks", lambda *_: iter([proof.Check("anything", [])]))
    assert build(elsewhere, verify=True).entries[0].state == "verified"


def test_an_entry_that_upsets_the_proof_is_refuted_and_stops_nothing_else(played, elsewhere, monkeypatch):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    monkeypatch.setattr(proof, "checks", lambda *_: 1 // 0)
    (row,) = build(elsewhere, verify=True).unranked
    assert row.state == "refuted" and "ZeroDivisionError" in row.reasons[0]


def test_a_claim_that_cannot_be_proven_stays_a_claim(elsewhere, one):
    deal(elsewhere / "one", varied(one, 1, bleu=5.0))
    (row,) = build(elsewhere, verify=True).entries
    assert row.state == "claimed" and any("not handed in" in note for note in row.notes)


def test_a_hand_in_cannot_bring_its_own_proof(elsewhere, monkeypatch):
    elsewhere.mkdir()
    assert Cache.beside(elsewhere).folder is not None
    monkeypatch.chdir(elsewhere)
    assert Cache.beside(elsewhere).folder is None and Cache.beside(elsewhere.parent).folder is None


# ---- Ranking


def test_all_that_cannot_be_told_from_the_leader_share_its_rank(elsewhere, one, monkeypatch):
    monkeypatch.setattr(standings, "seed_deviation", lambda *_: 1.0)  # two runs may be 2.77 apart
    for number, bleu in enumerate([40.0, 38.0, 37.3, 37.1, 35.0, 20.0]):
        record = varied(one, number, bleu)
        record["score"]["interval"] = [bleu - 0.1, bleu + 0.1]
        deal(elsewhere / f"e{number}", record)
    rows = build(elsewhere).entries
    assert [(row.rank, row.is_tied) for row in rows] == [
        (1, True), (1, True), (1, True), (4, True), (4, True), (6, False),
    ]  # fmt: skip


def test_a_real_difference_over_the_sentences_parts_two_entries(elsewhere, one, targets):
    half = [target if i % 2 else "A man." for i, target in enumerate(targets)]
    deal(elsewhere / "all", varied(one, 1), targets)
    deal(elsewhere / "half", varied(one, 2), half)
    deal(elsewhere / "nearly", varied(one, 3), [*half[:-1], "A dog."])
    rows = build(elsewhere).entries
    assert [row.name for row in rows][0] == "all"
    assert [row.rank for row in rows] == [1, 2, 2]


def test_equal_scores_go_to_the_earlier_one(elsewhere, one):
    for number, age in enumerate([10, 30, 20]):
        deal(elsewhere / f"e{number}", varied(one, number, bleu=10.0), age=age)
    assert [row.name for row in build(elsewhere).entries] == ["e1", "e2", "e0"]


def test_an_entry_that_is_not_ranked_takes_nobody_the_rank(elsewhere, one):
    late = varied(one, 1, bleu=10.0) | {"official": False}
    late["data"]["captions.train"]["origin"] = "files"
    deal(elsewhere / "own-files", late, age=2)
    deal(elsewhere / "official", varied(one, 1, bleu=10.0), age=1)
    assert [row.name for row in build(elsewhere).entries] == ["official"]


def test_of_entries_with_the_same_weights_only_the_earlier_one_is_ranked(elsewhere, one):
    deal(elsewhere / "copycat", varied(one, 1, bleu=10.0), age=1)
    deal(elsewhere / "original", varied(one, 1, bleu=10.0), age=2)
    board = build(elsewhere)
    assert [row.name for row in board.entries] == ["original"]
    assert board.unranked[0].copy_of == "original" and "very weights of original" in board.unranked[0].reasons[0]


def test_seeds_of_the_same_values_are_counted_and_averaged(elsewhere, one):
    for number, bleu in enumerate([10.0, 12.0]):
        deal(elsewhere / f"e{number}", varied(one, number, bleu))
    deal(elsewhere / "other", varied(one, 7, 30.0, learning_rate=2e-5))
    told = {row.name: (row.num_seeds, row.seeds_mean) for row in build(elsewhere).entries}
    assert told == {"e0": (2, 11.0), "e1": (2, 11.0), "other": (1, 30.0)}


# ---- What is handed in


def zipped(path: Path, members: dict[str, bytes | str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_folders_and_archives_are_found_a_little_nested(played, elsewhere, one):
    deal(elsewhere / "alice" / "runs" / "mine", varied(one, 1, bleu=9.0))
    zipped(elsewhere / "bob.zip", {"runs/mine/record.json": json.dumps(varied(one, 2, bleu=8.0))})
    zipped(elsewhere / "group" / "carol.zip", {"record.json": json.dumps(varied(one, 3, bleu=7.0))})
    tried = zipped(elsewhere / "dan.zip", {"dan/record.json": json.dumps(varied(one, 4, bleu=6.0))})
    with zipfile.ZipFile(tried, "a") as archive:  # a search's trials lie inside of its entry
        archive.writestr("dan/tune/trials/0001/record.json", json.dumps(varied(one, 5, bleu=99.0)))
    deal(elsewhere / "erin" / "tune" / "trials" / "1", varied(one, 5, bleu=99.0))
    deal(elsewhere / "erin", varied(one, 6, bleu=5.0))
    names = [row.name for row in build(elsewhere).entries]
    assert names == ["alice/mine", "bob/mine", "group/carol", "dan", "erin"]


def test_an_archive_is_proven_as_a_folder_is(played, elsewhere):
    folder = played / "runs" / "one"
    zipped(elsewhere / "one.zip", {
        f"one/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*") if path.is_file() and "under_way" not in path.parts
    })  # fmt: skip
    assert [row.state for row in build(elsewhere, verify=True).entries] == ["verified"]
    assert [row.name for row in build(elsewhere / "one.zip").entries] == ["one"]


HOSTILE = {
    "no JSON": b"{",
    "not an object": b"[]",
    "depth": b"[" * 100_000,
    "an infinity": b'{"format": 1e999}',
    "not a number": b'{"format": NaN}',
    "a large number": b'{"format": ' + b"9" * 5000 + b"}",
    "wrong encoding": b'{"entry": "\xff"}',
    "UTF-16": '{"format": 2}'.encode("utf-16"),
    "too large": b" " * (MAX_BYTES + 1),
    "nothing": b"",
    "another format": b'{"format": 99}',
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("is_zipped", [False, True])
def test_a_damaged_record_is_refused_with_its_reason_and_stops_nothing(elsewhere, one, kind, is_zipped):
    deal(elsewhere / "sound", varied(one, 1, bleu=5.0))
    if is_zipped:
        zipped(elsewhere / "evil.zip", {"record.json": HOSTILE[kind]})
    else:
        (elsewhere / "evil").mkdir()
        (elsewhere / "evil" / "record.json").write_bytes(HOSTILE[kind])
    board = build(elsewhere)
    assert [row.name for row in board.entries] == ["sound"]
    assert board.refused[0].name == "evil" and "record.json" in board.refused[0].reason


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("a score beyond all", lambda record: record["score"].update(value=1e6)),
        ("a score below all", lambda record: record["score"].update(value=-5.0)),
        ("an interval the wrong way", lambda record: record["score"].update(interval=[9.0, 1.0])),
        ("negative minutes", lambda record: record["clock"].update(minutes=-1.0)),
        ("a script in its name", lambda record: record.update(entry="<script>alert(1)</script>")),
        ("a script in a device", lambda record: record["stages"]["finetune"].update(device="\u202e<img src=x>\x00")),
        ("a field too many", lambda record: record.update(more=1)),
    ],
)
def test_a_record_that_cannot_be_is_refused(elsewhere, one, name, change):
    record = varied(one, 1, bleu=5.0)
    change(record)
    deal(elsewhere / "evil", record)
    board = build(elsewhere)
    assert not board.entries and not board.unranked and len(board.refused) == 1, name


def bomb() -> bytes:
    return b"0" * 30_000_000


def evil_archive(path: Path, kind: str, record: str) -> None:
    members = {"record.json": record}
    if kind == "a bomb":
        zipped(path, {**members, "translations.txt": bomb()})
    elif kind == "many members":
        zipped(path, {**members, **{f"x/{i}": b"" for i in range(handed_in.MOST_MEMBERS)}})
    elif kind == "not an archive":
        path.write_bytes(b"PK\3\4 not really")
    elif kind == "cut off":
        content = zipped(path, members).read_bytes()
        path.write_bytes(content[: len(content) // 2])
    elif kind == "flipped":
        content = bytearray(zipped(path, members).read_bytes())
        content[200] ^= 255
        path.write_bytes(bytes(content))
    elif kind == "a link":
        link = zipfile.ZipInfo("finetune")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        zipped(path, members)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(link, "/etc")
    elif kind == "a directory that lies":
        content = bytearray(zipped(path, members).read_bytes())
        at = content.rfind(b"PK\5\6")
        content[at + 12 : at + 16] = (2**31).to_bytes(4, "little")
        path.write_bytes(bytes(content))
    elif kind == "two names of a file":
        # The name in front of the file itself, which is read later, is no UTF-8.
        path.write_bytes(zipped(path, {"é/record.json": record}).read_bytes().replace("é".encode(), b"\xff\xfe", 1))
    elif kind == "encrypted":
        content = bytearray(zipped(path, members).read_bytes())
        content[content.rfind(b"PK\1\2") + 8] |= 1
        path.write_bytes(bytes(content))
    else:
        with pytest.warns() if kind == "twice" else open(os.devnull):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("record.json", record)
                archive.writestr({
                    "twice": "record.json", "twice but for case": "Record.JSON", "a way out": "../../evil.txt",
                    "an absolute path": "/etc/evil", "a drive": "C:\\evil", "backslashes": "a\\..\\..\\evil",
                    "a control character": "a\x1b[2Jb", "depth": "a/" * 50 + "b", "a long name": "a" * 5000,
                }[kind], "x")  # fmt: skip


ARCHIVES = ["a bomb", "many members", "not an archive", "cut off", "flipped", "a link", "a directory that lies"]
ARCHIVES += ["encrypted", "twice", "twice but for case", "a way out", "an absolute path", "a drive", "backslashes"]
ARCHIVES += ["a control character", "depth", "a long name", "two names of a file"]


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_that_plays_tricks_is_refused_and_leaves_nothing(elsewhere, one, tmp_path, kind):
    deal(elsewhere / "sound", varied(one, 1, bleu=5.0))
    evil_archive(elsewhere / "evil.zip", kind, json.dumps(varied(one, 2, bleu=6.0)))
    before = sorted(tmp_path.rglob("*"))
    board = build(elsewhere)
    assert [row.name for row in board.entries] == ["sound"]
    assert [name.split("/")[0] for name, _ in board.refused] == ["evil"] and board.refused[0].reason.isprintable()
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before and ".cache" not in path.parts] == []


@pytest.mark.parametrize(
    "kind", ["link to a record", "link to a folder", "pipe", "pipe for an archive", "folder", "unreadable names"]
)
def test_links_and_pipes_are_not_followed(elsewhere, one, tmp_path, kind):
    deal(elsewhere / "sound", varied(one, 1, bleu=5.0))
    outside = deal(tmp_path / "outside", varied(one, 2, bleu=6.0))
    evil = elsewhere / "evil"
    if kind == "link to a folder":
        evil.symlink_to(outside)
    elif kind == "pipe for an archive":
        os.mkfifo(elsewhere / "evil.zip")
    else:
        evil.mkdir()
        if kind == "link to a record":
            (evil / "record.json").symlink_to(outside / "record.json")
        elif kind == "pipe":
            os.mkfifo(evil / "record.json")
        elif kind == "folder":
            (evil / "record.json").mkdir()
        else:
            os.mkdir(os.fsencode(evil) + b"/\xff\xfe\n")
            (evil / os.fsdecode(b"\xff\xfe\n") / "record.json").write_text("x")
    board = build(elsewhere)
    assert [row.name for row in board.entries] == ["sound"]
    assert board.refused[0].name.startswith("evil") and board.refused[0].name.isprintable()


def test_what_may_not_be_read_stops_nothing_else(elsewhere, one, monkeypatch):
    deal(elsewhere / "locked", varied(one, 1, bleu=6.0))
    deal(elsewhere / "sound", varied(one, 2, bleu=5.0))
    files = handed_in._files

    def read(folder, items):
        if folder.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return files(folder, items)

    monkeypatch.setattr(handed_in, "_files", read)
    board = build(elsewhere)
    assert [row.name for row in board.entries] == ["sound"]
    assert board.refused == [("locked", "cannot be read (Permission denied)")]


def test_of_two_with_one_name_the_second_is_refused(elsewhere, one):
    deal(elsewhere / "Mine", varied(one, 1, bleu=5.0))
    zipped(elsewhere / "mine.zip", {"record.json": json.dumps(varied(one, 2, bleu=6.0))})
    assert list(refused(elsewhere)) == ["mine"] and "under that name" in refused(elsewhere)["mine"]


def test_a_source_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match="not there"):
        main([str(tmp_path / "nowhere")])


# ---- What is written


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


def test_what_is_left_of_an_entry_that_is_gone_is_removed(played, elsewhere, tmp_path):
    shutil.copytree(played / "runs" / "one", elsewhere / "one")
    out = tmp_path / "board"
    write(build(elsewhere), out, reports=0)
    (entry,) = (out / "entries").iterdir()
    foreign = out / "entries" / "mine.js"
    foreign.write_text("mine")
    shutil.rmtree(elsewhere / "one")
    board = build(elsewhere)
    assert "entries/" + entry.name in differing(board, out)
    write(board, out, reports=0)
    assert not entry.exists() and foreign.exists() and differing(board, out) == []


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
    assert boards[0] == boards[1] == boards[2] and len(boards[0]) == 3


def test_a_tie_is_what_a_comparison_calls_one():
    assert Comparison(("a", "b"), (30.0, 31.0), 0.5, None, {}).is_tie


# ---- From the Hub


def test_a_dataset_is_pulled_without_what_is_no_entrys(played, one, tmp_path):
    from conftest import ROOT, command, run
    from hub_server import serving

    folder = played / "runs" / "one"
    with serving() as hub:
        for path in folder.rglob("*"):
            if path.is_file() and "under_way" not in path.parts:
                hub.files[f"datasets/club/day/one/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
        hub.files["datasets/club/day/one/evil.py"] = b"print('evil')"
        hub.files["datasets/club/day/big/translations.txt"] = bomb()
        home = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "home")}
        home |= {"HF_HUB_DISABLE_XET": "1", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        program = "import play; from tools.board.__main__ import main; from league.errors import run_command\n"
        program += "import sys; run_command(lambda: main(sys.argv[1:]))"
        words = [command()[0], "-c", program, "club/day", "--out", "board", "--reports", "0"]
        done = run(words, tmp_path, **home)
        assert done.stdout.startswith("1 ranked, 0 not ranked, 1 refused") and "Traceback" not in done.stderr
        assert not any("evil.py" in path or "model.safetensors" in path for _, path in hub.requests)
        assert not any("big/translations.txt" in path for _, path in hub.requests)
        done = run([*words[:3], "club/nothing"], tmp_path, expect=2, **home)
        assert "is no folder here" in done.stderr and "no such repository" in done.stderr


def test_a_hub_out_of_reach_is_told_in_a_line(tmp_path, monkeypatch):
    import httpx2

    def unreachable(*_, **__):
        raise httpx2.ConnectError("Connection refused")

    monkeypatch.setattr("league.hub.connection.WAITS", ())
    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_tree", unreachable)
    with pytest.raises(UserError, match="club/day is no folder here.*no connection to the Hub"):
        pull("club/day", tmp_path / "day", with_checkpoints=False)


def test_a_download_that_ends_early_is_no_board(tmp_path, monkeypatch):
    from types import SimpleNamespace

    listed = [SimpleNamespace(path="one/record.json", size=10, last_commit=None)]
    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_tree", lambda *_, **__: iter(listed))
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: None)
    with pytest.raises(UserError, match="1 of 1 files did not arrive"):
        pull("club/day", tmp_path / "day", with_checkpoints=False)
