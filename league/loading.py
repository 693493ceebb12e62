"""Loading what a stage needs, with the entry's rule book: validation splits, tokens, checkpoints."""

from pathlib import Path

import torch
from safetensors import safe_open
from transformers import PreTrainedTokenizerFast

from league_config import League, ModelHP
from modeling import AingConfig, AingForConditionalGeneration

from .data import Split, TokenizedPairs, load_split, tokenize_split
from .decoding import decoding_config
from .entry import RUNS, Entry
from .errors import UserError
from .hardware import has_gpu
from .options import check_model_hp
from .rules import STRUCTURE, count_parameters
from .schema import read_json

MAX_TOKENIZER_BYTES = 20_000_000


def tokenize(entry: Entry, split: Split, tokenizer) -> TokenizedPairs:
    """Tokenize a split, or map it from the cache, which all entries share."""
    return tokenize_split(split, tokenizer, entry.rules.max_length, RUNS / ".cache")


def load_validation(entry: Entry) -> dict[str, Split]:
    """Load the validation splits of both domains."""
    corpora = (entry.rules.pretrain.corpus, entry.rules.finetune.corpus)
    return {corpus.domain: load_split(entry.rules, corpus, "validation", entry.options.data_dir) for corpus in corpora}


def load_checkpoint(folder: Path, rules: League) -> tuple[AingForConditionalGeneration, PreTrainedTokenizerFast]:
    """Load a checkpoint in float32: only safetensors and JSON are read, and no code that lies in it is run."""
    try:
        config = _checked_config(folder, rules)
        model, info = AingForConditionalGeneration.from_pretrained(
            folder, config=config, dtype=torch.float32, use_safetensors=True, local_files_only=True,
            output_loading_info=True,
        )  # fmt: skip
        for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if info[what]:
                raise ValueError(f"{what.replace('_', ' ')} {', '.join(map(str, sorted(info[what])[:3]))}")
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        for left in ("is_local", "local_files_only"):  # how it was loaded does not belong into what is saved
            tokenizer.init_kwargs.pop(left, None)
        if len(tokenizer) != config.vocab_size:
            raise ValueError(f"the tokenizer has {len(tokenizer)} tokens, the model {config.vocab_size}")
        return model, tokenizer
    except UserError as error:
        raise UserError(f"{folder} is not a usable checkpoint: config.json asks for {error}") from None
    # The tokenizers library raises plain Exceptions.
    except Exception as error:
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            raise
        raise UserError(f"{folder} is not a usable checkpoint: {error}") from None


def _checked_config(folder: Path, rules: League) -> AingConfig:
    # Sizes are compared with the weights' header before any memory is taken: who wrote these files is not known.
    for name in ("tokenizer.json", "tokenizer_config.json"):
        read_json(folder / name, MAX_TOKENIZER_BYTES)
    values = read_json(folder / "config.json")
    if not isinstance(values, dict) or values.get("model_type") != "aing":
        raise ValueError("config.json does not describe an Aing model")
    structure = {name: values.get(name) for name in STRUCTURE}
    if not all(type(structure[name]) in (int, float) for name in structure):
        raise ValueError("config.json lacks a value of the structure")
    check_model_hp(ModelHP(**structure))
    if values.get("vocab_size") != rules.vocab_size:
        raise ValueError(f"vocab_size is {values.get('vocab_size')!r:.20}, the league's is {rules.vocab_size}")
    path = folder / "model.safetensors"
    if path.is_symlink():
        raise ValueError("model.safetensors is a link")
    with safe_open(path, "pt") as weights:
        sizes = [weights.get_slice(name).get_shape() for name in weights.keys()]
    num_parameters = sum(torch.Size(size).numel() for size in sizes)
    expected = count_parameters(**structure, vocab_size=rules.vocab_size)
    if num_parameters != expected:
        raise ValueError(f"model.safetensors holds {num_parameters:,} parameters, config.json describes {expected:,}")
    return AingConfig(**structure, vocab_size=rules.vocab_size, max_position_embeddings=rules.max_length)


def prepare_model(model: AingForConditionalGeneration, rules: League) -> None:
    """Give the model the league's decoding, which its checkpoint keeps, and the attention that trains fastest here."""
    model.generation_config = decoding_config(rules, model)
    # On short sentences the spelled-out attention outruns the fused kernel of CPUs.
    model.set_attn_implementation("sdpa" if has_gpu() else "eager")
