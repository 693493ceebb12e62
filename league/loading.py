"""Loading what a stage needs, with the entry's rule book: validation splits, tokens, checkpoints."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import PreTrainedTokenizerFast

from league_config import League
from modeling import AingForConditionalGeneration

from .data import Split, TokenizedPairs, load_split, tokenize_split
from .entry import RUNS, Entry
from .errors import UserError
from .hardware import has_gpu


def tokenize(entry: Entry, split: Split, tokenizer) -> TokenizedPairs:
    """Tokenize a split, or map it from the cache, which all entries share."""
    return tokenize_split(split, tokenizer, entry.rules.max_length, RUNS / ".cache")


def load_validation(entry: Entry) -> dict[str, Split]:
    """Load the validation splits of both domains."""
    corpora = (entry.rules.pretrain.corpus, entry.rules.finetune.corpus)
    return {corpus.domain: load_split(entry.rules, corpus, "validation", entry.options.data_dir) for corpus in corpora}


def load_checkpoint(folder: Path) -> tuple[AingForConditionalGeneration, PreTrainedTokenizerFast]:
    """Load a checkpoint in float32, without running any code that lies in it."""
    try:
        model = AingForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        return model, PreTrainedTokenizerFast.from_pretrained(folder)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{folder} is not a usable checkpoint: {error}") from None


def prepare_model(model: AingForConditionalGeneration, rules: League) -> None:
    """Give the model the league's decoding, which its checkpoint keeps, and the attention that trains fastest here."""
    decoding = {name: value for name, value in rules.decoding.items() if name != "batch_size"}
    model.generation_config.update(max_length=rules.max_length, **decoding)
    # On short sentences the spelled-out attention outruns the fused kernel of CPUs.
    model.set_attn_implementation("sdpa" if has_gpu() else "eager")
