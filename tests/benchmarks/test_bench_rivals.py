"""The searches that part `tuning` compares, on a league of seconds."""

import dataclasses
import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from play import TINY

from benchmarks import rivals, tuning
from benchmarks.tuning import on_grid
from league.rulebook import STAGES, Stage
from league.run import validation
from league_config import LEAGUES, FinetuneHP, ModelHP
from tools.tune import space


class Answers:
    """In place of the channel to the benchmark."""

    def __init__(self):
        self.answers, self.said = [], []

    def answer(self, **facts):
        self.answers.append(json.loads(json.dumps(facts)))

    def say(self, text):
        self.said.append(text)


def quality(d_model: int, learning_rate: float) -> float:
    """Return what a model is worth here, where none learns anything in ten steps."""
    return round(d_model + 1e4 * learning_rate, 2)


def expected_of(trainer) -> float:
    return quality(trainer.model.config.d_model, trainer.args.learning_rate)


@dataclass(frozen=True)
class SmallModelHP(ModelHP):
    d_model: Annotated[int, (16, 32), ""] = 16
    nhead: Annotated[int, (2, 4), ""] = 2
    num_layers: Annotated[int, (1, 2), ""] = 1
    d_ff: Annotated[int, (16, 32), ""] = 16


@dataclass(frozen=True)
class SmallFinetuneHP(FinetuneHP):
    warmup_steps: Annotated[float, (0, 2, 4, 25), ""] = 2


TUNED = {"pretrain": SmallModelHP, "finetune": SmallFinetuneHP}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The tiny league, smaller, with ranges that fit it but for one value; here."""
    stages = {}
    for name in STAGES:
        stage = getattr(TINY, name)
        corpus = dataclasses.replace(stage.corpus, num_validation_pairs=6)
        stages[name] = Stage(corpus, stage.arguments | {"max_steps": 15}, TUNED[name])
    league = dataclasses.replace(TINY, name="small", max_length=16, batch_size=4, **stages)
    monkeypatch.setitem(LEAGUES, "small", league)
    monkeypatch.setattr(
        validation, "validate", lambda entry, trainer, name, splits: (dict.fromkeys(splits, expected_of(trainer)), {})
    )
    monkeypatch.chdir(tmp_path)
    yield league
    optuna.logging.set_verbosity(optuna.logging.INFO)


class Ticking:
    """In place of the module `time`: each look at the clock costs so many seconds, however fast this machine is."""

    def __init__(self, seconds: float):
        self.monotonic = itertools.count(0.0, seconds).__next__


def search(job: str, minutes: float, **more) -> tuple[list[dict], int, dict | None]:
    """Let a rival search in this process; return its entries, how many trials it began, and the score if it has one."""
    channel = Answers()
    getattr(rivals, job)(channel, league="small", data_dir=None, minutes=minutes, seed=3, **more)
    [answer] = channel.answers
    for one in answer["entries"]:
        for stage, kind in TUNED.items():
            assert set(one[stage]) == set(kind.__dataclass_fields__)
            assert space.why_not(LEAGUES["small"], stage, one[stage]) is None
        assert one["validation"] == quality(one["pretrain"]["d_model"], one["finetune"]["learning_rate"])
    return answer["entries"], answer["trials"], answer.get("score")


@pytest.mark.slow
def test_our_search_tells_its_complete_entries(small, monkeypatch, tmp_path):
    monotonic = time.monotonic
    for speed in (10, 3, 1):  # the plan knows trials of seconds, not less; a slow machine needs none of it
        monkeypatch.setattr(time, "monotonic", lambda speed=speed: speed * monotonic())
        (tmp_path / str(speed)).mkdir()
        monkeypatch.chdir(tmp_path / str(speed))
        entries, num_trials, score = search("ours", 2.0)
        if entries:
            break
    content = json.loads(Path("runs/ours/tune/study.json").read_text())
    assert (content["seed"], content["state"], len(content["trials"])) == (3, "done", num_trials)
    assert max(one["validation"] for one in entries) == content["best"]["validation"]
    record = json.loads(Path("runs/ours/record.json").read_text())
    assert (score["test"], score["official"]) == (record["score"]["value"], record["official"])
    assert score["failed_checks"] == [] and score["minutes"] == record["clock"]["minutes"]


def test_only_a_whole_fine_tune_is_an_entry():
    trials = [
        {"stage": stage, "fidelity": fidelity, "state": state, "ended_minute": number, "validation": 1.0}
        | {"structure": {"d_model": number}, "values": {}}
        for number, (stage, fidelity, state) in enumerate(
            itertools.product(("pretrain", "finetune"), (0.25, 1.0), ("complete", "cut", "diverged", "running"))
        )
    ]
    [entry] = rivals.complete_entries({"trials": trials})
    assert trials[entry["minute"]].items() >= {"stage": "finetune", "fidelity": 1.0, "state": "complete"}.items()
    assert entry["pretrain"] == {"d_model": entry["minute"]} and entry["finetune"] == {}


@pytest.mark.slow
def test_samplers_play_whole_entries_until_the_time_is_over(small, monkeypatch):
    second_ones = []
    for rival in ("random", "tpe"):
        monkeypatch.setattr(rivals, "time", Ticking(60))
        entries, num_trials, _ = search("whole_entries", 12.0, **tuning.JOBS[rival][1])
        assert 2 <= len(entries) <= num_trials
        minutes = [one["minute"] for one in entries]
        assert minutes == sorted(minutes) and minutes[0] > 0
        assert not Path("runs/rival").exists(), "no checkpoints pile up"
        assert all(entries[0][stage] == space.start_values(small, stage) for stage in STAGES)
        second_ones.append(entries[1]["finetune"])
    assert second_ones[0] != second_ones[1], "two rivals, not one twice"


@pytest.mark.slow
def test_the_librarys_search_is_judged_by_entries_with_its_values(small, monkeypatch):
    monkeypatch.setattr(rivals, "time", Ticking(1))
    bleu = itertools.count(1.0)
    monkeypatch.setattr("sacrebleu.corpus_bleu", lambda texts, references: SimpleNamespace(score=next(bleu)))
    entries, num_trials, _ = search("trainer", 0.75)
    assert num_trials == 3 and [one["bleu"] for one in entries] == [1.0, 2.0], "the last one was under way"
    assert all(one["pretrain"] == space.start_values(small, "pretrain") for one in entries)
    assert 0 < entries[0]["minute"] < entries[1]["minute"] < 0.75


@given(st.lists(st.floats(0.0, 60.0), max_size=8), st.booleans())
def test_improvements_are_what_the_best_value_rose_by(values, is_one_under_way):
    trials = [{"bleu": value, "minute": float(i)} for i, value in enumerate(values)]
    kept = rivals.improvements(trials + [{"bleu": None, "minute": None}] * is_one_under_way)
    points = [(one["minute"], one["bleu"]) for one in trials]
    assert on_grid([(one["minute"], one["bleu"]) for one in kept], range(8)) == on_grid(points, range(8))
    assert [one["bleu"] for one in kept] == sorted({one["bleu"] for one in kept})
