"""What a denoiser reads in place of a text: spans hidden behind one mask each, and its sentences in another order."""

from typing import Any, NamedTuple

import numpy as np
import torch

from league.data.batches import PairCollator


class Marks(NamedTuple):
    """The ids that matter to the noise."""

    mask: int
    line_end: int
    sentence_ends: tuple[int, ...]  # of texts that are one line


def corrupt(ids: np.ndarray, marks: Marks, settings: dict[str, Any], source) -> tuple[np.ndarray, np.ndarray]:
    """Return a text's ids with noise in them, and which of its tokens are hidden; the last one, <eos>, stays."""
    order = _shuffled(ids[:-1], marks, source) if settings["permutes"] else np.arange(len(ids) - 1)
    text = ids[order]
    is_hidden, places = _spans(len(text), settings, source)
    noised = np.append(np.insert(text[~is_hidden], places, marks.mask), ids[-1])
    hidden = np.zeros(len(ids), dtype=bool)
    hidden[order[is_hidden]] = True
    return noised, hidden


def _spans(length: int, settings: dict[str, Any], source) -> tuple[np.ndarray, np.ndarray]:
    """Draw spans until their tokens are the league's share; return what is hidden, and where masks stand in the rest.

    A span of no token is a mask that hides nothing, as in BART.
    """
    wanted, lengths = round(settings["share"] * length), []
    while sum(lengths) < wanted:
        lengths.append(min(int(source.poisson(settings["mean_span"])), wanted - sum(lengths)))
    num_kept = length - sum(lengths)
    lengths = np.array(lengths[: num_kept + 1], dtype=np.int64)  # so many places there are; of short texts all
    num_kept = length - int(lengths.sum())
    places = np.sort(source.choice(num_kept + 1, len(lengths), replace=False))
    is_hidden = np.zeros(length, dtype=bool)
    for first, size in zip(places + np.cumsum(lengths) - lengths, lengths, strict=True):
        is_hidden[first : first + size] = True
    return is_hidden, places


def _shuffled(text: np.ndarray, marks: Marks, source) -> np.ndarray:
    """Return the places of a text's tokens with its lines, or where it is one line its sentences, in another order."""
    is_end = text == marks.line_end
    if not is_end.any():
        is_end = np.isin(text, marks.sentence_ends)
        parts = np.split(np.arange(len(text)), np.flatnonzero(is_end) + 1)
        return np.concatenate([parts[i] for i in source.permutation(len(parts))])
    lines = np.split(np.arange(len(text)), np.flatnonzero(is_end))  # each but the first begins with a line's end
    lines = [lines[0], *(line[1:] for line in lines[1:])]
    order = [lines[i] for i in source.permutation(len(lines))]
    ends = np.flatnonzero(is_end)
    return np.concatenate([order[0], *(np.append(end, line) for end, line in zip(ends, order[1:], strict=True))])


class InfillingCollator:
    """Pad noised texts, and as their labels the texts, into a batch; each text's noise is its place's in the order."""

    def __init__(self, model, seed: int, marks: Marks, settings: dict[str, Any]):
        self.pairs, self.seed, self.marks, self.settings = PairCollator(model), seed, marks, settings

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        return self.pairs([self._pair(row["input_ids"], row["place"]) for row in rows])

    def _pair(self, ids: np.ndarray, place: int) -> dict[str, np.ndarray]:
        source = np.random.default_rng([self.seed, place])
        return {"input_ids": corrupt(ids, self.marks, self.settings, source)[0], "labels": ids}
