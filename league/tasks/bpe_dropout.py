"""BPE-dropout (Provilkov et al., 2020): each time that a pair is seen, other pieces of its words."""

import json
import random
from typing import Any

import numpy as np

from league.data.batches import TrainingOrder
from league.data.corpora import Split

WAYS = 128  # in which a word may be cut, drawn as they are needed: drawing anew each time took a tenth of a step


class BpeDropout:
    """A tokenizer that leaves out each of its merges with a probability; by the seed and a place, not by chance.

    The tokenizers library has the same, with random numbers that take no seed.
    """

    def __init__(self, tokenizer, rate: float, seed: int):
        self.backend, self.rate, self.seed = tokenizer.backend_tokenizer, rate, seed
        model = json.loads(self.backend.to_str())["model"]
        self.ids = model["vocab"]
        self.ranks = {tuple(pair): rank for rank, pair in enumerate(model["merges"])}
        self.end = tokenizer.eos_token_id
        self.ways: dict[tuple[str, int], list[int]] = {}

    def encode(self, text: str, place: str, max_length: int) -> np.ndarray:
        """Return the ids of a text as it is cut at a place, cut off at `max_length` with <eos> kept."""
        chance = random.Random(f"{self.seed} {place}").random
        normalized = self.backend.normalizer.normalize_str(text)
        ids: list[int] = []
        for word, _ in self.backend.pre_tokenizer.pre_tokenize_str(normalized):
            key = word, int(WAYS * chance())
            if key not in self.ways:
                self.ways[key] = self.cut(word, random.Random(f"{self.seed} {key}").random)
            ids += self.ways[key]
        return np.array([*ids[: max_length - 1], self.end])

    def cut(self, word: str, chance) -> list[int]:
        """Merge the pieces of a word, the most frequent pair first, as far as chance lets it."""
        pieces = list(word)
        while True:
            best, at = len(self.ranks), 0
            for i, pair in enumerate(zip(pieces, pieces[1:], strict=False)):
                rank = self.ranks.get(pair, best)
                if rank < best and chance() >= self.rate:
                    best, at = rank, i
            if best == len(self.ranks):
                return [self.ids[piece] for piece in pieces]
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]


class RedrawnOrder(TrainingOrder):
    """A stage's order, in which each place has tokens of its own; the lengths that batches go by are the plain ones."""

    def __init__(self, order: TrainingOrder, split: Split, dropout: BpeDropout):
        vars(self).update(vars(order))
        self.split, self.dropout = split, dropout

    def __getitem__(self, i: int) -> dict[str, Any]:
        row = self.order[i]
        at = int(row if self.tokens.kept is None else self.tokens.kept[row])  # of a split with rows that are left out
        sides = zip(("input_ids", "labels"), (self.split.sources, self.split.targets), strict=True)
        ids = {name: self.dropout.encode(texts[at], f"{i} {name}", self.tokens.max_length) for name, texts in sides}
        return ids | {"place": i, "row": row}
