"""The verdict: a sound record is official, and every change of a FIXED value is found and named."""

import copy
import json

import pytest
from play import TINY

from league import rules
from league.rules import broken_rules


@pytest.fixture
def record(played, monkeypatch) -> dict:
    """The record of a sound entry, judged as if the tiny league were published."""
    monkeypatch.setattr(rules, "published_rules", lambda name, version: TINY.fixed())
    return json.loads((played / "runs" / "one" / "record.json").read_text())


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path


def test_a_sound_record_is_official(record):
    assert broken_rules(record) == []


def test_every_fixed_value_is_watched(record):
    for path in leaves(TINY.fixed()):
        changed = copy.deepcopy(record)
        inner = changed["league"]["fixed"]
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = "changed"
        if path in (("name",), ("version",)):
            continue
        named = [broken["rule"] for broken in broken_rules(changed)]
        assert f"fixed.{'.'.join(path)}" in named


def test_a_value_that_no_rule_book_knows_is_found(record):
    record["league"]["fixed"]["training"]["adam_turbo"] = True
    assert [broken["rule"] for broken in broken_rules(record)] == ["fixed.training.adam_turbo"]


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
@pytest.mark.parametrize(
    "name",
    ["d_model", "nhead", "num_layers", "d_ff", "dropout", "vocab_size", "batch_size", "learning_rate", "weight_decay",
     "lr_scheduler_type", "warmup_steps", "label_smoothing_factor", "adam_beta1", "adam_beta2", "adam_epsilon",
     "max_grad_norm", "max_steps", "seed"],
)  # fmt: skip
def test_effective_values_are_judged_not_what_was_asked_for(record, stage, name):
    record["stages"][stage]["effective"][name] = 77
    assert [(broken["rule"], broken["found"]) for broken in broken_rules(record)] == [(f"{stage}.{name}", 77)]


def test_missing_pairs_lost_steps_late_clocks_and_other_decoding_are_broken_rules(record):
    record["data"]["talks.train"]["used"] = 150
    record["stages"]["finetune"]["steps"] = 9
    record["clock"]["minutes"] = 5.01
    record["score"]["decoding"]["num_beams"] = 8
    named = {broken["rule"] for broken in broken_rules(record)}
    assert named == {"data.talks.train.pairs", "finetune.steps", "clock.minutes", "score.decoding.num_beams"}


def test_an_unpublished_league_is_open(played):
    record = json.loads((played / "runs" / "one" / "record.json").read_text())
    assert not record["official"]
    assert [broken["rule"] for broken in record["broken_rules"]] == ["league"]
