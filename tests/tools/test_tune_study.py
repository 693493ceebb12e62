"""The parts of a search: its time, Optuna's parameters, and trials whose process is gone."""

import random
from types import SimpleNamespace

import optuna
import pytest
from play import TINY
from searches import sampling_of

from league.record.game import union
from league.rulebook import Range
from tools.tune.jobs import Job
from tools.tune.sampling import distributions, from_params, to_params
from tools.tune.search import MOST_RESTARTS, Search
from tools.tune.space import start_values
from tools.tune.study import Study

# The time


def test_the_union_of_spans_is_what_counting_gives():
    dice = random.Random(3)
    for _ in range(200):
        spans = [(began := dice.randrange(50), began + dice.randrange(20)) for _ in range(dice.randrange(1, 8))]
        seconds = {second for began, ended in spans for second in range(began, ended)}
        assert union(spans) == len(seconds), spans
    assert union([]) == 0


# Optuna's parameters


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_values_go_through_optuna_and_come_back(stage):
    dice, spans = random.Random(4), TINY.ranges(stage)
    for _ in range(100):
        params = {}
        for name, span in distributions(spans).items():
            if hasattr(span, "choices"):
                params[name] = dice.choice(span.choices)
            else:
                params[name] = dice.randint(span.low, span.high) if name in indexed(spans) else uniform(dice, span)
        values = from_params(spans, params)
        assert from_params(spans, to_params(spans, values)) == values
        for name, value in to_params(spans, values).items():
            distribution = distributions(spans)[name]
            assert distribution._contains(distribution.to_internal_repr(value)), f"{name} {value}"
    assert from_params(spans, to_params(spans, start_values(TINY, stage))) == start_values(TINY, stage)


def indexed(spans: dict) -> set[str]:
    return {name for name, span in spans.items() if not isinstance(span, Range) and not isinstance(span[0], str)}


def uniform(dice: random.Random, span) -> float:
    return dice.uniform(span.low, span.high)


def test_values_beside_the_ranges_become_the_nearest():
    params = to_params(
        TINY.ranges("pretrain"), {"d_model": 5, "nhead": 3, "num_layers": 99, "d_ff": 4096, "dropout": 0.9}
    )
    values = from_params(TINY.ranges("pretrain"), params)
    assert values == {"d_model": 64, "nhead": 2, "num_layers": 6, "d_ff": 2048, "dropout": 0.4}


# A trial's process is gone


@pytest.mark.parametrize("moment", ["written down", "begun", "given up", "ended"])
def test_a_trial_goes_on_under_its_number_whenever_it_was_killed(tmp_path, monkeypatch, moment):
    begun = Study(tmp_path, {"a": "b"}, sampling_of(TINY))
    job = Job("pretrain", 1.0, "baseline", 9.0, start_values(TINY, "pretrain"))

    class Killed(Exception):
        pass

    def die(*_, **__):
        raise Killed

    begun.begin(job, lambda values: True, 0.0)
    later = Job("pretrain", 1.0, "baseline", 9.0, start_values(TINY, "pretrain") | {"d_model": 256})
    with monkeypatch.context() as patch, pytest.raises(Killed):
        if moment == "written down":
            patch.setattr(optuna.Study, "ask", die)
        trial = begun.begin(later, lambda values: True, 0.0)
        if moment == "given up":
            begun.studies["pretrain"].tell(trial.trial, state=optuna.trial.TrialState.FAIL)
        if moment == "ended":
            patch.setattr(optuna.Study, "tell", die)
            begun.end(trial, {"state": "complete", "validation": 3.0, "steps": 5}, 0.0)
        raise Killed
    after, resumed = Study(tmp_path, {"a": "b"}, sampling_of(TINY)), {}
    for trial in list(after.left_over()):
        resumed[trial.asked["number"]] = trial.asked["values"]["d_model"], trial.trial.params["d_model"]
        after.end(trial, {"state": "complete", "validation": 4.0, "steps": 5}, 0.0)
    widths = TINY.ranges("pretrain")["d_model"]
    expected = {0: (128, widths.index(128)), 1: (256, widths.index(256))}
    if moment == "ended":
        del expected[1]
    assert resumed == expected
    assert [row["validation"] for row in after.rows()] == [4.0, 3.0 if moment == "ended" else 4.0]
    assert not list(after.left_over())


def test_a_trial_that_is_interrupted_again_and_again_has_failed(tmp_path):
    job = Job("pretrain", 1.0, "baseline", 9.0, start_values(TINY, "pretrain"))
    Study(tmp_path, {"a": "b"}, sampling_of(TINY)).begin(job, lambda values: True, 0.0)
    ended = []
    for number in range(1, MOST_RESTARTS + 2):
        study = Study(tmp_path, {"a": "b"}, sampling_of(TINY))
        search = SimpleNamespace(study=study, waiting=[], _outcome_of_nothing=lambda reason: {"reason": reason})
        search._note_end = lambda begun, outcome: ended.append(outcome["reason"])
        Search._take_up(search)
        assert len(search.waiting) == (number <= MOST_RESTARTS)
    assert ended == [f"it was interrupted {MOST_RESTARTS + 1} times"]
