"""The order in which a stage sees its rows, and the batches it sees them in."""

import hashlib
from itertools import count
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from league.data.masking import Masks
from league.data.tokens import Tokens
from league.errors import TooFew

MEGABATCH = 50  # batches that are sorted by length together


class TrainingOrder(Dataset):
    """The rows in the order a stage sees them, all epochs in one row, so that nothing but the seed decides it."""

    def __init__(self, tokens: Tokens, batch_size: int, num_steps: int, seed: int):
        self.tokens = tokens
        self.batch_size = batch_size
        self.order = length_grouped_order(tokens.lengths(), batch_size, num_steps, seed)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, i: int) -> dict[str, Any]:
        # With where it stands in the order and in the split, for what a collator draws anew for each place.
        return self.tokens[self.order[i]] | {"place": i, "row": self.order[i]}

    def digest(self) -> str:
        """Return the sha256 of the whole order."""
        return hashlib.sha256(self.order.astype("<i8").tobytes()).hexdigest()

    def num_tokens(self, num_steps: int) -> int:
        """Return how many tokens, without padding, the first steps hold in all columns."""
        seen = self.order[: num_steps * self.batch_size]
        return int(self.tokens.lengths()[:, seen].sum())


def length_grouped_order(lengths: np.ndarray, batch_size: int, num_batches: int, seed: int) -> np.ndarray:
    """Return the indices of `num_batches` batches of similar lengths; in an epoch each row comes at most once.

    `lengths` has a line for each column of tokens, the sources' first.
    """
    if lengths.shape[1] < batch_size:
        raise TooFew(f"{lengths.shape[1]} rows to train on are fewer than one batch of {batch_size}.")
    batches = []
    for epoch in count():
        random_state = np.random.default_rng([seed, epoch])
        order = random_state.permutation(lengths.shape[1])
        cut = []
        for first in range(0, len(order), batch_size * MEGABATCH):
            part = order[first : first + batch_size * MEGABATCH]
            # By the longer side: sorted by targets alone, a fifth to a third of all source positions were padding.
            part = part[np.lexsort((lengths[0, part], lengths[:, part].max(axis=0)))]
            cut += [part[i : i + batch_size] for i in range(0, len(part) - batch_size + 1, batch_size)]
        batches += [cut[i] for i in random_state.permutation(len(cut))]
        if len(batches) >= num_batches:
            return np.concatenate(batches[:num_batches])


class PairCollator:
    """Pad pairs into a batch; the model shifts the targets, because a label smoother takes the labels away from it."""

    def __init__(self, model):
        self.pad_token_id = model.config.pad_token_id
        self.shift = model.prepare_decoder_input_ids_from_labels

    def __call__(self, pairs: list[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
        input_ids = pad([pair["input_ids"] for pair in pairs], self.pad_token_id)  # B S
        labels = pad([pair["labels"] for pair in pairs], -100)  # B T
        return {
            "input_ids": input_ids,
            "attention_mask": (input_ids != self.pad_token_id).long(),
            "decoder_input_ids": self.shift(labels),
            "labels": labels,
        }


class MaskCollator:
    """Pad texts into a batch and hide some of their tokens: by each text's place in the order, or by its row."""

    def __init__(self, masks: Masks, pad_token_id: int):
        self.masks, self.pad_token_id = masks, pad_token_id
        self.key = "row" if masks.settings["is_static"] else "place"

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        input_ids = pad([row["input_ids"] for row in rows], self.pad_token_id)  # B L
        places = np.array([row[self.key] for row in rows])
        hidden, labels = map(torch.from_numpy, self.masks.hide(input_ids.numpy(), places))
        return {"input_ids": hidden, "attention_mask": (input_ids != self.pad_token_id).long(), "labels": labels}


class LabelCollator:
    """Pad texts into a batch, with the label of each."""

    def __init__(self, pad_token_id: int):
        self.pad_token_id = pad_token_id

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        input_ids = pad([row["input_ids"] for row in rows], self.pad_token_id)  # B L
        labels = torch.tensor([int(row["labels"][0]) for row in rows])
        return {"input_ids": input_ids, "attention_mask": (input_ids != self.pad_token_id).long(), "labels": labels}


def pad(rows: list, value: int) -> torch.Tensor:
    """Stack rows of ids of different lengths, filled up to the longest."""
    padded = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for line, row in zip(padded, rows, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(padded)
