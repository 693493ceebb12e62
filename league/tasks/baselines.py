"""Summaries that need no model: the first sentences of a text, and its most central ones."""

import math
import re
from collections.abc import Callable

import numpy as np

from league.tasks.rouge import Words

NUM_SENTENCES = 3  # of a summary, as usual for news
MOST_SENTENCES = 300  # of a text that are compared with each other
DAMPING, ROUNDS = 0.85, 50  # of TextRank, which has converged long before
END = re.compile(r"(?<=[.!?。])\s+")


def sentences_of(text: str) -> list[str]:
    """Return the lines of a text, or where it is one line its sentences."""
    parts = text.split("\n") if "\n" in text else END.split(text)
    return [part.strip() for part in parts if part.strip()]


def lead(text: str) -> str:
    """Return the first sentences."""
    return "\n".join(sentences_of(text)[:NUM_SENTENCES])


def central(text: str) -> str:
    """Return the sentences that share most words with the others, in the order of the text: TextRank."""
    sentences = sentences_of(text)[:MOST_SENTENCES]
    if len(sentences) <= NUM_SENTENCES:
        return "\n".join(sentences)
    words = [set(Words().tokenize(sentence)) for sentence in sentences]
    alike = np.array([[_likeness(one, other) for other in words] for one in words])
    np.fill_diagonal(alike, 0.0)
    shares = alike / np.maximum(alike.sum(1, keepdims=True), 1e-12)
    rank = np.full(len(sentences), 1 / len(sentences))
    for _ in range(ROUNDS):
        rank = (1 - DAMPING) / len(sentences) + DAMPING * shares.T @ rank
    best = np.argsort(-rank, kind="stable")[:NUM_SENTENCES]
    return "\n".join(sentences[i] for i in sorted(best))


def _likeness(one: set[str], other: set[str]) -> float:
    # One word each has no logarithm to divide by.
    return len(one & other) / (math.log(len(one) + 1) + math.log(len(other) + 1)) if one and other else 0.0


BASELINES: dict[str, Callable[[str], str]] = {"lead": lead, "central": central}
