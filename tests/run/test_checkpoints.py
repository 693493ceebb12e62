"""A run that is cut off, or whose disk fills up, goes on from its last good checkpoint to the same weights."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from conftest import SMALL, command, run
from play import play
from played_copy import PRETRAIN, a_copy, record_of, weights_of  # noqa: F401

from league.run import checkpoints, watch


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    run(PRETRAIN, folder, expect=130, SIGNAL_AT="9:SIGINT")
    run(PRETRAIN, folder, expect=130, SIGNAL_AT="17:SIGTERM")
    names = {path.name for path in (folder / "runs" / "one" / "under_way" / "pretrain").iterdir()}
    assert names == {"checkpoint-9", "checkpoint-17"}
    return folder


@pytest.fixture
def stopped(stopped_once, tmp_path) -> Path:
    """A stage A that was stopped after its steps 9 and 17, with both checkpoints there."""
    return shutil.copytree(stopped_once, tmp_path / "stopped")


def one_line(text: str) -> str:
    lines = [line for line in text.replace("\r", "\n").split("\n") if line.strip() and "step/s" not in line]
    lines = [line for line in lines if "s/step" not in line and "?step" not in line and "batch" not in line]
    assert len(lines) == 1 and "Traceback" not in text, text
    return lines[0]


# Checkpoints


@pytest.mark.parametrize(
    "name", ["model.safetensors", "optimizer.pt", "rng_state.pth", "scheduler.pt", "trainer_state.json"]
)
def test_a_damaged_checkpoint_is_passed_over(played, stopped, name):
    path = stopped / "runs" / "one" / "under_way" / "pretrain" / "checkpoint-17" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = run(PRETRAIN, stopped)
    assert f"checkpoint-17 is damaged ({name}): resuming from the one before." in done.stderr
    assert weights_of(stopped) == weights_of(played)


def test_with_every_checkpoint_damaged_the_stage_starts_over(played, stopped):
    for folder in (stopped / "runs" / "one" / "under_way" / "pretrain").iterdir():
        (folder / "optimizer.pt").write_bytes(b"")
    assert run(PRETRAIN, stopped).stderr.count("is damaged") == 2
    assert weights_of(stopped) == weights_of(played)


def test_a_seal_that_is_damaged_seals_nothing(stopped):
    folder = stopped / "runs" / "one" / "under_way" / "pretrain" / "checkpoint-17"
    for content in (b"", b"[]", b'{"files": 3}', b"{"):
        (folder / checkpoints.SEAL).write_bytes(content)
        assert checkpoints.damage(folder) == checkpoints.SEAL


def test_another_number_of_processes_is_told(stopped):
    done = run(command("train_pretrain", "--entry", "one", *SMALL, processes=2), stopped)
    assert done.stderr.count("written by 1 process(es), resumed by 2") == 1
    assert record_of(stopped)["stages"]["pretrain"]["num_processes"] == 2


def test_the_curve_has_no_gap_where_a_stage_was_interrupted(played, stopped):
    run(PRETRAIN, stopped)
    before, after = (record_of(folder)["stages"]["pretrain"] for folder in (played, stopped))
    assert before["curve"] == after["curve"] and before["loss"] == after["loss"]
    assert record_of(stopped)["clock"]["interruptions"] == 2


def test_checkpoints_that_take_long_are_written_more_rarely(monkeypatch):
    monkeypatch.setattr(watch, "seal", lambda *_: None)
    stage = watch.StageWatch.__new__(watch.StageWatch)
    args, state = type("", (), {"world_size": 1})(), type("", (), {"is_world_process_zero": False})()
    stage.save_began = watch.time.monotonic() - 6
    stage.on_save(args, state, None)
    assert 6 / stage.save_every <= watch.MOST_FOR_CHECKPOINTS * 1.001 and stage.save_every > watch.SAVE_EVERY
    stage.save_began = watch.time.monotonic()
    stage.on_save(args, state, None)
    assert stage.save_every == watch.SAVE_EVERY


def test_a_stage_that_was_begun_in_fp16_goes_on_without_a_scaler(played, stopped, monkeypatch):
    newest = stopped / "runs/one/under_way/pretrain/checkpoint-17"
    torch.save({"scale": 65536.0}, newest / "scaler.pt")
    checkpoints.seal(newest, 1)
    monkeypatch.chdir(stopped)
    play(*PRETRAIN[2:])
    assert weights_of(stopped) == weights_of(played)


# The disk


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
@pytest.mark.parametrize("most_bytes", [300, 20_000, 100_000])
def test_a_disk_that_is_full_loses_nothing(played, tmp_path, most_bytes):
    """No file may grow beyond a size, as on a disk that fills up: the record, the tokens or the checkpoint fail."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes}));"
    script = f"{limit} import runpy, sys; sys.argv = {PRETRAIN[1:]!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    (tmp_path / "limited.py").write_text(script)
    done = run([sys.executable, str(tmp_path / "limited.py")], tmp_path, expect=2, SAVE_EVERY="0")
    told = one_line(done.stderr)
    assert "cannot write" in told and "File too large" in told, told
    run(PRETRAIN, tmp_path)
    assert weights_of(tmp_path) == weights_of(played)


def test_what_a_kill_left_of_a_write_is_swept_away(here):
    (here / "runs/one/.record.json.abc").write_text("{")
    (here / "runs/one/.finetune.xyz").mkdir()
    play("evaluate_bleu", "--entry", "one", "--again")
    assert not list((here / "runs/one").glob(".*"))
