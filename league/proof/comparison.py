"""Whether the difference between two scored entries is real: over the test's sentences, and over seeds."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from league.data.corpora import load_split
from league.errors import UserError
from league.proof.noise import seed_deviation
from league.record.rules import SCHEDULE, STRUCTURE
from league.tasks.metric import metric_of
from league.tasks.resampling import NUM_SWAPS, p_value
from league.tasks.task import task_of

LEVEL = 0.05  # what chance brings about more rarely than this is called real
QUANTILE = 1.96  # of the normal distribution, for that level


@dataclass(frozen=True)
class Comparison:
    """The difference in BLEU between two entries, the other minus the first, and how far chance reaches."""

    names: tuple[str, str]
    bleu: tuple[float, float]
    p_value: float  # chance of such a difference if it did not matter which entry a translation comes from
    seed_deviation: float | None  # of one entry's score over seeds
    different_values: dict[str, tuple[Any, Any]]

    @property
    def difference(self) -> float:
        return self.bleu[1] - self.bleu[0]

    @property
    def is_real_on_test(self) -> bool:
        return self.p_value < LEVEL

    @property
    def reach_of_seeds(self) -> float | None:
        """Return how far apart two runs that differ in nothing but the seed may well be."""
        return None if self.seed_deviation is None else QUANTILE * math.sqrt(2) * self.seed_deviation

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
                f"{better} translates this test set better. How much of that is the seed's luck is not known: "
                "it was not measured for this league."
            )
        if self.is_tie:
            return (
                f"A tie: {better} translates this test set better, but another seed could turn that round. "
                "Repeat both with python -m tools.seeds before calling one the better entry."
            )
        return f"{better} is better, and the difference is real: neither sentences nor seeds explain it."

    def lines(self) -> list[str]:
        """Return the comparison for the terminal."""
        width = max(map(len, self.names))
        told = [f"{name:<{width}}  BLEU {bleu:.2f}" for name, bleu in zip(self.names, self.bleu, strict=True)]
        told += [f"{'':<{width}}  {name}: {one} and {other}" for name, (one, other) in self.different_values.items()]
        told.append(f"difference {self.difference:+.2f}")
        told.append(
            f"by chance over the sentences: p = {self.p_value:.4f} (approximate randomisation, {NUM_SWAPS:,} trials)"
        )
        if self.reach_of_seeds is not None:
            told.append(f"by chance over seeds: up to {self.reach_of_seeds:.2f} (deviation {self.seed_deviation:.2f})")
        return [*told, self.verdict()]


def compare(folders: tuple[Path, Path], data_dir: str | None) -> Comparison:
    """Compare two entries of one league, scored on the same test set."""
    from league.proof.checks import (  # and torch with it, which a board of records does without
        read_scored_entry,
        read_translations,
    )

    sides = [read_scored_entry(folder) for folder in folders]
    (first, league), (other, _) = sides
    test_name = f"{league.pretrain.corpus.name}.test"
    if first["league"]["name"] != other["league"]["name"]:
        raise UserError(f"{folders[0]} and {folders[1]} play different leagues.")
    test = load_split(league, league.pretrain.corpus, "test", data_dir)
    for folder, record in zip(folders, (first, other), strict=True):
        if record["data"].get(test_name, {}).get("sha256") != test.report["sha256"]:
            raise UserError(f"{folder} was scored on another test set than this one.")
    hypotheses = [read_translations(folder) for folder in folders]
    for folder, lines in zip(folders, hypotheses, strict=True):
        if len(lines) != len(test.targets):
            raise UserError(f"{folder / 'translations.txt'} has {len(lines)} lines, the test set {len(test.targets)}.")
    metric, references = metric_of(league), task_of(league).references(test)
    first_side, other_side = (metric.statistics(predictions, references) for predictions in hypotheses)
    return Comparison(
        names=(folders[0].name, folders[1].name),
        bleu=tuple(metric.value(side.sum(0)).item() for side in (first_side, other_side)),
        p_value=p_value(metric, first_side, other_side),
        seed_deviation=seed_deviation(first["league"]["name"], first["league"]["version"]),
        different_values={
            name: (first["asked"].get(name), other["asked"].get(name))
            for name in ("seed", *STRUCTURE, *SCHEDULE)
            if first["asked"].get(name) != other["asked"].get(name)
        },
    )
