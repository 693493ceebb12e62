"""Whether the difference between two scored entries is real: over the test's sentences, and over seeds."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from league.data.corpora import load_split
from league.errors import UserError
from league.proof.noise import seed_deviation
from league.record.rules import SCHEDULE, STRUCTURE

LEVEL = 0.05  # what chance brings about more rarely than this is called real
QUANTILE = 1.96  # of the normal distribution, for that level
NUM_TRIALS = 10_000


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
            f"by chance over the sentences: p = {self.p_value:.4f} (approximate randomisation, {NUM_TRIALS:,} trials)"
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
    bleu, p_value = paired_test(*hypotheses, test.targets)
    return Comparison(
        names=(folders[0].name, folders[1].name),
        bleu=bleu,
        p_value=p_value,
        seed_deviation=seed_deviation(first["league"]["name"], first["league"]["version"]),
        different_values={
            name: (first["asked"].get(name), other["asked"].get(name))
            for name in ("seed", *STRUCTURE, *SCHEDULE)
            if first["asked"].get(name) != other["asked"].get(name)
        },
    )


def sentence_statistics(hypotheses: list[str], references: list[str]) -> np.ndarray:
    """Return what BLEU counts in each sentence: both lengths, then matched and all n-grams of four orders."""
    from sacrebleu.metrics import BLEU

    return np.array(BLEU(force=True)._extract_corpus_statistics(hypotheses, [references]), dtype=np.int64)  # N 10


def bleu_of(totals: np.ndarray) -> np.ndarray:
    """Return SacreBLEU's score, with its smoothing, of each row of summed statistics."""
    length, reference_length, matched, counted = np.split(np.asarray(totals, dtype=np.float64), [1, 2, 6], axis=-1)
    is_missed = matched == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        brevity = np.minimum(0.0, 1 - reference_length / length)[..., 0]
        # The first order without a match counts half a match, the next a quarter, and so on.
        smoothed = np.where(is_missed, 0.5 ** np.cumsum(is_missed, axis=-1), matched) / counted
        bleu = 100 * np.exp(brevity + np.log(smoothed).mean(axis=-1))
    return np.where(is_missed.all(-1) | (counted == 0).any(-1), 0.0, bleu)


def paired_test(first: list[str], other: list[str], references: list[str]) -> tuple[tuple[float, float], float]:
    """Return both BLEU scores, and the chance of so large a difference if translations were swapped at random."""
    return paired_test_on(*(sentence_statistics(lines, references) for lines in (first, other)))


def paired_test_on(first: np.ndarray, other: np.ndarray) -> tuple[tuple[float, float], float]:
    """Return what `paired_test` does, from the statistics of the sentences."""
    totals = first.sum(0), other.sum(0)
    real = tuple(bleu_of(side).item() for side in totals)
    # What the swaps carry over, from the other to the first; floats are exact here, and multiply many times faster.
    moved = _swaps(len(first)) @ (other - first).astype(np.float32)  # 10,000 10
    differences = bleu_of(totals[1] - moved) - bleu_of(totals[0] + moved)
    # sacreBLEU's own test counts only larger differences, and so calls one single changed sentence significant.
    as_large = np.abs(differences) >= abs(real[1] - real[0]) - 1e-9
    return real, (int(as_large.sum()) + 1) / (NUM_TRIALS + 1)


@lru_cache(1)
def _swaps(num_sentences: int) -> np.ndarray:
    return (np.random.default_rng(1).random((NUM_TRIALS, num_sentences)) < 0.5).astype(np.float32)
