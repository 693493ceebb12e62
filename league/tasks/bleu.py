"""BLEU as SacreBLEU counts it. Also a module of `evaluate`: evaluate.load("league/tasks/bleu.py") needs no network."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import datasets
import evaluate
import numpy as np
from sacrebleu.metrics import BLEU, CHRF

NAME, LABEL = "bleu", "BLEU"
FURTHER = {"chrf": "chrF"}


class Bleu(evaluate.Metric):
    """Corpus BLEU with SacreBLEU's defaults, on plain strings: one prediction and one reference a sentence."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="Post, A Call for Clarity in Reporting BLEU Scores, WMT 2018",
            inputs_description="predictions and references: two lists of strings of the same length",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        return {NAME: value(statistics(predictions, references).sum(0)).item()}


@cache
def signature() -> str:
    metric = BLEU()
    metric.corpus_score(["a"], [["a"]])  # only then does it know the number of references
    return metric.get_signature().format()


def statistics(predictions: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Return what BLEU counts in each sentence: both lengths, then matched and all n-grams of four orders."""
    counts = BLEU(force=True)._extract_corpus_statistics(list(predictions), [list(references)])
    return np.array(counts, dtype=np.int64).reshape(len(predictions), 10)


def value(totals: np.ndarray) -> np.ndarray:
    """Return SacreBLEU's score of summed statistics; of many sums at once, by the same formula."""
    if np.ndim(totals) == 1:
        return np.float64(BLEU()._compute_score_from_stats(np.asarray(totals).tolist()).score)
    length, reference_length, matched, counted = np.split(np.asarray(totals, dtype=np.float64), [1, 2, 6], axis=-1)
    is_missed = matched == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        brevity = np.minimum(0.0, 1 - reference_length / length)[..., 0]
        # The first order without a match counts half a match, the next a quarter, and so on.
        smoothed = np.where(is_missed, 0.5 ** np.cumsum(is_missed, axis=-1), matched) / counted
        bleu = 100 * np.exp(brevity + np.log(smoothed).mean(axis=-1))
    return np.where(is_missed.all(-1) | (counted == 0).any(-1), 0.0, bleu)


def row_values(statistics: np.ndarray) -> np.ndarray:
    """Return the BLEU of each sentence, without the n-grams that are longer than itself."""
    metric = BLEU(effective_order=True)
    return np.array([metric._compute_score_from_stats(counts).score for counts in statistics.tolist()])


def extras(predictions: Sequence[str], references: Sequence[str], statistics: np.ndarray) -> dict[str, Any]:
    """Return the brevity penalty, and chrF with its signature."""
    length, reference_length = statistics.sum(0)[:2]
    chrf = CHRF()
    return {
        "brevity_penalty": BLEU.compute_bleu([0] * 4, [0] * 4, int(length), int(reference_length)).bp,
        "chrf": chrf.corpus_score(predictions, [references]).score,
        "chrf_signature": chrf.get_signature().format(),
    }
