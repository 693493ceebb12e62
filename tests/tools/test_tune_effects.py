"""What a search says of its knobs and of its luck is honest."""

import numpy as np
import pytest
from studies import KNOBS, draw, study_of, trial, true_change, true_validation

from tools.tune.effects import Fit, complete_trials, expectation, indicators, main_effects, observations, shrink
from tools.tune.reading import about_effects
from tools.tune.summary import terminal_summary

# Which knob mattered


@pytest.mark.parametrize("size", [0.0, 0.5, 2.0])
def test_the_interval_covers_the_true_size(size):
    rng, covered, sizes = np.random.default_rng(1), [], []
    columns = np.repeat(np.eye(3), 5, axis=0)
    means = columns @ (np.array([-1.0, 0.0, 1.0]) * size)  # whose deviation is `size`
    for _ in range(400):
        fit = Fit(columns, [], means + 0.8 * rng.standard_normal(15), 0)
        sizes.append(fit.size)
        covered.append(fit.chance(size) <= 0.95 and (size == 0 or fit.chance(size) >= 0.05))
    assert 0.87 <= np.mean(covered) <= (1.0 if size == 0 else 0.93)
    assert np.sqrt(np.mean(np.square(sizes))) == pytest.approx(size, abs=0.25)


def test_the_interval_ends_where_the_chances_say():
    rng = np.random.default_rng(2)
    columns = np.repeat(np.eye(3), 5, axis=0)
    fit = Fit(columns, [], columns @ [0.0, 2.0, 4.0] + 0.8 * rng.standard_normal(15), 0)
    low, high = fit.interval()
    assert 0 < low < fit.size < high
    assert fit.chance(low) == pytest.approx(0.05, abs=0.005)
    assert fit.chance(high) == pytest.approx(0.95, abs=0.005)


def test_a_knob_without_effect_is_seldom_called_known():
    known = {knob: 0 for knob in KNOBS["pretrain"]}
    for seed in range(40):
        for effect in main_effects(study_of(18, 0, seed=seed), "pretrain"):
            known[effect.knob] += effect.is_known
    assert known["d_model"] >= 38
    assert known["nhead"] + known["num_layers"] + known["d_ff"] <= 12  # of 120


def learned(seed: int, num: int = 24) -> dict:
    """Return a study whose later trials keep the best width, and a head count that has nothing to do with it."""
    rng, trials = np.random.default_rng(seed), []
    for number in range(num):
        values = draw(rng, "pretrain")
        if number > num // 3:
            values.update(d_model=512, nhead=8 if rng.random() < 0.7 else values["nhead"])
        trials.append(
            trial(number, "pretrain", values, validation=true_validation(values) + 0.8 * rng.standard_normal())
        )
    return {"knobs": KNOBS, "trials": trials}


def test_a_search_that_learns_does_not_lend_one_knob_the_effect_of_another():
    known = alone = 0
    for seed in range(40):
        study = learned(seed)
        effects = {effect.knob: effect for effect in main_effects(study, "pretrain")}
        assert effects["d_model"].is_known
        known += effects["nhead"].is_known
        points, _ = observations(study["trials"])
        heads = indicators([values["nhead"] for values, _ in points])
        alone += Fit(heads, [], np.array([value for _, value in points]), 0).chance() < 0.05
    assert known <= 5 < 10 <= alone


def test_a_promoted_trial_is_one_choice_not_two():
    points, num_offsets = observations(complete_trials(study_of(9, 0), "pretrain"))
    assert (len(points), num_offsets) == (9, 1)


def test_few_trials_tell_nothing():
    for effect in main_effects(study_of(3, 0), "pretrain"):
        assert not effect.is_known
    nothing = study_of(0, 0)
    words = about_effects(nothing, "finetune", main_effects(nothing, "finetune"))
    assert words == "not known yet after 0 finished trials"


def test_effects_repeat():
    assert main_effects(study_of(12, 9), "finetune") == main_effects(study_of(12, 9), "finetune")


# How much of the best value is luck

RACES = {
    "all alike": lambda rng, num: np.full(num, 36.0),
    "alike to the noise": lambda rng, num: 36 + 0.8 * rng.standard_normal(num),
    "far apart": lambda rng, num: 36 + 2.5 * rng.standard_normal(num),
    "a race at the top": lambda rng, num: np.where(rng.random(num) < 0.6, 36 + 0.3 * rng.standard_normal(num), 20.0),
}


@pytest.mark.parametrize("race", RACES)
def test_the_expectation_is_hardly_biased_and_the_maximum_is(race):
    rng, num, noise = np.random.default_rng(3), 20, 0.8
    flattered, off, covered = [], [], []
    for _ in range(150):
        behind = RACES[race](rng, num)
        values = behind + noise * rng.standard_normal(num)
        best = values.argmax()
        mean, low, high = shrink(values[best], values, noise)
        flattered.append(values[best] - behind[best])
        off.append(mean - behind[best])
        covered.append(low <= behind[best] <= high)
    assert abs(np.mean(off)) < 0.35
    assert abs(np.mean(off)) < 0.4 * np.mean(flattered)
    assert np.mean(flattered) > 0.35
    assert 0.8 <= np.mean(covered)


def test_both_picks_are_taken_for_partly_lucky():
    flattered, off = [], []
    for seed in range(60):
        study = study_of(18, 12, noise=0.83, seed=seed)
        best, expected = study["best"], expectation(study)
        truth = true_validation(best["structure"]) + true_change(best["finetune"])
        flattered.append(best["validation"] - truth)
        off.append(expected.expected - truth)
        assert expected.low < expected.expected < expected.high
        assert expected.value == best["validation"]
    assert np.mean(flattered) > 0.7
    assert abs(np.mean(off)) < 0.5 * np.mean(flattered)


def test_one_value_is_nobodys_best():
    mean, low, high = shrink(30.0, np.array([30.0]), 0.8)
    assert mean == pytest.approx(30.0, abs=0.2)
    assert high - low == pytest.approx(2 * 1.645 * 0.8, rel=0.25)
    study = study_of(1, 0)
    assert "Over seeds, expect" in terminal_summary(study) and "lucky" not in terminal_summary(study)


def test_what_nobody_measured_is_not_known():
    assert expectation(study_of(9, 6, seed_deviation=None)) is None
    assert expectation(study_of(0, 0)) is None
    assert "is not known" in terminal_summary(study_of(9, 6, seed_deviation=None))
