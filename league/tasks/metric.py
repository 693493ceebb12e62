"""What predictions are judged by: the little that the others need to know of a metric."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from league.rulebook import League


class Metric(Protocol):
    """A module of `league.tasks`: figures of each row that add up, and what a score is worth out of 100."""

    NAME: str  # in records and in FINAL_TEST_NAME
    LABEL: str  # on pages and screens
    FURTHER: dict[str, str]  # those of its extras that a model's card shows, by what they are called; may be missing

    def signature(self) -> str:
        """Return how the score is computed, with the version of what computes it."""

    def statistics(self, predictions: Sequence[str], references: Sequence[str]) -> np.ndarray:
        """Return whole numbers for each row, (rows, K), whose sums make the score."""

    def value(self, totals: np.ndarray) -> np.ndarray:
        """Return the score out of 100 of sums of statistics, (..., K) -> (...)."""

    def row_values(self, statistics: np.ndarray) -> np.ndarray:
        """Return each row's own score, to tell good predictions from bad ones."""

    def extras(self, predictions: Sequence[str], references: Sequence[str], statistics: np.ndarray) -> dict[str, Any]:
        """Return further figures for the record; the rows' statistics are there already."""


@cache
def metric_named(name: str) -> Metric:
    return import_module(name if "." in name else f"league.tasks.{name}")


def metric_of(rules: League, stage: str = "") -> Metric:
    """Return the metric of the score, or the one that a stage is validated by."""
    return metric_named(rules.metric_in(stage) if stage else rules.metric)
