"""Small untrained translators, and the library's own search on them."""

import pytest
import torch
from torch import nn
from transformers import GenerationMixin

from modeling import AingConfig, AingForConditionalGeneration

VOCAB, END = 60, 2


def make_model(seed: int, eagerness: float = 2.0) -> AingForConditionalGeneration:
    """Return an untrained model that ends its sentences now and then."""
    torch.manual_seed(seed)
    config = AingConfig(vocab_size=VOCAB, d_model=32, nhead=4, num_layers=2, d_ff=48)
    model = AingForConditionalGeneration(config).eval()
    head = nn.Linear(32, VOCAB)
    head.weight.data, head.bias.data = 2 * model.lm_head.weight.data, torch.zeros(VOCAB)
    head.bias.data[END] = eagerness
    model.lm_head = head
    return model


def make_batch(seed: int, num_sentences: int, length: int = 9) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    input_ids = torch.randint(4, VOCAB, (num_sentences, length), generator=generator)
    sizes = torch.randint(1, length + 1, (num_sentences, 1), generator=generator)
    mask = (torch.arange(length) < sizes).long()
    return {"input_ids": input_ids * mask, "attention_mask": mask}


def librarys(model: AingForConditionalGeneration, **settings) -> torch.Tensor:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AingForConditionalGeneration, "_beam_search", GenerationMixin._beam_search)
        return model.generate(**settings)
