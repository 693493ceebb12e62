"""Colab: what is installed beside its own torch and numpy, and runs that outlive its machines."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, STARTED_OVER, command, run

from league.errors import UserError
from tools import colab, keep


def test_only_torch_and_numpy_are_left_out():
    names = {line.partition("==")[0] for line in (ROOT / "requirements.txt").read_text().split()}
    assert names - {line.partition("==")[0] for line in colab.pins()} == {"torch", "numpy"}


def test_pip_is_told_to_leave_both_as_they_are(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(
        colab.subprocess, "run", lambda words: calls.append(words) or type("Done", (), {"returncode": 0})
    )
    monkeypatch.setattr(colab, "version", {"torch": "2.9.1+cu126", "numpy": "2.1.0"}.__getitem__)
    colab.main([])
    assert {"torch==2.9.1+cu126", "numpy==2.1.0", *colab.pins()} <= set(calls[0])
    assert "torch 2.9.1+cu126" in capsys.readouterr().out


@pytest.mark.parametrize("found", ["2.5.1", "1.13.0+cu117"])
def test_a_torch_that_is_too_old_is_told(monkeypatch, found):
    monkeypatch.setattr(colab, "version", lambda name: found)
    with pytest.raises(UserError, match="torch .* is too old: 2.6 or newer"):
        colab.main([])


def test_a_pip_that_fails_is_told(monkeypatch):
    monkeypatch.setattr(colab.subprocess, "run", lambda words: type("Done", (), {"returncode": 1}))
    with pytest.raises(UserError, match="beside Colab's own torch"):
        colab.main([])


# tools.keep


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Path:
    """A folder to work in, with an entry in runs/; the second place is beside it."""
    folder = tmp_path / "machine"
    write(folder / "runs" / "mine" / "record.json", "{}")
    write(folder / "runs" / "mine" / "pretrain" / "model.safetensors", "weights")
    write(folder / "runs" / ".cache" / "tokens.arrow", "large")
    monkeypatch.chdir(folder)
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def files_in(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_what_is_kept_is_brought_back_on_a_new_machine(machine, tmp_path, capsys):
    kept = tmp_path / "drive"
    keep.main([str(kept), "--once"])
    (machine / "runs").rename(tmp_path / "gone")
    keep.main([str(kept), "--once"])
    assert "brought back: mine" in capsys.readouterr().out
    expected = {"mine/record.json": "{}", "mine/pretrain/model.safetensors": "weights"}
    assert files_in(machine / "runs") == files_in(kept) == expected


def test_changes_and_removals_follow_and_nothing_half_written_is_kept(machine, tmp_path):
    kept, entry = tmp_path / "drive", machine / "runs" / "mine"
    write(entry / "under_way" / "pretrain" / "checkpoint-1" / "complete.json", "1")
    keep.main([str(kept), "--once"])
    (entry / "under_way" / "pretrain" / "checkpoint-1" / "complete.json").unlink()
    write(entry / "record.json", '{"longer": 1}')
    write(entry / ".record.json.tmp", "half")
    keep.main([str(kept), "--once"])
    assert files_in(kept) == {"mine/record.json": '{"longer": 1}', "mine/pretrain/model.safetensors": "weights"}


def test_a_stage_that_ends_while_its_entry_is_copied_is_kept_whole_or_not_at_all(machine, tmp_path, monkeypatch):
    kept, entry, copy_file = tmp_path / "drive", machine / "runs" / "mine", keep.copy_file
    write(entry / "under_way" / "finetune" / "checkpoint-1" / "complete.json", "1")
    keep.main([str(kept), "--once"])
    before = files_in(kept)

    def ends(source, target):
        copy_file(source, target)
        write(entry / "finetune" / "model.safetensors", "more weights")
        write(entry / "record.json", '{"finetune": "complete"}')
        shutil.rmtree(entry / "under_way", ignore_errors=True)

    with monkeypatch.context() as patch:
        patch.setattr(keep, "copy_file", ends)
        keep.main([str(kept), "--once"])
    assert files_in(kept) == before
    keep.main([str(kept), "--once"])
    assert files_in(kept / "mine") == files_in(entry) != before


def test_a_place_that_fails_while_entries_are_brought_back_is_told(machine, tmp_path, monkeypatch):
    kept = tmp_path / "drive"
    keep.main([str(kept), "--once"])
    (machine / "runs").rename(tmp_path / "gone")
    monkeypatch.setattr(keep, "copy_file", full)
    with pytest.raises(UserError, match="cannot bring back what is in .*drive: No space left on device"):
        keep.main([str(kept), "--once"])


def test_a_newer_entry_is_not_overwritten_by_an_older_one_of_its_name(machine, tmp_path):
    kept = tmp_path / "drive"
    keep.main([str(kept), "--once"])
    os.utime(kept / "mine" / "record.json", (2e9, 2e9))
    with pytest.raises(UserError, match="newer in .* than here"):
        keep.main([str(kept), "--once"])


def test_an_entry_that_was_begun_again_here_does_not_take_the_place_of_a_whole_one(machine, tmp_path):
    kept = tmp_path / "drive"
    keep.main([str(kept), "--once"])
    before = files_in(kept)
    shutil.rmtree(machine / "runs" / "mine" / "pretrain")
    write(machine / "runs" / "mine" / "record.json", '{"fresh": 1}')
    with pytest.raises(UserError, match="mine: has its pretrain stage in .* and not here; move"):
        keep.main([str(kept), "--once"])
    assert files_in(kept) == before


def test_an_entry_that_was_begun_anew_beside_its_copy_can_be_kept_on(machine, tmp_path):
    kept = tmp_path / "drive"
    keep.main([str(kept), "--once"])
    shutil.rmtree(machine / "runs" / "mine")
    write(machine / "runs" / "mine" / "record.json", '{"fresh": 1}')
    keep.copy(machine / "runs" / "mine", kept / "mine")  # as a loop that goes on
    keep.main([str(kept), "--once"])
    assert files_in(kept) == {"mine/record.json": '{"fresh": 1}'}


def test_the_clock_of_a_game_is_kept_and_what_several_machines_add_to_it(machine, tmp_path):
    kept, game = tmp_path / "drive", machine / "runs" / ".games" / "day"
    write(game / "begun.json", "this game")
    write(game / "process-a.json", "an hour")
    keep.main([str(kept), "--once"])
    write(kept / ".games" / "day" / "process-b.json", "of another machine")
    write(game / "process-a.json", "two hours")
    keep.main([str(kept), "--once"])
    expected = {"begun.json": "this game", "process-a.json": "two hours", "process-b.json": "of another machine"}
    assert files_in(game) == files_in(kept / ".games" / "day") == expected
    write(game / "begun.json", "a new game")
    with pytest.raises(UserError, match="game day: another one lies in"):
        keep.main([str(kept), "--once"])


def test_a_place_that_is_not_there_is_told(machine, tmp_path):
    with pytest.raises(UserError, match="mount it first"):
        keep.main([str(tmp_path / "not" / "mounted"), "--once"])


def test_a_kill_while_entries_are_brought_back_costs_nothing(machine, tmp_path):
    kept = tmp_path / "drive"
    keep.main([str(kept), "--once"])
    (machine / "runs" / "mine" / "record.json").unlink()  # which would have come last
    keep.main([str(kept), "--once"])
    assert (machine / "runs" / "mine" / "record.json").read_text() == "{}"


def test_a_second_place_that_fails_is_told_and_tried_again(machine, tmp_path, monkeypatch, capsys):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(keep, "copy_file", full)
    with pytest.raises(UserError, match="cannot keep .*mine in .*drive: No space left on device"):
        keep.main([str(tmp_path / "drive"), "--once"])
    monkeypatch.setattr(keep.time, "sleep", stop)
    with pytest.raises(KeyboardInterrupt):
        keep.main([str(tmp_path / "drive")])
    assert "trying again in 60 seconds" in capsys.readouterr().out


@pytest.mark.long
def test_an_entry_that_was_brought_back_resumes_to_the_same_weights(played, tmp_path):
    words = ["train_pretrain", "--league", "tiny", "--entry", "one", "--d_model", "32", "--nhead", "2"]
    words += ["--num_layers", "1", "--d_ff", "64"]
    first, second, kept = tmp_path / "first", tmp_path / "second", tmp_path / "drive"
    first.mkdir()
    second.mkdir()
    run(command(*words), first, expect=-9, SIGNAL_AT="9:SIGKILL", SAVE_EVERY="0")
    tool = ["-m", "tools.keep", str(kept), "--once"]
    for folder in (first, second):
        run([*command()[:1], *tool], folder, cold=True, PYTHONPATH=str(ROOT))
    run(command(*words), second, SIGNAL_AT=STARTED_OVER)
    weights = "runs/one/pretrain/model.safetensors"
    assert (second / weights).read_bytes() == (played / weights).read_bytes()
