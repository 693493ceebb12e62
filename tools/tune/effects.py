"""What a study's trials can tell: which knob moves the metric, and how much of the best value is luck."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .jobs import worth_of

LEVEL = 0.90  # of all intervals here
MOST_GROUPS = 5  # of a knob with numbers: fewer leave much of its effect to be taken for that of another
FEWEST_LEFT = 3  # degrees of freedom that the noise is estimated from
NUM_DRAWS = 4000


@dataclass(frozen=True)
class Effect:
    """The metric's deviation that is one knob's doing, over the values tried, with its 90 % interval."""

    knob: str
    size: float
    low: float
    high: float  # infinite where the trials cannot tell
    num_trials: int
    is_known: bool


@dataclass(frozen=True)
class Expectation:
    """What the picked values score on average over seeds, on validation sentences, with a 90 % interval."""

    value: float  # what the trials showed
    expected: float
    low: float
    high: float
    num_values: int  # how many it was picked from

    @property
    def luck(self) -> float:
        return self.value - self.expected


def complete_trials(study: dict[str, Any], stage: str) -> list[dict[str, Any]]:
    """Return the trials of a stage that ran to their end: each has a value."""
    return [trial for trial in study["trials"] if trial["stage"] == stage and trial["state"] == "complete"]


# Which knob mattered

# Not by optuna.importance: PED-ANOVA (the others need scikit-learn) has no interval, and gave idle knobs 39 % of the
# importance in searches that had learned (tests/tools/test_tune_effects.py); 4 % of them are called known here.


def main_effects(study: dict[str, Any], stage: str) -> list[Effect]:
    """Return the main effect of each knob of a stage, the largest first."""
    knobs = study["knobs"].get(stage, {})
    trials = complete_trials(study, stage)
    points, num_offsets = observations(trials)
    if not points:
        return [Effect(knob, 0.0, 0.0, math.inf, 0, False) for knob in knobs]
    groups = {knob: indicators([values[knob] for values, _ in points]) for knob in knobs}
    values = np.array([value for _, value in points])
    known = select(groups, values, num_offsets)
    effects = []
    for knob in knobs:
        fit = Fit(groups[knob], [groups[other] for other in known if other != knob], values, num_offsets)
        low, high = fit.interval()
        # A knob that does not vary, or too few trials, leaves the lower end at 0.
        effects.append(Effect(knob, fit.size, low, high, len(trials), low > 0))
    return sorted(effects, key=lambda effect: (-effect.is_known, -effect.size, effect.knob))


def observations(trials: list[dict[str, Any]]) -> tuple[list[tuple[dict[str, Any], float]], int]:
    """Return each combination of values once, with its value on the scale of the longest trials, and the offsets spent.

    A promoted trial repeats the values of a short one: to count both would pass one choice off as two.
    """
    cells: dict[float, dict[tuple, list[float]]] = {}
    for trial in trials:
        key = tuple(sorted(trial["values"].items()))
        cells.setdefault(trial["fidelity"], {}).setdefault(key, []).append(worth_of(trial))
    means = {fidelity: {key: float(np.mean(seen)) for key, seen in cell.items()} for fidelity, cell in cells.items()}
    if not means:
        return [], 0
    longest, *shorter = sorted(means, reverse=True)
    merged = dict(means[longest])
    for fidelity in shorter:
        offset = offset_between(means[longest], means[fidelity])
        for key, value in means[fidelity].items():
            merged.setdefault(key, value + offset)
    return [(dict(key), value) for key, value in merged.items()], len(shorter)


def offset_between(longest: dict[tuple, float], shorter: dict[tuple, float]) -> float:
    """Return what a longer trial adds, by the values that were tried at both lengths if there are two of them."""
    both = [key for key in longest if key in shorter]
    if len(both) >= 2:
        return float(np.mean([longest[key] - shorter[key] for key in both]))
    return float(np.mean(list(longest.values())) - np.mean(list(shorter.values())))


def indicators(values: list[Any]) -> np.ndarray:
    """Return one column of zeros and ones for each group of a knob's values."""
    levels = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    counts = [values.count(level) for level in levels]
    if any(isinstance(level, str) for level in levels):
        names = [index if count > 1 else -1 for index, count in enumerate(counts)]
    else:
        middles = np.cumsum(counts) - np.array(counts) / 2
        most = max(2, min(MOST_GROUPS, len(values) // 4))
        names = levels if len(levels) <= most else list((middles * most / len(values)).astype(int))
    group_of = dict(zip(levels, names, strict=True))
    columns = sorted(set(names))
    return np.array([[group_of[value] == name for name in columns] for value in values], float)


def select(groups: dict[str, np.ndarray], values: np.ndarray, num_offsets: int) -> list[str]:
    """Return the knobs that matter beyond those that are known, the clearest first.

    A search that learns tries a good value of one knob together with whatever else did well by chance, so a knob is
    judged at equal values of those that are known to matter.
    """
    known: list[str] = []
    while True:
        left = [knob for knob in groups if knob not in known]
        fits = {knob: Fit(groups[knob], [groups[other] for other in known], values, num_offsets) for knob in left}
        chances = {knob: fit.chance() for knob, fit in fits.items()}
        best = min(chances, key=chances.get, default=None)
        if best is None or chances[best] >= (1 - LEVEL) / 2:
            return known
        known.append(best)


class Fit:
    """One knob's analysis of variance, beside other knobs: the squares that are its own, and those nobody explains."""

    def __init__(self, columns: np.ndarray, others: list[np.ndarray], values: np.ndarray, num_offsets: int):
        num = len(values)
        basis = span(np.hstack([np.ones((num, 1)), *others]))
        own = columns - basis @ (basis.T @ columns)
        self.weight = float((own**2).sum())  # squares expected of this knob for a variance of 1 between its groups
        mine = span(own)
        rest = values - basis @ (basis.T @ values)
        self.freedom = mine.shape[1]
        self.left = num - basis.shape[1] - self.freedom - num_offsets
        self.explained = float(((mine.T @ rest) ** 2).sum())
        self.unexplained = max(float((rest**2).sum()) - self.explained, 1e-12)

    @property
    def is_possible(self) -> bool:
        return self.freedom > 0 and self.left >= FEWEST_LEFT

    @property
    def size(self) -> float:
        """Return the deviation between the groups, less what noise alone puts there."""
        if not self.is_possible:
            return 0.0
        noise = self.freedom * self.unexplained / self.left
        return math.sqrt(max(0.0, self.explained - noise) / self.weight)

    def chance(self, size: float = 0.0) -> float:
        """Return how often a knob of this size would show as much as was seen, or more; at size 0 the F test."""
        if not self.is_possible:
            return 1.0
        rng = np.random.default_rng(0)
        noise = np.sqrt(self.unexplained / rng.chisquare(self.left, NUM_DRAWS))
        along = noise * rng.standard_normal(NUM_DRAWS) + size * math.sqrt(self.weight)
        across = noise**2 * (rng.chisquare(self.freedom - 1, NUM_DRAWS) if self.freedom > 1 else 0.0)
        return float(np.mean(along**2 + across >= self.explained))

    def interval(self) -> tuple[float, float]:
        """Return the sizes under which what was seen is neither rarely so much nor rarely so little."""
        if not self.is_possible:
            return 0.0, math.inf
        tail = (1 - LEVEL) / 2
        return self.size_at(tail), self.size_at(1 - tail)

    def size_at(self, chance: float) -> float:
        """Return the size with this chance of showing as much as was seen: 0 where no size has so small a one."""
        if self.chance(0.0) >= chance:
            return 0.0
        low, high = 0.0, 1.0
        while self.chance(high) < chance:
            high *= 2
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if self.chance(middle) < chance else (low, middle)
        return high


def span(columns: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of what the columns span."""
    vectors, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return vectors[:, sizes > 1e-8 * max(1.0, sizes.max(initial=0.0))]


# How much of the best value is luck


def expectation(study: dict[str, Any]) -> Expectation | None:
    """Return what the picked values score on average over seeds, or None where the noise is not known.

    Both picks flatter: that of the structure, and that of the fine-tune. The published deviation is that
    of the whole score, so only one of the two widens the interval.
    """
    best, noise = study["best"], study["seed_deviation"]  # as published: trials share one seed and cannot tell
    if best is None or not noise:
        return None
    picks = {"pretrain": best["pretrain_validation"], "finetune": worth_of(best)}
    value = best["validation"]
    if value is None:
        value = None if picks["pretrain"] is None else picks["pretrain"] + (picks["finetune"] or 0.0)
    shrunk, num_values = {}, []
    for stage, pick in picks.items():
        values = [worth_of(trial) for trial in complete_trials(study, stage) if trial["fidelity"] >= 1.0]
        if pick is not None and values:
            shrunk[stage] = (pick, *shrink(pick, np.array(values), noise))
            num_values.append(len(values))
    if value is None or not shrunk:
        return None
    expected = value - sum(pick - mean for pick, mean, _, _ in shrunk.values())
    _, mean, low, high = next(iter(shrunk.values()))
    return Expectation(value, expected, expected + low - mean, expected + high - mean, max(num_values))


def shrink(pick: float, values: np.ndarray, noise: float) -> tuple[float, float, float]:
    """Return the mean and the 90 % interval of what is behind the picked value, given how all values lie.

    Values are a group of contenders, of unknown middle, spread and share, and others anywhere below them: one normal
    prior for all would be stretched by the bad trials, and leave the close race at the top as it stands.
    """
    lowest = values.min() - 2 * noise
    middles = np.linspace(max(lowest, pick - 8 * noise), pick + 2 * noise, 41)
    spreads = noise * np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0])
    shares = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
    middle, spread, share = (grid.ravel() for grid in np.meshgrid(middles, spreads, shares))
    deviation = np.hypot(spread, noise)

    def densities(value: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        contender = np.exp(-0.5 * ((value - middle) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
        # The logistic curve stands for the normal one: the edge of what lies below, blurred by the noise.
        other = 1 / (1 + np.exp(np.clip(1.702 * (value - middle) / noise, -700, 700))) / (middle - lowest + noise)
        return share * contender, (1 - share) * other

    fit = np.log(sum(densities(values[:, None])) + 1e-300).sum(0)
    weights = np.exp(fit - fit.max())
    rng = np.random.default_rng(0)
    drawn = rng.choice(len(weights), NUM_DRAWS, p=weights / weights.sum())
    contender, other = densities(pick)
    is_contender = rng.random(NUM_DRAWS) < (contender / (contender + other + 1e-300))[drawn]
    kept = (spread / deviation)[drawn] ** 2
    chance = rng.standard_normal(NUM_DRAWS)
    behind = middle[drawn] + kept * (pick - middle[drawn]) + noise * np.sqrt(kept) * chance
    behind = np.where(is_contender, behind, np.minimum(pick + noise * chance, middle[drawn]))
    low, high = np.quantile(behind, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(behind.mean()), float(low), float(high)
