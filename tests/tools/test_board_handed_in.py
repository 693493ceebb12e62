"""What is handed in to a board, from a disk or the Hub: read without trust, or refused with a reason."""

import json
import os
import stat
import zipfile
from pathlib import Path

import pytest
from deck import deal, varied
from hand_ins import a_day, an_entry, bomb, zipped  # noqa: F401

from league.errors import UserError
from league.untrusted import MAX_BYTES
from tools.board import build, handed_in
from tools.board.__main__ import main
from tools.board.pull import pull


def refused(folder: Path) -> dict[str, str]:
    return dict(build(folder).refused)


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


# ---- From the Hub


@pytest.mark.long
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
    monkeypatch.setattr("huggingface_hub.HfApi.repo_info", lambda *_, **__: SimpleNamespace(sha="0" * 40))
    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_tree", lambda *_, **__: iter(listed))
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: None)
    with pytest.raises(UserError, match="1 of 1 files did not arrive"):
        pull("club/day", tmp_path / "day", with_checkpoints=False)
