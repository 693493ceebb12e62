"""The part of an entry's report in which one points at a token and sees what the model looks at."""

import base64

import numpy as np

from league.report.texts import in_languages
from league.tasks.attention import Attention

MOST_BYTES = 450_000  # of weights, in a page that stays below a million
KINDS = ("cross", "encoder", "decoder")


def data(shown: list[tuple[str, Attention]]) -> dict[str, list[dict]]:
    """Return as JSON has it: tokens, and weights as bytes, as many as there is room for."""
    sentences, left = [], MOST_BYTES
    for place, (title, attention) in enumerate(shown):
        weights = with_room(attention, left / (len(shown) - place))
        left -= size_of(weights)
        sentences.append(
            {
                "title": in_languages(title),
                "layers": {kind: len(array) for kind, array in weights.items()},  # the decoder may be of another depth
                "heads": weights["cross"].shape[1],
                "means_of": {kind: getattr(attention, kind).shape[:2] for kind in KINDS},
            }
            | {side: getattr(attention, side) for side in ("source", "target", "written")}
            | {kind: packed(array) for kind, array in weights.items()}
        )
    return {"sentences": sentences}


def with_room(attention: Attention, room: float) -> dict[str, np.ndarray]:
    """Return weights by kind: of each layer and head, or, as far as there is no room for that, their means."""
    weights = {kind: getattr(attention, kind) for kind in KINDS}
    for axis in (1, 0):  # heads, then layers
        if size_of(weights) > room:
            weights = {kind: array.mean(axis, keepdims=True) for kind, array in weights.items()}
    return weights


def size_of(weights: dict[str, np.ndarray]) -> int:
    return sum(array.size for array in weights.values())


def packed(weights: np.ndarray) -> str:
    """Return weights between 0 and 1 as a byte each."""
    return base64.b64encode(np.rint(255 * weights.clip(0, 1)).astype(np.uint8).tobytes()).decode()
