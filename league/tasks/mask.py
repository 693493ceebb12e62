"""The task of the readers' stage A: plain text in which some tokens are hidden, for an encoder to say which."""

import math
from collections.abc import Sequence
from typing import Any

from league.tasks.reading import Reader
from league.tasks.task import HubWords

MOST_ANSWERS = 20  # of a masked text: chosen, more than anybody reads


class Mask(Reader):
    def hub_words(self) -> HubWords:
        use = "model(**batch).logits.topk(3).indices"
        return HubWords(
            "A masked language model",
            "fill-mask",
            "AutoModelForMaskedLM",
            use,
            example="... <mask> ...",
            options=", split_special_tokens=False",  # with it "<mask>" is a word like any other: texts may hold it
        )

    def columns(self) -> tuple[str]:
        return (self.rules.source,)

    def masks(self, config, seed: int):
        """Return how this league masks."""
        from league.data.masking import Masks

        return Masks(seed, config.mask_token_id, config.vocab_size, self.rules.pretrain.settings)

    def check(self, stage: str, values: Any) -> None:
        self.check_structure(values)

    def model_class(self) -> type:
        from modeling import AingForMaskedLM

        return AingForMaskedLM

    def collator(self, model, seed: int):
        from league.data.batches import MaskCollator

        return MaskCollator(self.masks(model.config, seed), model.config.pad_token_id)

    def loss(self, model, args):
        from league.tasks.loss import MaskedLoss

        return MaskedLoss(model, args)

    def validate(self, model, tokenizer, split, progress: str | None = None) -> dict[str, float]:
        """Return how many hidden tokens the model names, and its perplexity on them; the masks are always the same."""
        import numpy as np
        import torch
        from torch.nn import functional as F

        from league.data.batches import pad
        from league.data.masking import NOT_PREDICTED
        from league.tasks.predicting import name_hidden

        rows = self.encode(tokenizer, self.inputs(split))
        config = model.config
        masks = self.masks(config, self.rules.sample_seed)

        def counts_of(batch: list[int]) -> list[tuple[int, int, float]]:
            ids = pad([rows[i] for i in batch], config.pad_token_id).numpy()
            hidden, labels = (torch.from_numpy(part).to(model.device) for part in masks.hide(ids, np.array(batch)))
            attention_mask = torch.from_numpy((ids != config.pad_token_id).astype(np.int64)).to(model.device)
            states = model.model(hidden, attention_mask).last_hidden_state
            is_asked = labels != NOT_PREDICTED
            logits, wanted = model.lm_head(states[is_asked]), labels[is_asked]
            losses = F.cross_entropy(logits.float(), wanted, reduction="none")
            owner = is_asked.nonzero()[:, 0].cpu()
            per_row = torch.zeros(3, len(batch), dtype=torch.float64)  # which Apple's GPUs do not have
            for line, values in zip(per_row, (logits.argmax(1) == wanted, wanted >= 0, losses), strict=True):
                line.index_add_(0, owner, values.cpu().double())
            return [(int(right), int(asked), loss) for right, asked, loss in per_row.T.tolist()]

        return name_hidden(self, model, rows, counts_of, progress)

    def predict_rows(self, model, tokenizer, rows: Sequence[list[int]]) -> list[str]:
        """Return each row with the likeliest token in the place of each mask."""
        return [best for ((best, _),) in self.answers(model, tokenizer, rows, 1)]

    def most_answers(self) -> int:
        return MOST_ANSWERS

    def read(self, tokenizer, texts: Sequence[str]) -> tuple[list[list[int]], list[bool]]:
        """Return the tokens of texts in which "<mask>" stands for a word, and whether each was cut."""
        mask, end = tokenizer.mask_token_id, tokenizer.eos_token_id
        parts = [text.split(tokenizer.mask_token) for text in texts]
        encoded = iter(tokenizer.backend_tokenizer.encode_batch_fast([part.strip() for one in parts for part in one]))
        rows, most = [], self.rules.max_length
        for pieces in parts:
            ids = [[i for i in next(encoded).ids if i != end] for _ in pieces]
            rows.append([i for piece in ids for i in (*piece, mask)][:-1] + [end])
        return [row if len(row) <= most else [*row[: most - 1], end] for row in rows], [len(row) > most for row in rows]

    def answers(self, model, tokenizer, rows: Sequence[list[int]], n_best: int) -> list[list[tuple[str, float]]]:
        """Return each row with the likeliest tokens in the places of its masks, and how likely these are together."""
        import torch

        from league.data.batches import pad

        config = model.config
        ids = pad(rows, config.pad_token_id).to(model.device)
        logits = model(ids, (ids != config.pad_token_id).long()).logits.float()
        logits[..., : config.mask_token_id + 1] = -math.inf
        shares, tokens = logits.softmax(-1).topk(n_best, dim=-1)  # B L n
        is_mask = ids == config.mask_token_id
        filled = torch.where(is_mask[..., None], tokens, ids[..., None]).transpose(1, 2)  # B n L
        likely = shares.where(is_mask[..., None], 1.0).prod(1).tolist()  # B n
        texts = [tokenizer.batch_decode(one, skip_special_tokens=True) for one in filled]
        return [list(zip(*one, strict=True)) for one in zip(texts, likely, strict=True)]


TASK = Mask
