"""Batches of the open league: pairs, some of whose tokens are hidden, and each twice where a loss wants two passes."""

from typing import Any

import numpy as np
import torch

from league.data.batches import PairCollator


class HidingCollator(PairCollator):
    """Pad pairs, and hide tokens from encoder and decoder behind <unk>, which no text has; what is learned stays.

    What is hidden is decided by the seed and each pair's place in the order.
    """

    def __init__(self, model, unknown: int, rate: float, seed: int, is_doubled: bool = False):
        super().__init__(model)
        config = model.config
        self.unknown, self.rate, self.seed, self.is_doubled = unknown, rate, seed, is_doubled
        self.kept = torch.tensor([config.pad_token_id, config.bos_token_id, config.eos_token_id])

    def __call__(self, pairs: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = super().__call__(pairs)
        if self.rate:
            sides = ("input_ids", "decoder_input_ids")
            chance = torch.ones(len(pairs), sum(batch[name].shape[1] for name in sides))
            for row, pair in zip(chance, pairs, strict=True):
                num_tokens = len(pair["input_ids"]) + len(pair["labels"])
                random_state = np.random.default_rng([self.seed, pair["place"]])
                drawn = torch.from_numpy(random_state.random(num_tokens, dtype=np.float32))
                row[: len(pair["input_ids"])] = drawn[: len(pair["input_ids"])]
                row[batch["input_ids"].shape[1] :][: len(pair["labels"])] = drawn[len(pair["input_ids"]) :]
            for name, part in zip(sides, chance.split([batch[name].shape[1] for name in sides], 1), strict=True):
                is_hidden = (part < self.rate) & ~torch.isin(batch[name], self.kept)
                batch[name] = batch[name].masked_fill(is_hidden, self.unknown)
        if self.is_doubled:
            batch = {name: torch.cat((tensor, tensor)) for name, tensor in batch.items()}
        return batch
