"""RDASS: how near a summary is to its references and to its document, by the embeddings of a language model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from league.hardware import best_device
from league.tasks.given import fetch, in_one_line
from league.tasks.predicting import in_batches
from league.tasks.rouge import references_of

BATCH = 32
MOST_TOKENS = 512  # of a text; the rest is not looked at
OFFSET = 2  # places that RoBERTa and its like keep for padding


class Embedder:
    """An encoder whose last hidden states, averaged over a text, stand for it, as in sentence-transformers."""

    def __init__(self, where: str):
        from transformers import AutoModel, AutoTokenizer

        self.name = where
        folder = Path(where) if Path(where).is_dir() else fetch(where, "main").folder
        with in_one_line(f"{where} is no model that embeds texts"):
            self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            model = AutoModel.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)
            if self.tokenizer.pad_token_id is None:
                raise ValueError("its tokenizer has no padding token")
        self.model = (model.get_encoder() if model.config.is_encoder_decoder else model).to(best_device()).eval()
        room = getattr(model.config, "max_position_embeddings", None) or MOST_TOKENS + OFFSET
        self.most = min(MOST_TOKENS, room - OFFSET, self.tokenizer.model_max_length)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return a vector of length 1 for each text."""
        rows = self.tokenizer(list(texts), truncation=True, max_length=self.most)["input_ids"]
        return np.stack(in_batches(rows, BATCH, lambda batch: self._vectors([rows[i] for i in batch])))

    def _vectors(self, rows: list[list[int]]) -> list[np.ndarray]:
        inputs = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        ids, mask = inputs["input_ids"].to(self.model.device), inputs["attention_mask"].to(self.model.device)
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state  # B L D
        means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return list(torch.nn.functional.normalize(means, dim=1).cpu().numpy())


def rdass(
    embedder: Embedder, predictions: Sequence[str], references: Sequence[str], documents: Sequence[str]
) -> dict[str, float]:
    """Return the mean similarity, out of 100: to the nearest reference, to the document, and of the two."""
    several = [references_of(text) for text in references]
    owners = [i for i, texts in enumerate(several) for _ in texts]
    found, read = embedder.embed(predictions), embedder.embed(documents)
    wanted = embedder.embed([text for texts in several for text in texts])
    to_reference = np.full(len(predictions), -1.0)
    np.maximum.at(to_reference, owners, (found[owners] * wanted).sum(1))
    to_document = (found * read).sum(1)
    says_nothing = np.array([not text.strip() for text in predictions])  # and so is near to nothing
    to_reference[says_nothing] = to_document[says_nothing] = 0.0
    both = (to_reference + to_document) / 2
    named = {"rdass": both, "to_reference": to_reference, "to_document": to_document}
    return {name: 100 * float(values.mean()) for name, values in named.items()}
