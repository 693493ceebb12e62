"""The search for a translation: its settings, and what it finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig

from league.data.batches import pad
from league.rulebook import League
from modeling import AingForConditionalGeneration


def decoding_config(league: League, model) -> GenerationConfig:
    """Return the league's decoding; it replaces whatever generation config a checkpoint brought along."""
    search = {"max_length": league.max_length} | league.decoding
    del search["batch_size"]
    tokens = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
    return GenerationConfig(
        do_sample=False,
        **search,
        **{name: getattr(model.config, name) for name in tokens},
    )


def effective_decoding(config: GenerationConfig, batch_size: int) -> dict[str, Any]:
    """Return every setting of a search that is not the library's default, and the league's, for the record."""
    settings = {name: value for name, value in config.to_diff_dict().items() if not name.endswith("token_id")}
    settings = {name: value for name, value in settings.items() if not name.startswith(("_", "transformers_version"))}
    always = ("num_beams", "length_penalty", "early_stopping", "max_length", "do_sample")
    return settings | {name: getattr(config, name) for name in always} | {"batch_size": batch_size}


@dataclass(frozen=True)
class Candidate:
    """What a search finds: tokens, <eos> included, and their score, the log-probability by the penalty's measure."""

    ids: list[int]
    score: float


@torch.inference_mode()
def search(
    model, rows: Sequence[list[int]], num_beams: int | None = None, n_best: int = 1, temperature: float = 0.0
) -> list[list[Candidate]]:
    """Return the `n_best` candidates for each row of a batch, best first, as the model's generation config says.

    Above a temperature of 0 they are drawn at random, and not searched for.
    """
    config = model.generation_config
    num_beams = 1 if temperature else num_beams or config.num_beams
    # A greedy search has its steps' scores, and no sum; the library's own beam search has a sum only with them.
    has_sum = isinstance(model, AingForConditionalGeneration) and not (config.min_length or config.no_repeat_ngram_size)
    input_ids = pad(rows, config.pad_token_id).to(model.device)  # B S
    output = model.generate(
        input_ids=input_ids,
        attention_mask=(input_ids != config.pad_token_id).long(),
        num_beams=num_beams,
        num_return_sequences=n_best,
        return_dict_in_generate=True,
        **({"output_scores": True} if num_beams == 1 or not has_sum else {}),
        **({"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {}),
    )
    sequences = [_up_to_end(ids, config.eos_token_id) for ids in output.sequences[:, 1:].tolist()]
    scores = _greedy_scores(model, output, sequences) if num_beams == 1 else output.sequences_scores.tolist()
    candidates = [Candidate(ids, score) for ids, score in zip(sequences, scores, strict=True)]
    groups = [candidates[first : first + n_best] for first in range(0, len(candidates), n_best)]
    return [sorted(group, key=lambda one: -one.score) for group in groups] if temperature else groups


def _up_to_end(ids: list[int], eos: int | list[int]) -> list[int]:
    ends = eos if isinstance(eos, list) else [eos]
    return next((ids[: i + 1] for i, one in enumerate(ids) if one in ends), ids)


def _greedy_scores(model, output, sequences: list[list[int]]) -> list[float]:
    steps = model.compute_transition_scores(output.sequences, output.scores, normalize_logits=True).tolist()
    penalty = model.generation_config.length_penalty
    return [sum(row[: len(ids)]) / len(ids) ** penalty for row, ids in zip(steps, sequences, strict=True)]
