"""How far chance reaches, for any metric: the interval of a score, and the paired test of two."""

from functools import lru_cache

import numpy as np

from league.tasks.metric import Metric

NUM_RESAMPLES, RESAMPLING_SEED = 1000, 12345  # SacreBLEU's own, so that the interval is the one that it reports
NUM_SWAPS = 10_000  # p-values to a hundredth of the level at which they decide


def interval(metric: Metric, statistics: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a score over the rows, by bootstrap as SacreBLEU estimates it."""
    # Floats are exact here, and multiply many times faster than whole numbers.
    totals = _resampling(len(statistics)) @ statistics.astype(np.float32)
    scores = np.sort(metric.value(totals.astype(np.float64)))  # SacreBLEU rounds these to float32: a millionth apart
    half = (scores[-1 - NUM_RESAMPLES // 40] - scores[NUM_RESAMPLES // 40]) / 2
    return max(0.0, (scores.mean() - half).item()), min(100.0, (scores.mean() + half).item())


def p_value(metric: Metric, first: np.ndarray, other: np.ndarray) -> float:
    """Return the chance of so large a difference if it did not matter which of the two made a prediction."""
    totals = first.sum(0), other.sum(0)
    difference = metric.value(totals[1]) - metric.value(totals[0])
    moved = _swaps(len(first)) @ (other - first).astype(np.float32)  # what the swaps carry over to the first
    differences = metric.value(totals[1] - moved) - metric.value(totals[0] + moved)
    # SacreBLEU's own test counts only larger differences, and so calls one single changed row significant.
    as_large = np.abs(differences) >= abs(difference) - 1e-9
    return (int(as_large.sum()) + 1) / (NUM_SWAPS + 1)


@lru_cache(1)
def _resampling(num_rows: int) -> np.ndarray:
    chosen = np.random.default_rng(RESAMPLING_SEED).choice(num_rows, size=(NUM_RESAMPLES, num_rows), replace=True)
    return np.stack([np.bincount(row, minlength=num_rows) for row in chosen]).astype(np.float32)


@lru_cache(1)
def _swaps(num_rows: int) -> np.ndarray:
    return (np.random.default_rng(1).random((NUM_SWAPS, num_rows)) < 0.5).astype(np.float32)
