"""What a report says to do next follows from the entry's facts."""

from types import SimpleNamespace

import pytest

from league.record.shape import GameFacts
from league.report.advice import MOST_ADVICE, advice, next_choice, tuned_to
from league.report.facts import Facts, UnderWay
from league_config import AING

NOISE = 2.3


def stage(captions: float, talks: float, **more) -> SimpleNamespace:
    facts = {"validation": {"captions": captions, "talks": talks}, "out_of_time": False, "steps": 500, "curve": []}
    return SimpleNamespace(**facts | more)


def facts_of(before=(38.0, 1.1), after=None, score=30.0, minutes=100.0, **more) -> Facts:
    stages = {"pretrain": stage(*before)} if before else {}
    if after:
        stages["finetune"] = stage(*after)
    asked = {"league": "aing", "seed": 1, "d_model": 128, "nhead": 4, "learning_rate": 1e-4} | more.pop("asked", {})
    record = SimpleNamespace(
        asked=asked,
        stages=stages,
        score=score and SimpleNamespace(value=score),
        diverged=more.pop("diverged", None),
        clock=SimpleNamespace(limit=120.0),
        league=SimpleNamespace(name="aing"),
        game=more.pop("game", None),
    )
    return Facts("mine", record, AING, more.pop("broken", []), {"pretrain": minutes}, noise=NOISE, **more)


CASES = {
    "nothing yet": (facts_of(None, score=None), "python train_pretrain.py --league aing --entry mine"),
    "stage A alone": (facts_of(score=None), "python train_finetune.py --league aing --entry mine"),
    "not scored": (facts_of(after=(37, 2), score=None), "python evaluate_bleu.py --league aing --entry mine"),
    "stopped": (facts_of(None, score=None, under_way=UnderWay("pretrain", 160, 1500, [])), "Resume from step 160"),
    "forgot": (facts_of(after=(6.4, 9.0)), "captions lost 31.6 BLEU in the fine-tune: try a lower rate, "
               "--learning_rate 1e-5."),
    "nothing moved": (facts_of(after=(38.1, 1.2)), "--learning_rate 3e-4"),
    "half the clock": (facts_of(after=(41.0, 3.0), minutes=20.0), "100 of 120 minutes were left: try a larger "
                       "structure, for example --d_model 192."),
    "diverged in B": (facts_of(score=None, diverged=SimpleNamespace(stage="finetune", step=3, loss=None)),
                      "--learning_rate 1e-5 with another --entry; --pretrained mine"),
    "diverged in A": (facts_of(None, score=None, diverged=SimpleNamespace(stage="pretrain", step=3, loss=9.0)),
                      "another structure"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_situation_has_its_advice(name):
    facts, words = CASES[name]
    assert words in advice(facts)[0]


def test_what_a_seed_can_do_is_no_forgetting():
    assert advice(facts_of(after=(36.0, 2.5))) == []


def test_a_stage_that_was_cut_asks_for_a_smaller_structure():
    facts = facts_of(after=(20.0, 2.0))
    facts.record.stages["finetune"].out_of_time = True
    assert "try a smaller structure" in advice(facts)[0] and len(advice(facts)) <= MOST_ADVICE


def test_what_the_other_entries_of_a_game_took_is_not_left():
    game = GameFacts("day", "0" * 12, 115.0, 3, 1)
    assert advice(facts_of(after=(41.0, 3.0), minutes=20.0, game=game)) == []


def test_an_open_entry_is_not_told_to_grow():
    assert advice(facts_of(after=(41.0, 3.0), minutes=20.0, broken=["a rule"])) == []


@pytest.mark.parametrize("rate", [1e-6, True, "high", None])
def test_a_rate_that_cannot_go_lower_is_left_alone(rate):
    facts = facts_of(after=(6.4, 9.0), asked={"learning_rate": rate})
    assert tuned_to(facts, "learning_rate", 0.1) is None
    assert "try a gentler one" in advice(facts)[0]


def test_a_larger_width_fits_its_heads():
    assert next_choice(facts_of(asked={"nhead": 8, "d_model": 64}), "pretrain", "d_model") == 128
    assert next_choice(facts_of(asked={"d_model": 512}), "pretrain", "d_model") is None
    assert next_choice(facts_of(asked={"nhead": 0}), "pretrain", "d_model") is None
