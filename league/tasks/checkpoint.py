"""Checkpoints that anyone may have made: only safetensors and JSON are read, and what they ask for is checked first."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from league.errors import UserError
from league.files import is_plain
from league.hardware import is_out_of_memory
from league.tasks.task import Task
from league.untrusted import read_json
from modeling import train_tokenizer

MAX_TOKENIZER_BYTES = 5_000_000
# What a tokenizer of the league saves; the library takes paths of other files from other settings.
TOKENIZER_SETTINGS = {"backend", "tokenizer_class", "pad_token", "bos_token", "eos_token", "unk_token"}
TOKENIZER_SETTINGS |= {"model_max_length", "padding_side", "model_input_names", "split_special_tokens"}
TOKENIZER_SETTINGS |= {"clean_up_tokenization_spaces"}


def load_checkpoint(folder: Path, task: Task) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Load a checkpoint in float32: only safetensors and JSON are read, and no code that lies in it is run."""
    try:
        config = _checked_config(folder, task)
        # Without its folder the library looks for no other file: adapters and index files name paths elsewhere.
        model, info = task.model_class().from_pretrained(
            None,
            config=config,
            state_dict=load_file(folder / "model.safetensors"),
            dtype=torch.float32,
            output_loading_info=True,
        )
        for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if info[what]:
                raise ValueError(f"{what.replace('_', ' ')} {', '.join(map(str, sorted(info[what])[:3]))}")
        tokenizer = load_tokenizer(folder, config.vocab_size, **task.tokenizer_options())
        if len(tokenizer) != config.vocab_size:
            raise ValueError(f"the tokenizer has {len(tokenizer)} tokens, the model {config.vocab_size}")
        return model, tokenizer
    except UserError as error:
        raise UserError(f"{folder} is not a usable checkpoint: config.json asks for {error}") from None
    # The tokenizers library raises plain Exceptions.
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise UserError(f"{folder} is not a usable checkpoint: {error}") from None


def _without_vocabulary(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"model": values["model"] | {"vocab": None, "merges": None}}


def load_tokenizer(folder: Path, vocab_size: int, **options: Any) -> PreTrainedTokenizerFast:
    """Load a tokenizer that is as a league trains it with these options, with ids for the whole vocabulary."""
    as_trained = train_tokenizer([], 261, 1, **options)
    settings = read_json(folder / "tokenizer_config.json")
    if unknown := set(settings) - TOKENIZER_SETTINGS - ({"mask_token"} if as_trained.mask_token else set()):
        raise ValueError(f"tokenizer_config.json has the unknown field {min(unknown)[:60]!r}")
    values = read_json(folder / "tokenizer.json", MAX_TOKENIZER_BYTES)
    # The library takes memory up to the highest id, and a padding or an expression may cost without end.
    if sorted(values["model"]["vocab"].values()) != list(range(vocab_size)):
        raise ValueError(f"tokenizer.json has not the ids 0 to {vocab_size - 1}")
    if _without_vocabulary(values) != _without_vocabulary(json.loads(as_trained.backend_tokenizer.to_str())):
        raise ValueError("tokenizer.json is not as the league trains it")
    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    settings = {name: value for name, value in settings.items() if name not in ("backend", "tokenizer_class")}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **settings)


def _checked_config(folder: Path, task: Task) -> PreTrainedConfig:
    kind = task.model_class().config_class.model_type
    # Sizes are compared with the weights' header before any memory is taken: who wrote these files is not known.
    values = read_json(folder / "config.json")
    if not isinstance(values, dict) or values.get("model_type") != kind:
        raise ValueError(f"config.json does not describe a model of the type {kind}")
    config = task.config_of(values)
    if values.get("vocab_size") != config.vocab_size:
        raise ValueError(f"vocab_size is {values.get('vocab_size')!r:.20}, the league's is {config.vocab_size}")
    path = folder / "model.safetensors"
    if not is_plain(path):
        raise ValueError("model.safetensors is not a file")
    with safe_open(path, "pt") as weights:
        sizes = [weights.get_slice(name).get_shape() for name in weights.keys()]
    num_parameters = sum(torch.Size(size).numel() for size in sizes)
    expected = task.num_parameters(values)
    if num_parameters != expected:
        raise ValueError(f"model.safetensors holds {num_parameters:,} parameters, config.json describes {expected:,}")
    return config
