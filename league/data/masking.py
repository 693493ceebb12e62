"""Which tokens a masked language model has to predict, and what stands in their place: a function of seed and place."""

from typing import Any

import numpy as np

NOT_PREDICTED = -100
KEPT, MASKED, RANDOM = 0, 1, 2


def hide(ids: np.ndarray, places: np.ndarray, seed: int, mask_id: int, vocab_size: int, settings: dict[str, Any]):
    """Return the ids with some of them hidden, and the labels, NOT_PREDICTED elsewhere.

    Each row's numbers come from the seed and its place alone, so that batches, processes and restarts change nothing.
    The special tokens have the ids up to `mask_id`, and are never predicted.
    """
    is_predicted, treatment, instead = draw(ids.shape[1], places, seed, settings)
    is_predicted &= ids > mask_id
    labels = np.where(is_predicted, ids, NOT_PREDICTED)
    hidden = np.where(is_predicted & (treatment == MASKED), mask_id, ids)
    others = mask_id + 1 + (instead % np.uint64(vocab_size - mask_id - 1)).astype(ids.dtype)
    return np.where(is_predicted & (treatment == RANDOM), others, hidden), labels


def draw(length: int, places: np.ndarray, seed: int, settings: dict[str, Any]) -> tuple[np.ndarray, ...]:
    """Return for each position of each row whether it is predicted, what becomes of it, and a number for a token."""
    keys = mixed(places.astype(np.uint64) + mixed(np.array([seed], dtype=np.uint64)))  # B
    positions = np.arange(3 * length, dtype=np.uint64).reshape(3, 1, length)
    numbers = mixed(keys[:, None] + positions * np.uint64(0x9E3779B97F4A7C15))  # 3 B L
    chosen, kind = ((numbers[i] >> np.uint64(11)) / 2.0**53 for i in (0, 1))
    bounds = (settings["masked"], settings["masked"] + settings["random"])
    treatment = np.select([kind < bounds[0], kind < bounds[1]], [MASKED, RANDOM], KEPT)
    return chosen < settings["share"], treatment, numbers[2]


def mixed(x: np.ndarray) -> np.ndarray:
    """Return numbers that look random, one for each: the finalizer of SplitMix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
