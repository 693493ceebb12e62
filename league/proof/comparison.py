"""Whether the difference between two scored entries is real: over the rows of the test set, and over seeds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from league.errors import UserError
from league.proof.noise import Noise, noise_of
from league.tasks.metric import metric_of
from league.tasks.resampling import NUM_SWAPS, p_value
from league.tasks.task import task_of

LEVEL = 0.05  # what chance brings about more rarely than this is called real


@dataclass(frozen=True)
class Comparison:
    """The difference in score between two entries, the other minus the first, and how far chance reaches."""

    names: tuple[str, str]
    scores: tuple[float, float]
    p_value: float  # chance of such a difference if it did not matter which entry a prediction comes from
    noise: Noise | None  # of one entry's score over seeds
    different_values: dict[str, tuple[Any, Any]]
    metric: str = ""  # as it is called on screens

    @property
    def difference(self) -> float:
        return self.scores[1] - self.scores[0]

    @property
    def is_real_on_test(self) -> bool:
        return self.p_value < LEVEL

    @property
    def reach_of_seeds(self) -> float | None:
        """Return how far apart two runs that differ in nothing but the seed may well be."""
        return self.noise and self.noise.reach

    @property
    def is_tie(self) -> bool:
        return not self.is_real_on_test or (self.reach_of_seeds or 0.0) >= abs(self.difference)

    def verdict(self) -> str:
        """Say in words whether the difference is real."""
        better = self.names[self.difference > 0]
        if not self.is_real_on_test:
            return "A tie: the test set shows no difference between the two."
        if self.reach_of_seeds is None:
            return (
                f"{better} does better on this test set. How much of that is the seed's luck is not known: "
                "it was not measured for this league."
            )
        if self.is_tie:
            return (
                f"A tie: {better} does better on this test set, but another seed could turn that round. "
                "Repeat both with python -m tools.seeds before calling one the better entry."
            )
        return f"{better} is better, and the difference is real: neither the choice of rows nor the seed explains it."

    def lines(self) -> list[str]:
        """Return the comparison for the terminal."""
        width = max(map(len, self.names))
        lines = [
            f"{name:<{width}}  {self.metric} {score:.2f}" for name, score in zip(self.names, self.scores, strict=True)
        ]
        lines += [f"{'':<{width}}  {name}: {one} and {other}" for name, (one, other) in self.different_values.items()]
        lines.append(f"difference {self.difference:+z.2f}")
        lines.append(
            f"by chance over the rows: p = {self.p_value:.4f} (approximate randomisation, {NUM_SWAPS:,} trials)"
        )
        if self.reach_of_seeds is not None:
            deviation = self.noise.deviation
            lines.append(f"by chance over seeds: up to {self.reach_of_seeds:.2f} (deviation {deviation:.2f})")
        return [*lines, self.verdict()]


def compare(folders: tuple[Path, Path], data_dir: str | None) -> Comparison:
    """Compare two entries of one league, scored on the same test set."""
    # And torch with it, which a board of records does without.
    from league.proof.checks import read_predictions, read_scored_entry

    (first, league), (other, _) = (read_scored_entry(folder) for folder in folders)
    if first.league.name != other.league.name:
        raise UserError(f"{folders[0]} and {folders[1]} play different leagues.")
    test = task_of(league).load_split(league.test_corpus, "test", data_dir)
    metric, task, statistics = metric_of(league), task_of(league), []
    for folder, record in zip(folders, (first, other), strict=True):
        if record.data_digests().get(test.name) != test.report["sha256"]:
            raise UserError(f"{folder} was scored on another test set than this one.")
        predictions, references = read_predictions(folder, league), task.references(test)
        if len(predictions) != len(references):
            raise UserError(
                f"{folder / task.predictions_file} has {len(predictions)} lines, the test set {len(references)}."
            )
        statistics.append(metric.statistics(predictions, references))
    names = dict.fromkeys([*first.asked, *other.asked])
    return Comparison(
        names=(folders[0].name, folders[1].name),
        scores=tuple(metric.value(side.sum(0)).item() for side in statistics),
        p_value=p_value(metric, *statistics),
        noise=noise_of(first.league.name, first.league.version),
        metric=metric.LABEL,
        different_values={
            name: (first.asked.get(name), other.asked.get(name))
            for name in names
            if first.asked.get(name) != other.asked.get(name)
        },
    )
