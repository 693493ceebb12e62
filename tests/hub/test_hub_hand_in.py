"""An entry is handed in to a board on the Hub, or as a zip."""

import sys
import zipfile

import pytest
from conftest import ROOT, run
from hub_entry import large_files_sent

from league.errors import UserError
from league.hub import transfer
from league.hub.transfer import hand_in
from league.record.folder import files_to_hand_in, read_whole_entry
from league.record.shape import read_record
from tools.push import main as push_command
from tools.push import write_zip

pytest_plugins = "hub_entry"


def test_an_entry_is_handed_in_with_all_that_its_proof_takes(on_hub, entry, tmp_path):
    on_hub.repositories.add("datasets/club/entries")
    on_hub.files["datasets/club/entries/ones/record.json"] = b"of somebody else"
    assert hand_in(entry, "club/entries") == f"{on_hub.url}/datasets/club/entries/tree/main/one"
    tree = on_hub.tree("datasets/club/entries")
    assert tree.pop("ones/record.json") == b"of somebody else"
    for name, content in tree.items():
        (tmp_path / "board" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "board" / name).write_bytes(content)
    arrived = tmp_path / "board" / "one"
    assert read_whole_entry(arrived) == read_record(tmp_path / "runs" / "one" / "record.json")
    assert (arrived / "clock.json").read_bytes() == (entry / "clock.json").read_bytes()
    assert not [path for path in arrived.rglob("*") if path.suffix in (".pt", ".html", ".png")]

    sent = len(large_files_sent(on_hub))
    hand_in(entry, "club/entries")
    assert len(large_files_sent(on_hub)) == sent


def test_who_may_not_write_hands_in_by_a_pull_request(on_hub, entry):
    on_hub.repositories.add("datasets/club/entries")
    on_hub.read_only.add("datasets/club/entries")
    assert hand_in(entry, "club/entries") == f"{on_hub.url}/datasets/club/entries/discussions/1"
    assert on_hub.tree("datasets/club/entries") == {}
    assert "one/record.json" in on_hub.tree("datasets/club/entries", "refs/pr/1")


def test_nobody_elses_entry_is_overwritten_unasked(on_hub, entry):
    on_hub.files["datasets/club/entries/one/record.json"] = b"of somebody else"
    on_hub.files["datasets/club/entries/one/old.txt"] = b"of before"
    with pytest.raises(UserError, match="another entry 'one'"):
        hand_in(entry, "club/entries")
    assert on_hub.files["datasets/club/entries/one/record.json"] == b"of somebody else"
    hand_in(entry, "club/entries", replace=True)
    assert on_hub.files["datasets/club/entries/one/record.json"] == (entry / "record.json").read_bytes()
    assert "datasets/club/entries/one/old.txt" not in on_hub.files


@pytest.mark.parametrize("asked", [False, True])
def test_a_folder_of_other_peoples_entries_is_no_entry_to_replace(on_hub, entry, asked):
    place = "datasets/club/entries/one/alice/record.json"  # of a club whose boards are sorted by day, say
    on_hub.files[place] = b"of somebody else"
    with pytest.raises(UserError, match="club/entries has a folder 'one' that is no entry: rename"):
        hand_in(entry, "club/entries", replace=asked)
    assert on_hub.files[place] == b"of somebody else"


@pytest.mark.parametrize("theirs", ["one/record.json", "two/record.json"])
def test_of_two_that_arrive_at_once_none_is_lost(on_hub, entry, monkeypatch, theirs):
    """Another entry comes in while the weights go up: of the same name, as the default one is, or not."""
    monkeypatch.setattr("league.hub.connection.WAITS", (0.0, 0.0))
    on_hub.repositories.add("datasets/club/entries")
    other, operations = f"datasets/club/entries/{theirs}", transfer._operations

    def meanwhile(*files):
        on_hub.files.setdefault(other, b"of somebody else")
        return operations(*files)

    monkeypatch.setattr(transfer, "_operations", meanwhile)
    if theirs.startswith("one/"):
        with pytest.raises(UserError, match="another entry 'one'"):
            hand_in(entry, "club/entries")
    else:
        hand_in(entry, "club/entries")
        assert "datasets/club/entries/one/record.json" in on_hub.files
    assert on_hub.files[other] == b"of somebody else"


def test_what_is_not_scored_is_not_handed_in(on_hub, stage_a, tmp_path):
    on_hub.repositories.add("datasets/club/entries")
    with pytest.raises(UserError, match="no score yet"):
        hand_in(stage_a, "club/entries")
    with pytest.raises(UserError, match="no score yet"):
        write_zip(stage_a, tmp_path / "mine.zip")
    assert not on_hub.requests and not (tmp_path / "mine.zip").exists()


def test_a_zip_holds_the_same_as_a_board(entry, tmp_path):
    path = write_zip(entry, tmp_path / "mine.zip")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
        names = archive.namelist()
    assert read_whole_entry(tmp_path / "unpacked" / "one") == read_record(tmp_path / "runs" / "one" / "record.json")
    assert set(names) == set(files_to_hand_in(entry))
    assert write_zip(entry, tmp_path / "again.zip").read_bytes() == path.read_bytes()
    for wrong in ("mine.tar", "none/mine.zip"):
        with pytest.raises(UserError, match="mine"):
            write_zip(entry, tmp_path / wrong)
    assert sorted(path.name for path in tmp_path.glob("*mine*")) == ["mine.zip"]


def test_the_command_ends_with_one_line(on_hub, entry, tmp_path):
    words = [sys.executable, "-m", "tools.push", str(entry)]
    away = {"HF_ENDPOINT": on_hub.url, "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_XET": "1"}
    done = run([*words, "--hub_model_id", "club/mine", "--zip", "x.zip"], tmp_path, **away)
    assert done.stdout.splitlines() == ["written: x.zip", f"uploaded: {on_hub.url}/club/mine"]
    on_hub.status = 401
    done = run([*words, "--board", "club/entries"], tmp_path, expect=2, **away)
    assert len(done.stderr.strip().splitlines()) == 1 and "not handed in to club/entries" in done.stderr
    for wrong in (["--hub_model_id", "a/b/c"], ["--board", "entries"], ["--zip", "x.tar"]):
        done = run([*words, *wrong], tmp_path, expect=2, **away)
        assert len(done.stderr.strip().splitlines()) == 1 and wrong[0] in done.stderr


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--zip", "x.zip", "--replace"], "--replace: only goes with --board"),
        (["--board", "club/entries", "--hub_private_repo"], "--hub_private_repo: .* --hub_model_id"),
    ],
)
def test_a_flag_that_would_do_nothing_is_refused(entry, flags, told):
    with pytest.raises(UserError, match=told):
        push_command([str(entry), *flags])
