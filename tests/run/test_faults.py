"""What goes wrong on a long evening: each fault ends in one clear line, and the last good state is still there."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import SMALL, command, run
from play import TINY, play
from played_copy import a_copy, record_of  # noqa: F401

from league import files
from league.errors import UserError
from league.files import digest_of
from league.hardware import device_name
from league.record.clock import Clock
from league.record.rules import clock_problems
from league.record.shape import as_record
from league.run import stage as training
from league.run import watch
from league.run.entry import Conduct, Entry
from league_config import AING_OPEN, DEMO_READERS

# Clock and record


def test_a_clock_that_was_deleted_goes_on_from_the_record(here):
    record = json.loads((here / "runs/one/record.json").read_text())
    record["clock"] |= {"minutes": 3.0, "spent": {"pretrain": 1.5, "finetune": 1.0, "score": 0.5}, "interruptions": 4}
    (here / "runs/one/record.json").write_text(json.dumps(record))
    (here / "runs/one/clock.json").unlink()
    play("evaluate_bleu", "--entry", "one", "--again")
    assert record_of(here)["clock"]["minutes"] >= 3.0 and record_of(here)["clock"]["interruptions"] == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 1}, "format 1 of another version of the league"),
        ({"format": 99}, "format 99 of another version"),
        ({"score": {"value": "high"}}, "Expected `float`, got `str` - at `score.value`"),
        ({"clock": {"minutes": 1e14, "limit": 5, "spent": {}, "interruptions": 0}}, "Expected `float` < 1"),
        ({"host": "alma"}, "unknown field `host`"),
        ({"stages": {"pretrain": 3}}, "Expected `object`, got `int` - at `stages[...]`"),
    ],
)
def test_a_record_of_another_shape_is_told_and_kept(here, change, told):
    path = here / "runs/one/record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    before = path.read_bytes()
    for words in (["train_pretrain", *SMALL], ["train_finetune", "--warmup_steps", "2"], ["evaluate_bleu"]):
        with pytest.raises(UserError) as error:
            play(*words, "--entry", "one")
        assert told in str(error.value) and str(error.value).count("\n") == 0
    assert path.read_bytes() == before


# Two at once


def test_what_is_written_can_be_read_by_whom_the_user_lets_read(played):
    plain = played / "stdout.txt"  # as the system makes a file
    for name in ("record.json", "translations.txt", "report.html", "pretrain/config.json"):
        assert (played / "runs" / "one" / name).stat().st_mode == plain.stat().st_mode, name


def test_a_lock_whose_owner_is_dead_but_whose_child_lives_says_how_to_free_it(here):
    script = (
        "import os, sys, time; from league.files import lock; from pathlib import Path;"
        "held = lock(Path(sys.argv[1]));"
        "os.set_inheritable(held.fileno(), True);"
        "pid = os.fork();"
        "print(flush=True) if pid else time.sleep(30)"
    )
    path = Path(training.__file__).resolve().parents[2]
    settings = {**os.environ, "PYTHONPATH": str(path)}
    words = [sys.executable, "-c", script, str(here / "runs/one/lock")]
    owner = subprocess.Popen(words, env=settings, stdout=subprocess.PIPE, start_new_session=True)
    try:
        owner.stdout.readline()
        owner.wait()
        with pytest.raises(UserError, match="parent is gone.*fuser"):
            play("evaluate_bleu", "--entry", "one", "--again")
    finally:
        os.killpg(owner.pid, signal.SIGKILL)
    owner.stdout.close()


def test_a_lock_that_is_a_link_overwrites_nothing(here):
    mine = here / "mine.txt"
    mine.write_text("precious")
    (here / "runs/one/lock").unlink()
    (here / "runs/one/lock").symlink_to(mine)
    with pytest.raises(UserError, match="cannot write to runs/one"):
        play("evaluate_bleu", "--entry", "one", "--again")
    assert mine.read_text() == "precious"


# The clock


def entry_with(left: float, limit: float, stages: dict):
    clock, record = SimpleNamespace(left=left, limit=limit), SimpleNamespace(stages=stages)
    return SimpleNamespace(clock=clock, record=record, rules=TINY, conduct=Conduct(), writes=False)


def test_time_for_scoring_is_kept_free_and_measured_only_when_it_matters():
    asked = []
    stage = watch.StageWatch(entry_with(1000.0, 7200.0, {}), "pretrain", lambda: asked.append(1) or 20.0)
    assert stage._kept_for_scoring() == 0.0 and not asked
    stage.entry.clock.left = 700.0
    assert stage._kept_for_scoring() == stage._kept_for_scoring() == 75.0 and len(asked) == 1
    before = {"pretrain": stage_a()}
    stage = watch.StageWatch(entry_with(7000.0, 7200.0, before), "finetune")
    assert stage._kept_for_scoring() == 60.0


def stage_a(**others) -> SimpleNamespace:
    facts = {"validation_seconds": 30.0, "reused": False, "device": device_name(), "num_processes": 1, "steps": 24}
    return SimpleNamespace(**facts | others)


CHANGES = {
    "another machine": {"reused": True},
    "another device": {"device": "NVIDIA H100"},
    "other processes": {"num_processes": 4},
    "a checkpoint of the Hub": {"steps": 0, "validation_seconds": 0.0},
}


@pytest.mark.parametrize("change", [*CHANGES, "another task", "another search"])
def test_what_stage_a_took_to_validate_is_trusted_only_where_stage_b_does_the_same(change):
    entry = entry_with(700.0, 7200.0, {"pretrain": stage_a(**CHANGES.get(change, {}))})
    entry.rules = {"another task": DEMO_READERS, "another search": AING_OPEN}.get(change, TINY)
    assert watch.StageWatch(entry, "finetune", lambda: 20.0)._kept_for_scoring() == 50.0


def test_a_test_set_that_is_larger_than_validation_takes_its_time():
    corpus = replace(TINY.pretrain.corpus, num_validation_pairs=250, num_test_pairs=2750)
    for before, kept in (({}, 1.25 * 12 * 20.0), ({"pretrain": stage_a()}, 12 * 30.0)):
        entry = entry_with(700.0, 7200.0, before)
        entry.rules = replace(TINY, pretrain=replace(TINY.pretrain, corpus=corpus))
        assert watch.StageWatch(entry, "finetune", lambda: 20.0)._kept_for_scoring() == pytest.approx(kept)
    assert "num_test_pairs" not in str(entry.rules.fixed())


def test_a_stage_stops_in_time_for_its_validation_and_the_score(here, tmp_path):
    """With little time left stage B stops before the end, is validated and scored, and the record is not late."""
    used = Clock(here / "runs/one/clock.json", 5.0).used / 60
    shutil.copytree(here / "runs/one", here / "runs/two")
    record = record_of(here, "two")
    for name in ("finetune", "translations.txt"):
        path = here / "runs/two" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    seconds = record["stages"]["pretrain"]["validation_seconds"] = 10.0
    del record["stages"]["finetune"], record["score"], record["data"]["talks.train"], record["data"]["captions.test"]
    (here / "runs/two/record.json").write_text(json.dumps(record))
    left = {"MINUTES": str(used + (2 * seconds + 0.5) / 60)}
    record["clock"]["limit"] = record["league"]["fixed"]["minutes"] = float(left["MINUTES"])
    done = run(command("train_finetune", "--entry", "two", "--warmup_steps", "2"), here, SLOW_STEPS="0.2", **left)
    assert "but for what scoring needs: stopped after" in done.stdout
    run(command("evaluate_bleu", "--entry", "two"), here, **left)
    after = record_of(here, "two")
    assert after["stages"]["finetune"]["out_of_time"] and 0 < after["stages"]["finetune"]["steps"] < 10
    broken = {rule["rule"] for rule in after["broken_rules"]}
    assert "finetune.steps" in broken and "clock.minutes" not in broken


def test_a_stage_that_will_not_make_it_is_told_early(here, capsys):
    stage = watch.StageWatch(entry_with(60.0, 7200.0, {}), "pretrain")
    stage.has_warned, stage.first_step, stage.began = False, 0, watch.time.monotonic() - 30
    stage.bar = type("", (), {"write": lambda self, text, file: print(text, file=file)})()
    state = type("", (), {"global_step": 10, "max_steps": 1500})()
    stage._warn_in_time(state)
    stage._warn_in_time(state)
    assert capsys.readouterr().err.count("needs 75 more minutes; the clock has 1 left") == 1


@pytest.mark.parametrize("is_killed", [False, True])
def test_scoring_again_that_is_stopped_leaves_a_record_that_agrees_with_its_clock(here, monkeypatch, is_killed):
    openings = []

    def stop(*_, **__):
        openings.append(record_of(here, "one")["test_openings"])
        time.sleep(1.5)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("modeling.AingForConditionalGeneration.generate", stop)
        if is_killed:
            broken.setattr(Entry, "write", lambda self: None)
        with pytest.raises(KeyboardInterrupt):
            play("evaluate_bleu", "--entry", "one", "--again")
    assert openings[0] == 2 - is_killed, "counted before anything is translated"
    play("evaluate_bleu", "--entry", "one")
    clock = Clock(here / "runs/one/clock.json", TINY.minutes, writes=False)
    assert not list(clock_problems(clock.spent, as_record(record_of(here, "one"))))


# A power cut, a full disk


def test_a_folder_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    waited, flush = [], files.flush
    monkeypatch.setattr(files, "flush", lambda path: (waited.append(path.name), flush(path)))
    with files.new_folder(tmp_path / "whole") as folder:
        (folder / "inside").mkdir()
        (folder / "inside" / "weights").write_text("0")
        (folder / "config").write_text("1")
    assert {"inside", "weights", "config"} < set(waited) and waited[-1].startswith(".whole.")
    with files.new_folder(tmp_path / "pictures", is_precious=False) as folder:
        (folder / "one").write_text("0")
    assert "one" not in waited


def test_a_disk_that_is_full_when_a_stage_is_saved_is_told_in_a_line(here, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("modeling.AingForConditionalGeneration.save_pretrained", full)
        with pytest.raises(UserError, match="No space left on device. Make room; the same command then resumes"):
            play("train_pretrain", "--entry", "full", *SMALL)
    assert not list((here / "runs/full").glob(".*")) and not (here / "runs/full/pretrain").exists()
    play("train_pretrain", "--entry", "full", *SMALL)
    weights = [here / "runs" / name / "pretrain/model.safetensors" for name in ("full", "one")]
    assert digest_of(weights[0]) == digest_of(weights[1])
