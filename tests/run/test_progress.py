"""How far a stage is: written while it trains, gone when it ends, and never believed blindly."""

import json
import os
import signal
import subprocess
import time
from types import SimpleNamespace

import pytest
from conftest import SMALL, command
from msgspec import to_builtins

from league.errors import UserError
from league.files import lock
from league.run.progress import MOST_POINTS, ProgressFile, read_progress, thinned

GOOD = {
    "stage": "pretrain",
    "step": 3,
    "max_steps": 24,
    "loss": 5.5,
    "seconds": 2.5,
    "curve": [6.0, 5.5],
    "sentence": "",
    "glimpses": [],
}


@pytest.fixture
def folder(tmp_path):
    held = lock(tmp_path / "lock")
    yield tmp_path
    held.close()


def progress_file(folder, spent: float = 2.5) -> ProgressFile:
    return ProgressFile(SimpleNamespace(folder=folder, clock=SimpleNamespace(spent={"pretrain": spent})), "pretrain")


def history(*losses: float) -> list[dict]:
    return [{"step": i, "loss": loss, "learning_rate": 0.001} for i, loss in enumerate(losses, 1)]


def test_what_is_written_is_what_is_read(folder):
    file = progress_file(folder)
    file.update(3, 24, history(6.0, 5.5))
    assert to_builtins(read_progress(folder)) == GOOD
    file.update(4, 24, history(6.0, 5.5, 5.0))
    assert read_progress(folder).step == 3  # not at every step
    file.remove()
    file.remove()
    assert read_progress(folder) is None


def test_a_loss_that_is_no_number_is_left_out(folder):
    progress_file(folder).update(3, 24, history(6.0, float("nan"), float("inf")))
    assert read_progress(folder).curve == [6.0]


def test_before_the_first_loss_there_is_none(folder):
    progress_file(folder).update(0, 24, [])
    assert read_progress(folder).loss is None


def test_a_full_disk_does_not_stop_the_training(folder, monkeypatch):
    def full(path, value, is_precious):
        raise UserError("no space")

    monkeypatch.setattr("league.run.progress.write_json", full)
    progress_file(folder).update(3, 24, history(6.0))


@pytest.mark.parametrize("num_losses", [0, 1, 59, 60, 61, 1499])
def test_the_curve_is_short_and_goes_from_the_first_loss_to_the_last(num_losses):
    losses = [10 - 0.005 * i for i in range(num_losses)]
    curve = thinned(losses)
    assert len(curve) == min(num_losses, MOST_POINTS)
    assert curve == sorted(curve, reverse=True)
    if losses:
        assert sum(curve) / len(curve) == pytest.approx(sum(losses) / len(losses), abs=0.05)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        json.dumps(GOOD | {"stage": "<b>"}),
        json.dumps(GOOD | {"step": -1}),
        json.dumps(GOOD | {"curve": ["x"]}),
        json.dumps(GOOD | {"more": 1}),
        json.dumps(GOOD | {"loss": 1e999}),
        json.dumps(GOOD | {"curve": [1.5] * 10_000}),
        json.dumps(GOOD | {"glimpses": [{"step": 1, "scores": {"<b>": 1.0}, "prediction": ""}]}),
        json.dumps(GOOD | {"glimpses": [{"step": 1, "scores": {}, "prediction": ""}] * 1000}),
    ],
)
def test_a_damaged_one_is_none(folder, content):
    (folder / "progress.json").write_text(content)
    assert read_progress(folder) is None


def test_one_that_a_kill_left_is_none(tmp_path):
    (tmp_path / "progress.json").write_text(json.dumps(GOOD))
    assert read_progress(tmp_path) is None
    (tmp_path / "lock").write_text("1")
    assert read_progress(tmp_path) is None


def test_a_lock_that_is_a_pipe_does_not_hang(tmp_path):
    (tmp_path / "progress.json").write_text(json.dumps(GOOD))
    os.mkfifo(tmp_path / "lock")
    assert read_progress(tmp_path) is None


def test_a_stage_that_trains_tells_and_one_that_is_killed_is_not_believed(tmp_path):
    words = command("train_pretrain", "--entry", "slow", *SMALL)
    environment = {**os.environ, "SLOW_STEPS": "0.5", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    training = subprocess.Popen(words, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    folder, until = tmp_path / "runs" / "slow", time.monotonic() + 90
    try:
        while not (progress := read_progress(folder)):
            assert training.poll() is None and time.monotonic() < until
            time.sleep(0.2)
    finally:
        training.send_signal(signal.SIGKILL)
        training.wait()
    assert progress.stage == "pretrain" and progress.step >= 1 and progress.max_steps == 24
    assert (folder / "progress.json").exists() and read_progress(folder) is None


def test_a_finished_entry_has_none(played):
    assert not list((played / "runs").rglob("progress.json"))
