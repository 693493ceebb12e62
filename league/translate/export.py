"""A checkpoint as a CTranslate2 model: its specification with our weights, and the cache of what was converted."""

import hashlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ctranslate2.specs import TransformerDecoderSpec, TransformerEncoderSpec, TransformerSpec
from huggingface_hub import constants

from league.errors import UserError
from league.files import digest_of, new_folder

CONVERTED = ("model.safetensors", "tokenizer.json", "config.json")  # what a converted model is made from


def convert(checkpoint: Path, model, tokenizer) -> Path:
    """Return the folder of the converted model, in float32: loading it quantizes. Each checkpoint is converted once."""
    folder = _cache() / _key(checkpoint)
    if not (folder / "model.bin").is_file():
        spec = specification(model, tokenizer)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with new_folder(folder) as made:
                spec.save(str(made))
        except OSError as error:
            raise UserError(f"cannot write the converted model to {folder}: {error.strerror or error}.") from None
    return folder


def _cache() -> Path:
    # Never in the entry: what lies there may come from a stranger, and CTranslate2 trusts the files that it reads.
    return Path(constants.HF_HOME) / "aing-league" / "ctranslate2"


def _key(checkpoint: Path) -> str:
    made_by = [version("ctranslate2"), digest_of(Path(__file__))]
    return hashlib.sha256(" ".join([digest_of(checkpoint / name) for name in CONVERTED] + made_by).encode()).hexdigest()


def specification(model, tokenizer) -> TransformerSpec:
    """Return CTranslate2's description of a model, complete with weights and vocabulary."""
    config = model.config
    # Rotary positions in self-attention: over the whole head, value i paired with value i + width / 2.
    rotary = {"rotary_dim": 0, "rotary_interleave": False, "rotary_base": config.rope_theta}
    depth = len(model.model.decoder.layers)
    encoder = TransformerEncoderSpec(config.num_layers, config.nhead, **rotary)
    delattr(encoder, "position_encodings")  # which it would add to the rotary ones
    spec = TransformerSpec(encoder, TransformerDecoderSpec(depth, config.nhead, **rotary))
    _fill_stack(spec.encoder, model.model.encoder, spec.encoder.embeddings[0])
    _fill_stack(spec.decoder, model.model.decoder, spec.decoder.embeddings)
    spec.decoder.projection.weight = _values(model.lm_head.weight)
    vocabulary = tokenizer.convert_ids_to_tokens(range(config.vocab_size))
    spec.register_source_vocabulary(vocabulary)
    spec.register_target_vocabulary(vocabulary)
    for name in ("unk", "bos", "eos"):
        setattr(spec.config, f"{name}_token", getattr(tokenizer, f"{name}_token"))
    spec.config.decoder_start_token = vocabulary[config.decoder_start_token_id]
    spec.config.layer_norm_epsilon = model.model.encoder.layer_norm.eps
    spec.validate()
    spec.optimize()
    return spec


def _fill_stack(spec, stack, embeddings) -> None:
    embeddings.weight = _values(stack.embed_tokens.weight)
    spec.scale_embeddings = True  # by the square root of the width
    _fill_norm(spec.layer_norm, stack.layer_norm)
    for layer_spec, layer in zip(spec.layer, stack.layers, strict=True):
        own, cross = layer.self_attn, getattr(layer, "cross_attn", None)
        _fill_attention(layer_spec.self_attention, layer.self_attn_layer_norm, (own.qkv_proj, own.o_proj))
        if cross:
            linears = (cross.q_proj, cross.kv_proj, cross.o_proj)
            _fill_attention(layer_spec.attention, layer.cross_attn_layer_norm, linears)
        _fill_norm(layer_spec.ffn.layer_norm, layer.feed_forward_layer_norm)
        for linear_spec, linear in (("linear_0", "up_proj"), ("linear_1", "down_proj")):
            _fill_linear(getattr(layer_spec.ffn, linear_spec), getattr(layer.feed_forward, linear))


def _fill_attention(spec, norm, linears) -> None:
    _fill_norm(spec.layer_norm, norm)
    for linear_spec, linear in zip(spec.linear, linears, strict=True):
        _fill_linear(linear_spec, linear)


def _fill_linear(spec, linear) -> None:
    spec.weight, spec.bias = _values(linear.weight), _values(linear.bias)


def _fill_norm(spec, norm) -> None:
    spec.gamma, spec.beta = _values(norm.weight), _values(norm.bias)


def _values(parameter) -> np.ndarray:
    return parameter.detach().float().cpu().numpy()
