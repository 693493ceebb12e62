"""Which tokens a masked language model has to predict, and what stands in their place: a function of seed and place."""

from dataclasses import dataclass
from typing import Any

import numpy as np

NOT_PREDICTED = -100
KEPT, MASKED, RANDOM = 0, 1, 2


@dataclass(frozen=True)
class Masks:
    """How texts are masked: `settings` are a stage's, the special tokens have the ids up to `mask_id`."""

    seed: int
    mask_id: int
    vocab_size: int
    settings: dict[str, Any]  # share of the tokens that is predicted; masked and random, shares of these; is_static

    def hide(self, ids: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids with some of them hidden, and the labels, NOT_PREDICTED elsewhere.

        Each row's numbers come from the seed and its place alone: batches, processes and restarts change nothing.
        """
        is_predicted, treatment, instead = self.draw(ids.shape[1], places)
        is_predicted &= ids > self.mask_id
        labels = np.where(is_predicted, ids, NOT_PREDICTED)
        hidden = np.where(is_predicted & (treatment == MASKED), self.mask_id, ids)
        first = self.mask_id + 1
        others = first + (instead % np.uint64(self.vocab_size - first)).astype(ids.dtype)
        return np.where(is_predicted & (treatment == RANDOM), others, hidden), labels

    def draw(self, length: int, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return for each position of each row whether it is predicted, how it is treated, and a number for a token."""
        keys = mixed(places.astype(np.uint64) + mixed(np.array([self.seed], dtype=np.uint64)))  # B
        positions = np.arange(3 * length, dtype=np.uint64).reshape(length, 1, 3).T  # the same whatever the width
        numbers = mixed(keys[:, None] + positions * np.uint64(0x9E3779B97F4A7C15))  # 3 B L
        chosen, kind = ((numbers[i] >> np.uint64(11)) / 2.0**53 for i in (0, 1))
        masked = self.settings["masked"]
        treatment = np.select([kind < masked, kind < masked + self.settings["random"]], [MASKED, RANDOM], KEPT)
        return chosen < self.settings["share"], treatment, numbers[2]


def mixed(x: np.ndarray) -> np.ndarray:
    """Return numbers that look random, one for each: the finalizer of SplitMix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
