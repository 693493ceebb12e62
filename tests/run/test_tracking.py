"""Trackers: each stage is one run, a trial's in its study's group, also one that fails."""

import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from play import play as play_script
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

from league.run.tracking import FOLDER, tracked
from modeling import AingConfig, AingForConditionalGeneration

RUNS = [("one", "first"), ("one", "second"), ("two", "first"), ("two", "second")]  # every second one fails


class Fail(TrainerCallback):
    def on_log(self, args, state, control, **kwargs):
        if state.global_step == 2:
            raise ZeroDivisionError


def train(report_to: str, fails: bool) -> None:
    """Train a tiny model as a trial does, with an evaluation after the training."""
    row = {name: torch.arange(4, 10) for name in ("input_ids", "labels")} | {"attention_mask": torch.ones(6).long()}
    arguments = Seq2SeqTrainingArguments(
        "out",
        report_to=report_to,
        run_name="trial",
        max_steps=3,
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Seq2SeqTrainer(
        AingForConditionalGeneration(AingConfig(vocab_size=20, d_model=8, nhead=2, num_layers=1, d_ff=8)),
        arguments,
        train_dataset=[row] * 8,
        eval_dataset=[row] * 8,
        callbacks=[Fail()] if fails else [],
    )
    trainer.train()
    trainer.evaluate()


def play(report_to: str) -> None:
    """Run the trials of both studies, one after the other in this process."""
    for study, trial in RUNS:
        if trial == "first":
            with tracked(report_to, study, trial):
                train(report_to, fails=False)
        else:
            with pytest.raises(ZeroDivisionError), tracked(report_to, study, trial):
                train(report_to, fails=True)


# With stand-ins for the trackers, called by the library's own callbacks


def stand_in(monkeypatch, name: str, **contents) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)
    return module


class Config(dict):
    def update(self, values, allow_val_change=False):
        super().update(values)


def new_run(**what) -> SimpleNamespace:
    return SimpleNamespace(keys=set(), is_open=True, summary={}, exit_code=None, _label=lambda **_: None, **what)


@pytest.fixture
def wandb(monkeypatch) -> ModuleType:
    """Like wandb, it returns the run that is open, whatever else was asked for."""

    def init(project, name=None, group=None):
        if module.run is None:
            module.run = new_run(name=name, group=group)
            module.runs.append(module.run)
        return module.run

    def finish(exit_code=None):
        if module.run is not None:
            module.run.exit_code, module.run = exit_code or 0, None

    module = stand_in(monkeypatch, "wandb", run=None, runs=[], config=Config(), init=init, finish=finish)
    module.log = lambda values: module.run.keys.update(values)
    for name in ("wandb.sdk", "wandb.sdk.lib"):
        stand_in(monkeypatch, name)
    stand_in(monkeypatch, "wandb.sdk.lib.config_util", ConfigError=KeyError)
    return module


@pytest.fixture
def trackio(monkeypatch) -> ModuleType:
    """Like trackio, it ends the open run for a new one, and goes on in the last one of a name where that is allowed."""
    open_runs, runs = [], []

    def init(project, name, group=None, resume="never", **_):
        finish()
        again = [run for run in runs if run.name == name and resume == "allow"]
        open_runs.append(again[-1] if again else new_run(name=name, group=group))
        open_runs[0].is_open = True
        runs.extend([] if again else open_runs)
        return open_runs[0]

    def finish():
        while open_runs:
            open_runs.pop().is_open = False

    context = SimpleNamespace(
        current_run=SimpleNamespace(get=lambda: open_runs[0] if open_runs else None),
        current_space_id=SimpleNamespace(get=lambda: None),
    )
    module = stand_in(monkeypatch, "trackio", init=init, finish=finish, runs=runs, context_vars=context)
    module.config, module.log = Config(), lambda values: open_runs[0].keys.update(values)
    return module


@pytest.fixture
def asked_of_tensorboard(monkeypatch, tmp_path) -> list[str]:
    """The folders that a stand-in for TensorBoard is asked to write to, in a working folder of the test's own."""
    folders = []

    def open_writer(log_dir):
        folders.append(log_dir)
        return SimpleNamespace(**dict.fromkeys(("add_text", "add_scalar", "flush", "close"), lambda *_: None))

    stand_in(monkeypatch, "tensorboard")
    stand_in(monkeypatch, "torch.utils.tensorboard", SummaryWriter=open_writer)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(FOLDER, raising=False)
    return folders


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_each_trial_is_one_run_in_its_group(name, request, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tracker = request.getfixturevalue(name)
    before = dict(os.environ), tracker.init
    if name == "wandb":
        tracker.init("other", "left open")
        del tracker.runs[:]
    play(name)
    assert [(run.group, run.name) for run in tracker.runs] == RUNS
    assert all("train/loss" in run.keys for run in tracker.runs)
    assert ["eval/loss" in run.keys for run in tracker.runs] == [True, False] * 2
    assert (dict(os.environ), tracker.init) == before
    if name == "wandb":
        assert tracker.run is None and [run.exit_code for run in tracker.runs] == [0, 1] * 2
    else:
        assert not any(run.is_open for run in tracker.runs)


@pytest.mark.parametrize("base", [None, "logs"])
def test_tensorboard_writes_to_a_folder_of_the_trial(base, monkeypatch, asked_of_tensorboard):
    if base:
        monkeypatch.setenv(FOLDER, base)
    play("tensorboard")
    folders = [Path(folder).relative_to(base or "runs/tensorboard").parts for folder in asked_of_tensorboard]
    assert list(dict.fromkeys(folders)) == RUNS and os.environ.get(FOLDER) == base


def test_a_script_reports_each_stage_to_a_folder_that_stays(asked_of_tensorboard):
    play_script("train_pretrain", "--entry", "one", "--report_to", "tensorboard")
    for _ in range(2):  # the second time there is nothing to do
        play_script("train_finetune", "--entry", "one", "--report_to", "tensorboard", "--warmup_steps", "2")
    # The validation after the training goes to the same folder, by a writer of its own.
    assert [Path(folder).parts for folder in asked_of_tensorboard] == [
        ("runs", "tensorboard", "one", f"one-{stage}") for stage in ("pretrain", "finetune") for _ in "ab"
    ]


@pytest.mark.parametrize(("report_to", "rank"), [("none", "0"), ("mlflow", "0"), ("wandb", "1")])
def test_nothing_is_done_where_nothing_is_to_be_tracked(report_to, rank, monkeypatch):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setitem(sys.modules, "wandb", None)  # its import would fail
    before = dict(os.environ)
    with tracked(report_to, "study", "trial"):
        assert dict(os.environ) == before


# With the trackers themselves, where they are installed


def needs(name: str):
    return pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed")


@needs("wandb")
def test_wandb_itself_has_these_runs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    import wandb

    runs, init = [], wandb.init
    monkeypatch.setattr(wandb, "init", lambda **asked: runs.append(init(**asked)) or runs[-1])
    play("wandb")
    assert [(run.group, run.name) for run in runs] == RUNS and wandb.run is None
    assert len(list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))) == len({run.id for run in runs}) == len(RUNS)


@needs("trackio")
def test_trackio_itself_has_these_runs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    import trackio

    assert Path(trackio.utils.TRACKIO_DIR) == tmp_path / "trackio", "imported before this test"
    play("trackio")
    runs = list(trackio.Api().runs("huggingface"))
    assert sorted((run.config["_Group"], run.name) for run in runs) == RUNS
    assert len({run.id for run in runs}) == len(RUNS) and trackio.context_vars.current_run.get() is None


@needs("tensorboard")
def test_tensorboard_itself_has_these_runs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(FOLDER, raising=False)
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    play("tensorboard")
    runs = EventMultiplexer().AddRunsFromDirectory("runs/tensorboard").Reload()
    assert sorted(runs.Runs()) == ["/".join(run) for run in RUNS]
    assert [sorted(runs.Runs()[name]["scalars"])[0] for name in sorted(runs.Runs())] == ["eval/loss", "train/epoch"] * 2
