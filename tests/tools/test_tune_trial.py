"""A trial is a stage of the league, whole or compressed, and is given up in time."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import SMALL
from play import TINY
from searches import FROM
from splits import PAIRS, write_split
from tunables import SCHEDULE, STRUCTURE

from league.record.rules import scheduled_rate
from league.record.shape import read_record
from league.rulebook import STAGES
from league.run import watch
from league.run.entry import Conduct
from league.run.loading import Splits
from league.tasks.loss import SmoothedLoss
from league_config import AING, AING_OPEN
from tools.tune.trial import FORGOTTEN, Attempt, Runner, fitting, load_data, share_left, shortened
from train_finetune import FinetuneOptions

# Trials


@pytest.fixture
def runner(tmp_path, monkeypatch) -> Runner:
    """What trials of the tiny league share; here."""
    monkeypatch.chdir(tmp_path)
    return Runner(TINY, FinetuneOptions(league="tiny", entry="x"), "x", Splits(TINY, None))


def rates_of(folder: Path, stage: str) -> list[float]:
    return [point.learning_rate for point in read_record(folder / "record.json").stages[stage].curve]


def test_a_trial_in_full_is_the_stage_as_the_scripts_train_it(runner, played, tmp_path):
    by_hand = read_record(played / "runs" / "one" / "record.json")
    values = {
        "pretrain": {name: by_hand.asked[name] for name in STRUCTURE},
        "finetune": {name: by_hand.asked[name] for name in SCHEDULE},
    }
    assert values["pretrain"]["d_model"] == int(SMALL[1])
    for stage, base in (("pretrain", None), ("finetune", tmp_path / "pretrain")):
        outcome = runner.run(Attempt(stage, values[stage], 1.0, tmp_path / stage, 100.0, base))
        assert outcome["state"] == "complete"
        assert outcome["sha256"] == by_hand.stages[stage].sha256, "the very weights, or taking over is a lie"
        assert outcome["validation"] == by_hand.stages[stage].validation["captions"]


def test_a_short_trial_runs_through_the_whole_schedule(runner, tmp_path):
    outcome = runner.run(Attempt("pretrain", FROM["model_hp"], 0.5, tmp_path / "a", 100.0))
    peak, schedule = TINY.pretrain.arguments["learning_rate"], {"decay_type": "linear", "num_decay_steps": 5}
    short = TINY.pretrain.arguments | {"max_steps": 12, "warmup_steps": 2, "lr_scheduler_kwargs": schedule}
    rates = rates_of(tmp_path / "a", "pretrain")
    assert rates == pytest.approx([scheduled_rate(short, step) for step in range(1, 13)])
    assert rates[0] == 0 and max(rates) == peak and rates[-1] == pytest.approx(peak / 5) and outcome["steps"] == 12

    runner.run(Attempt("pretrain", FROM["model_hp"], 1.0, tmp_path / "whole", 100.0))
    values = FROM["finetune_hp"] | {"warmup_steps": 4, "lr_scheduler_type": "cosine"}
    runner.run(Attempt("finetune", values, 0.5, tmp_path / "b", 100.0, tmp_path / "whole"))
    wanted = [scheduled_rate(values | {"max_steps": 5, "warmup_steps": 2}, step) for step in range(1, 6)]
    assert rates_of(tmp_path / "b", "finetune") == pytest.approx(wanted) and wanted[-1] < 0.3 * max(wanted)


def test_a_value_that_takes_no_effect_ends_the_search(runner, tmp_path, monkeypatch):
    class Deaf(SmoothedLoss):
        epsilon = property(lambda self: 0.1, lambda self, asked: None)

    runner.run(Attempt("pretrain", FROM["model_hp"], 1.0, tmp_path / "a", 100.0))
    monkeypatch.setattr("league.tasks.loss.SmoothedLoss", Deaf)
    with pytest.raises(AssertionError, match="asked for one thing, trained another.*label_smoothing_factor"):
        values = FROM["finetune_hp"] | {"label_smoothing_factor": 0.3}
        runner.run(Attempt("finetune", values, 1.0, tmp_path / "b", 100.0, tmp_path / "a"))


def test_a_trial_without_time_is_cut_and_one_that_explodes_has_diverged(runner, tmp_path):
    outcome = runner.run(Attempt("pretrain", FROM["model_hp"], 1.0, tmp_path / "a", 0.0))
    assert outcome["state"] == "cut" and "could no longer end in time" in outcome["reason"]
    runner.run(Attempt("pretrain", FROM["model_hp"], 1.0, tmp_path / "b", 100.0))
    values = FROM["finetune_hp"] | {"learning_rate": 1000, "warmup_steps": 0}
    for _ in range(2):  # killed after it was recorded, and begun again
        outcome = runner.run(Attempt("finetune", values, 1.0, tmp_path / "c", 100.0, tmp_path / "b"))
        assert outcome["state"] == "diverged" and outcome["validation"] is None


def test_a_trial_whose_values_want_more_text_than_there_is_has_failed_and_ends_no_search(runner, tmp_path):
    demanding = replace(runner, rules=replace(TINY, vocab_size=9000))
    outcome = demanding.run(Attempt("pretrain", FROM["model_hp"], 1.0, tmp_path / "a", 100.0))
    assert outcome["state"] == "failed" and "the league asks for 9000" in outcome["reason"]


def test_what_is_left_of_a_trial_is_read_off_its_folder(runner, tmp_path):
    assert share_left(tmp_path / "none", "pretrain", 24) == 1
    runner.run(Attempt("pretrain", FROM["model_hp"], 1.0, tmp_path / "a", 100.0))
    assert share_left(tmp_path / "a", "pretrain", 24) == 0
    assert share_left(tmp_path / "a", "finetune", 10) == 1
    (tmp_path / "a/under_way/finetune/checkpoint-4").mkdir(parents=True)
    assert share_left(tmp_path / "a", "finetune", 10) == pytest.approx(0.6)


def test_a_machine_that_hardly_moves_is_measured_too(runner, tmp_path):
    paces = runner.probe(FROM["model_hp"], tmp_path / "probe", 1e-6)
    assert set(paces) == {"pretrain"} and 0 < paces["pretrain"] < 1e-5


# The watch


@pytest.mark.parametrize(
    ("losses", "diverges"),
    [
        ([2.6, 2.5, 2.4, 2.3, 2.2, 2.1, 2.05, 1.9, 1.0], False),  # a wide model begins far above an even guess
        ([1.1, 2.4, 2.5, 2.6, 2.6, 2.7], True),
        ([1.1, 2.4, 2.5, 1.9, 2.6, 2.7, 2.8], False),
        ([2.6, 2.7, 2.8, 2.8, 2.9, 3.0], True),
        ([1.1, math.nan], True),
    ],
)
def test_a_loss_diverges_that_rises_not_one_that_begins_high(losses, diverges):
    rules = AING
    stage = watch.StageWatch(SimpleNamespace(rules=rules, conduct=Conduct(is_quiet=True)), "pretrain")
    control = SimpleNamespace(should_training_stop=False, should_save=False)
    history = []
    for step, share in enumerate(losses, start=1):
        history.append({"loss": share * math.log(rules.vocab_size), "learning_rate": 0.1})
        stage.on_log(None, SimpleNamespace(log_history=history, global_step=step), control, logs=history[-1])
    assert control.should_training_stop == diverges == bool(stage.diverged)


# Where it runs


def test_a_device_holds_what_divides_a_batch_that_is_tuned():
    # The rule book's own batch is for the scripts to judge.
    for size, fits in ((64, 48), (32, 16), (256, 16), (96, 48)):
        assert fitting(48, AING_OPEN, "pretrain", {"pretrain_batch_size": size}) == fits
        assert fitting(48, AING_OPEN, "finetune", {"batch_size": size}) == fits
    assert fitting(None, AING_OPEN, "finetune", {"batch_size": 32}) is None


def test_workers_have_the_data_of_every_trial_wherever_they_are(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    for stage in STAGES:
        for split in ("train", "validation"):
            write_split(tmp_path / "data", PAIRS, getattr(TINY, stage).corpus, split)
    monkeypatch.chdir(tmp_path)
    splits = load_data(TINY, "data")
    assert Path(splits.data_dir).is_absolute()
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    for most in (None, FORGOTTEN):
        probed = TINY
        for stage in STAGES:
            assert splits.validation(shortened(TINY, stage, 3, most), stage)
            probed = shortened(probed, stage, 3, most)
        assert all(splits.validation(probed, stage) for stage in STAGES)
        assert all(splits.load(getattr(probed, stage).corpus, "train") for stage in STAGES)
