"""The paired test's arithmetic: BLEU from statistics is SacreBLEU's own."""

import numpy as np
import pytest
from paired import paired_test
from sacrebleu.metrics import BLEU

from league.proof.noise import Noise, student
from league.tasks import accuracy
from league.tasks.bleu import statistics as sentence_statistics
from league.tasks.bleu import value as bleu_of
from league.tasks.resampling import NUM_SWAPS, interval

WORDS = "a man and two dogs run on the green grass , near some water .".split()


def sentences(seed: int, count: int = 60, most: int = 14) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, generator.integers(0, most))) for _ in range(count)]


def test_bleu_from_statistics_is_sacrebleus_on_any_totals():
    generator, metric = np.random.default_rng(5), BLEU()
    for _ in range(500):
        counted = np.sort(generator.integers(0, generator.choice([3, 50, 5000]), 4))[::-1]
        matched = (counted * generator.choice([0, 0.1, 0.5, 1], 4)).astype(int)
        totals = [int(counted[0]), int(generator.integers(0, 60)), *map(int, matched), *map(int, counted)]
        assert bleu_of(np.array(totals)).item() == pytest.approx(
            metric._compute_score_from_stats(totals).score, rel=1e-9, abs=1e-9
        )


def test_the_score_is_that_of_the_translations():
    hypotheses, references = sentences(1), sentences(2)
    expected = BLEU().corpus_score(hypotheses, [references]).score
    assert bleu_of(sentence_statistics(hypotheses, references).sum(0)).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("num_changed", [1, 12, 60])
def test_the_paired_test_counts_as_one_by_one(num_changed):
    first, references = sentences(1), sentences(2)
    other = references[:num_changed] + first[num_changed:]
    metric = BLEU()
    counts = [np.array(metric._extract_corpus_statistics(lines, [references])) for lines in (first, other)]

    def bleu(totals) -> float:
        return metric._compute_score_from_stats(totals.tolist()).score

    swapped = np.random.default_rng(1).random((NUM_SWAPS, len(references))) < 0.5
    moved = swapped[:1000] @ (counts[1] - counts[0])
    slowly = [abs(bleu(counts[1].sum(0) - part) - bleu(counts[0].sum(0) + part)) for part in moved]
    real = bleu(counts[1].sum(0)) - bleu(counts[0].sum(0))
    both, p_value = paired_test(first, other, references)
    assert both[1] - both[0] == pytest.approx(real, abs=1e-9)
    share = np.mean(np.array(slowly) >= abs(real) - 1e-9)
    assert p_value == pytest.approx(share, abs=0.05)


def test_the_same_translations_are_never_told_apart():
    assert paired_test(sentences(1), sentences(1), sentences(2))[1] == 1.0


def test_translations_without_any_words_score_nothing():
    assert paired_test([""] * 60, [""] * 60, sentences(2)) == ((0.0, 0.0), 1.0)


@pytest.mark.parametrize("right", [0, 1, 39, 40])
def test_an_interval_holds_the_score_and_stays_within_what_there_is(right):
    rows = accuracy.statistics(["yes"] * right + ["no"] * (40 - right), ["yes"] * 40)
    low, high = interval(accuracy, rows)
    assert 0 <= low <= 100 * right / 40 <= high <= 100


@pytest.mark.parametrize(("degrees", "known"), [(1, 12.706), (4, 2.776), (11, 2.201), (20, 2.086), (99, 1.984)])
def test_few_seeds_say_less_of_the_deviation(degrees, known):
    assert student(degrees) == pytest.approx(known, abs=3e-3)


def test_equal_runs_are_rarely_farther_apart_than_seeds_reach():
    generator = np.random.default_rng(1)
    scores = generator.normal(30, 1.7, (4000, 7))  # of five seeds that were measured, and two runs
    far = [abs(one[5] - one[6]) > Noise(one[:5].std(ddof=1), 5).reach for one in scores]
    assert 0.035 < np.mean(far) < 0.065
