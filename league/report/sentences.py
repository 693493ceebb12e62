"""The test sentences of an entry: how good each prediction is, which lengths are hard, which words differ."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

import numpy as np

from league.tasks.metric import Metric
from league.tasks.resampling import interval

FEWEST, MOST_BUCKETS = 8, 6  # sentences of a bucket; buckets
MOST_LETTERS = 5_000  # of a line; no prediction of a league is as long
MOST_WORDS = 80  # of a text that is shown

Word = tuple[str, bool]  # and whether the other text lacks it


@dataclass(frozen=True)
class Bucket:
    """The sentences of one length, in words of the source."""

    shortest: int
    longest: int
    num_sentences: int
    value: float
    interval: tuple[float, float]

    @property
    def span(self) -> str:
        return str(self.shortest) if self.shortest == self.longest else f"{self.shortest}–{self.longest}"


@dataclass(frozen=True)
class Sentences:
    """Sources, references and hypotheses in test order."""

    sources: Sequence[str]
    references: Sequence[str]
    hypotheses: Sequence[str]
    metric: Metric

    @cached_property
    def statistics(self) -> np.ndarray:
        return self.metric.statistics(self.hypotheses, self.references)

    @cached_property
    def value(self) -> float:
        return float(self.metric.value(self.statistics.sum(0)))

    @cached_property
    def scores(self) -> np.ndarray:
        """Return the score of each sentence."""
        return self.metric.row_values(self.statistics)

    def ranked(self) -> list[int]:
        """Return all sentences, the best first; of equal ones the longer, which is harder to have by luck."""
        sizes = [len(reference.split()) for reference in self.references]
        return sorted(range(len(sizes)), key=lambda i: (-self.scores[i], -sizes[i], i))

    def by_length(self) -> list[Bucket]:
        """Return the score by the length of the source, in buckets of about as many sentences."""
        lengths = np.array([len(source.split()) for source in self.sources])
        num_buckets = min(MOST_BUCKETS, max(1, len(lengths) // FEWEST))
        edges = np.unique(np.quantile(lengths, np.linspace(0, 1, num_buckets + 1)[1:-1], method="lower"))
        bucket_of, buckets = np.searchsorted(edges, lengths), []
        for bucket in np.unique(bucket_of):
            inside, statistics = lengths[bucket_of == bucket], self.statistics[bucket_of == bucket]
            span, value = (int(inside.min()), int(inside.max())), float(self.metric.value(statistics.sum(0)))
            buckets.append(Bucket(*span, len(inside), value, interval(self.metric, statistics)))
        return buckets


def as_text(reference: str) -> str:
    """Return a reference as one reads it: of several, which are a JSON list, the first."""
    try:
        several = json.loads(reference) if reference.startswith('["') else None
    except (ValueError, RecursionError):
        return reference
    return several[0] if several and isinstance(several[0], str) else reference


def difference(hypothesis: str, reference: str) -> tuple[list[Word], list[Word]]:
    """Return the words of both texts, each with whether the other one lacks it there."""
    sides = [text.split()[:MOST_WORDS] for text in (hypothesis, reference)]
    matcher = SequenceMatcher(None, *sides, autojunk=False)
    lacking = [[True] * len(words) for words in sides]
    for first, second, size in matcher.get_matching_blocks():
        lacking[0][first : first + size] = lacking[1][second : second + size] = [False] * size
    return tuple(list(zip(words, marks, strict=True)) for words, marks in zip(sides, lacking, strict=True))
