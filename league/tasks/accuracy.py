"""Accuracy: the share of the labels that are right. Also a module of `evaluate`, which needs no network for it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np

NAME, LABEL = "accuracy", "accuracy"
FURTHER = {"macro_f1": "macro F1"}


class Accuracy(evaluate.Metric):
    """The share of right labels, out of 100."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="",
            inputs_description="predictions and references: two lists of labels of the same length",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        return {NAME: value(statistics(predictions, references).sum(0)).item()}


def signature() -> str:
    return "exact|version:1"


def statistics(predictions: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Return for each row whether it is right, and that it is one."""
    right = [prediction == reference for prediction, reference in zip(predictions, references, strict=True)]
    return np.stack([np.array(right, dtype=np.int64), np.ones(len(right), dtype=np.int64)], axis=1)


def value(totals: np.ndarray) -> np.ndarray:
    return 100 * np.asarray(totals)[..., 0] / np.asarray(totals)[..., 1]


def row_values(statistics: np.ndarray) -> np.ndarray:
    return value(statistics)


def extras(predictions: Sequence[str], references: Sequence[str], statistics: np.ndarray) -> dict[str, Any]:
    """Return macro F1, and precision and recall of each label that occurs, out of 100."""
    found, wanted = Counter(predictions), Counter(references)
    right = Counter(one for one, other in zip(predictions, references, strict=True) if one == other)
    figures, f1 = {}, []
    for label in sorted(wanted | found):
        f1.append(200 * right[label] / (found[label] + wanted[label]))
        figures[f"precision of {label}"] = 100 * right[label] / found[label] if found[label] else 0.0
        figures[f"recall of {label}"] = 100 * right[label] / wanted[label] if wanted[label] else 0.0
    return {"macro_f1": float(np.mean(f1)), "macro_f1_signature": "labels that occur|version:1", **figures}
