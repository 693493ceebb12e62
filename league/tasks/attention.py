"""What a model looks at while it translates: the attention of every layer and head, with readable tokens."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import decoders

from league.data.tokens import encode
from league.errors import UserError, printable
from modeling.modeling_aing import shift_right

PART = "·"  # before a piece that continues the word of the piece before
SPACE = "␣"


@dataclass(frozen=True)
class Attention:
    """The weights of one translation, each row adding up to 1. L layers, H heads, S source and T target tokens."""

    source: list[str]
    target: list[str]  # what each row of `decoder` and of `cross` writes, up to <eos>
    written: list[str]  # what each column of `decoder` holds: the start token, then the target but for its end
    encoder: np.ndarray  # L H S S
    decoder: np.ndarray  # L H T T
    cross: np.ndarray  # L H T S

    def cropped(self, most: int) -> "Attention":
        """Return the first tokens of both sides: one that babbles to the limit of length would fill a page."""
        return Attention(
            source=self.source[:most],
            target=self.target[:most],
            written=self.written[:most],
            encoder=self.encoder[:, :, :most, :most],
            decoder=self.decoder[:, :, :most, :most],
            cross=self.cross[:, :, :most, :most],
        )


@torch.inference_mode()
def attend(model, tokenizer, source: str, target: str | None = None) -> Attention:
    """Return what a model looks at when it writes `target`, or its own translation, as a translation of `source`."""
    config, most = model.config, model.generation_config.max_length
    source_ids = encode(tokenizer, [source], config.max_position_embeddings)[0][0]
    input_ids = torch.tensor([source_ids], device=model.device)
    with _spelled_out(model):
        if target is None:
            output = model.generate(input_ids=input_ids, attention_mask=torch.ones_like(input_ids))
            target_ids = output[0, 1:].tolist()
            if not target_ids:
                raise UserError("The model writes nothing: its weights are no numbers.")
        else:
            target_ids = encode(tokenizer, [target], most)[0][0]
        labels = torch.tensor([target_ids], device=model.device)
        decoder_input_ids = shift_right(labels, config.pad_token_id, config.decoder_start_token_id)
        output = model(
            input_ids=input_ids, decoder_input_ids=decoder_input_ids, output_attentions=True, use_cache=False
        )
    return Attention(
        source=pieces(tokenizer, source_ids),
        target=pieces(tokenizer, target_ids),
        written=pieces(tokenizer, decoder_input_ids[0].tolist()),
        encoder=_stacked(output.encoder_attentions),
        decoder=_stacked(output.decoder_attentions),
        cross=_stacked(output.cross_attentions),
    )


@contextmanager
def _spelled_out(model) -> Iterator[None]:
    # The fused kernels never hold the weights that are asked for here.
    before, was_training = model.config._attn_implementation, model.training
    model.eval()
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)
        model.train(was_training)


def _stacked(layers: tuple[torch.Tensor, ...]) -> np.ndarray:
    return torch.cat(layers).float().cpu().numpy()  # L H rows columns


def pieces(tokenizer, ids: list[int]) -> list[str]:
    """Return the text of each token; a letter that several share stands at the last of them."""
    special, decode = set(tokenizer.all_special_ids), decoders.ByteLevel().decode
    readable, shared = [], []
    for i, token in zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True):
        shared = [] if i in special else [*shared, token]
        text = decode(shared) if shared else token
        if text.endswith("\ufffd"):  # its last letter lacks bytes
            readable.append(PART)
            continue
        continues_word = bool(shared) and not text.startswith(" ")
        shared = []
        # Marks that turn the writing direction, line ends and the like would hide what stands there.
        readable.append(PART * continues_word + printable(text.removeprefix(" ") or SPACE, math.inf))
    return readable
