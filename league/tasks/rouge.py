"""ROUGE in every script, and BLEU by order. Also a module of `evaluate`: evaluate.load("league/tasks/rouge.py")."""

import json
import math
import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from itertools import zip_longest
from typing import Any

import datasets
import evaluate
import numpy as np
import regex
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

NAME, LABEL = "rouge_l", "ROUGE-L"
FURTHER = {"rouge_1": "ROUGE-1", "rouge_2": "ROUGE-2"}
KINDS = ("rougeL", "rouge1", "rouge2", "rougeLsum")  # the score first
MOST_WORDS = 2_000  # of a text that are compared: the time grows with the product of both lengths
# A row's F-measure is kept as three digits to this base, because resampling adds up in float32: these sums are exact.
BASE = 1_000
# Scripts that put no space between words: each of their letters counts as a word.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
WORD = regex.compile(rf"[{UNSPACED}]\p{{M}}*|[[\p{{L}}\p{{N}}\p{{M}}]--[{UNSPACED}]]+", regex.V1)


class Rouge(evaluate.Metric):
    """ROUGE-1, 2, L and Lsum, out of 100; a reference may be a text, or a JSON list of several texts."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="Lin, ROUGE: A Package for Automatic Evaluation of Summaries, 2004",
            inputs_description="predictions and references: two lists of strings of the same length",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        return _means(statistics(predictions, references).sum(0))


class Words:
    """The words of a text in any script, in lower case: what rouge-score's own tokenizer finds in English."""

    def tokenize(self, text: str) -> list[str]:
        return words_of(text)[:MOST_WORDS]


def words_of(text: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFC", text.lower()))


@cache
def _scorer() -> RougeScorer:
    return RougeScorer(list(KINDS), tokenizer=Words())


def references_of(text: str) -> list[str]:
    """Return the references of a row: a JSON list of texts, or a text."""
    if text.startswith("["):
        try:
            several = json.loads(text)
        except (ValueError, RecursionError):
            return [text]
        if several and all(isinstance(one, str) for one in several):
            return several
    return [text]


def signature() -> str:
    return f"f-measure|mean:rows|refs:best|tok:words|case:lc|stem:no|version:{version('rouge-score')}"


def statistics(predictions: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Return for each row that it is one, and the F-measure of each kind by its best reference, as three digits."""
    rows = []
    for prediction, text in zip(predictions, references, strict=True):
        scores = _scorer().score_multi(references_of(text), prediction)
        rows.append([1, *(digit for kind in KINDS for digit in _digits(scores[kind].fmeasure))])
    return np.array(rows, dtype=np.int64).reshape(len(rows), 1 + 3 * len(KINDS))


def _digits(share: float) -> tuple[int, int, int]:
    high, low = divmod(round(share * BASE**3), BASE)
    return *divmod(high, BASE), low


def _mean(totals: np.ndarray, kind: int) -> np.ndarray:
    high, middle, low = (np.asarray(totals, dtype=np.float64)[..., 1 + 3 * kind + i] for i in range(3))
    # At least one: nobody scores an empty test set, but a sum over no rows must be a number.
    return 100 * (high / BASE + middle / BASE**2 + low / BASE**3) / np.maximum(np.asarray(totals)[..., 0], 1)


def _means(totals: np.ndarray) -> dict[str, float]:
    return {kind.replace("rouge", "rouge_").lower(): _mean(totals, i).item() for i, kind in enumerate(KINDS)}


def value(totals: np.ndarray) -> np.ndarray:
    """Return the mean ROUGE-L of summed statistics."""
    return _mean(totals, 0)


def row_values(statistics: np.ndarray) -> np.ndarray:
    return value(statistics)


def extras(predictions: Sequence[str], references: Sequence[str], statistics: np.ndarray) -> dict[str, Any]:
    """Return the other kinds of ROUGE, and BLEU by order over the same words: of that order alone, and up to it."""
    others = {name: mean for name, mean in _means(statistics.sum(0)).items() if name != NAME}
    return others | _bleu_by_order(predictions, references)


def _bleu_by_order(predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    bleu = BLEU(tokenize="none", force=True)
    several = [[_spaced(one) for one in references_of(text)] for text in references]
    # A row with fewer references than others has none in the further lists, which SacreBLEU leaves out.
    by_place = [list(texts) for texts in zip_longest(*several)]
    counts = np.array(bleu._extract_corpus_statistics([_spaced(text) for text in predictions], by_place))
    length, reference_length, *ngrams = counts.sum(0).tolist()
    brevity = math.exp(min(0.0, 1 - reference_length / length)) if length else 0.0
    shares = [matched / max(1, counted) for matched, counted in zip(ngrams[:4], ngrams[4:], strict=True)]
    orders = range(1, 5)
    alone = {f"bleu_{n}": 100 * brevity * shares[n - 1] for n in orders}
    return alone | {f"bleu_1_to_{n}": 100 * brevity * math.prod(shares[:n]) ** (1 / n) for n in orders if n > 1}


def _spaced(text: str) -> str:
    return " ".join(Words().tokenize(text))
