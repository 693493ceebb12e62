"""The parts of a shared search: its time, Optuna's parameters, and trials whose process is gone."""

import json
import random
import time

import optuna
import pytest
from play import TINY
from searches import sampling_of

from league.rulebook import Range
from tools.tune import presence
from tools.tune.jobs import Job
from tools.tune.presence import Presence, union
from tools.tune.sampling import distributions, from_params, to_params
from tools.tune.space import ranges, start_values
from tools.tune.study import Study

# The time


def test_the_union_of_spans_is_what_counting_gives():
    dice = random.Random(3)
    for _ in range(200):
        spans = [(began := dice.randrange(50), began + dice.randrange(20)) for _ in range(dice.randrange(1, 8))]
        seconds = {second for began, ended in spans for second in range(began, ended)}
        assert union(spans) == len(seconds), spans
    assert union([]) == 0


def test_the_time_of_several_processes_adds_up(tmp_path, monkeypatch):
    for _ in range(3):
        with Presence(tmp_path):
            time.sleep(0.1)
    with Presence(tmp_path) as mine:
        with Presence(tmp_path) as other:
            time.sleep(0.1)
            assert mine.is_alive(other.name) and other.is_alive(mine.name)
        assert not mine.is_alive(other.name)
        assert 0.4 <= mine.used() < 0.4 + 0.3 and mine.count() == 5


def test_a_killed_process_is_gone_and_charged_what_it_may_have_hidden(tmp_path):
    killed = Presence(tmp_path)
    killed.__enter__()
    killed._ended.set()
    killed._heart.join()
    killed._held.close()  # as the system does
    with Presence(tmp_path) as mine:
        assert not mine.is_alive(killed.name)
        assert presence.SAVE_EVERY <= mine.used() < presence.SAVE_EVERY + 1


def test_a_clock_that_is_set_back_gives_no_time_away(tmp_path, monkeypatch):
    moment = time.time()
    monkeypatch.setattr("tools.tune.presence.time.time", lambda: moment)  # each begins when the first one did
    for _ in range(4):
        with Presence(tmp_path) as mine:
            time.sleep(0.1)
            used = mine.used()
    assert 0.4 <= used < 1


def test_a_process_on_another_machine_is_gone_after_a_while_whatever_its_clock_says(tmp_path, monkeypatch):
    monkeypatch.setattr(presence, "GONE", 0.1)
    state = {"began": 5.0, "seen": 6.0, "has_ended": False, "host": "elsewhere", "name": "abc"}
    (tmp_path / "abc.json").write_text(json.dumps(state))
    with Presence(tmp_path) as mine:
        for seen in (7.0, 8.0):  # its clock stands in another century
            time.sleep(0.15)
            (tmp_path / "abc.json").write_text(json.dumps(state | {"seen": seen}))
            assert mine.is_alive("abc")
        time.sleep(0.15)
        assert not mine.is_alive("abc")


# Optuna's parameters


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_values_go_through_optuna_and_come_back(stage):
    dice, spans = random.Random(4), ranges(TINY, stage)
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
        ranges(TINY, "pretrain"), {"d_model": 5, "nhead": 3, "num_layers": 99, "d_ff": 4096, "dropout": 0.9}
    )
    values = from_params(ranges(TINY, "pretrain"), params)
    assert values == {"d_model": 64, "nhead": 2, "num_layers": 6, "d_ff": 2048, "dropout": 0.4}


# A trial's process is gone


class AllGone:
    name = "me"

    def is_alive(self, name: str) -> bool:
        return name == self.name

    def used(self) -> float:
        return 0.0


@pytest.mark.parametrize("moment", ["written down", "begun", "given up", "ended"])
def test_a_trial_goes_on_under_its_number_whenever_it_was_killed(tmp_path, monkeypatch, moment):
    first = AllGone()
    first.name = "first"
    begun = Study(tmp_path, {"a": "b"}, sampling_of(TINY), first)
    job = Job("pretrain", 1.0, "baseline", 9.0, start_values(TINY, "pretrain"))

    class Killed(Exception):
        pass

    def die(*_, **__):
        raise Killed

    with begun.locked():
        begun.claim(job, lambda values: True)
    later = Job("pretrain", 1.0, "baseline", 9.0, start_values(TINY, "pretrain") | {"d_model": 256})
    with monkeypatch.context() as patch, pytest.raises(Killed), begun.locked():
        if moment == "written down":
            patch.setattr(optuna.Study, "ask", die)
        claim = begun.claim(later, lambda values: True)
        if moment == "given up":
            begun.studies["pretrain"].tell(claim.trial, state=optuna.trial.TrialState.FAIL)
        if moment == "ended":
            patch.setattr(optuna.Study, "tell", die)
            begun.end(claim, {"state": "complete", "validation": 3.0, "steps": 5})
        raise Killed
    after, resumed = Study(tmp_path, {"a": "b"}, sampling_of(TINY), AllGone()), {}
    with after.locked():
        while claim := after.orphan():
            resumed[claim.asked["number"]] = claim.asked["values"]["d_model"], claim.trial.params["d_model"]
            after.end(claim, {"state": "complete", "validation": 4.0, "steps": 5})
    widths = ranges(TINY, "pretrain")["d_model"]
    expected = {0: (128, widths.index(128)), 1: (256, widths.index(256))}
    if moment == "ended":
        del expected[1]
    assert resumed == expected
    assert [row["validation"] for row in after.rows()] == [4.0, 3.0 if moment == "ended" else 4.0]
