"""Translating and scoring, with the same result to the last digit on any number of processes."""

from collections.abc import Sequence
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from tqdm import tqdm
from transformers import GenerationConfig

from league.data.batches import pad
from league.data.tokens import encode
from league_config import League


def decoding_config(league: League, model) -> GenerationConfig:
    """Return the league's decoding; it replaces whatever generation config a checkpoint brought along."""
    search = {name: value for name, value in league.decoding.items() if name != "batch_size"}
    tokens = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
    return GenerationConfig(
        max_length=league.max_length,
        do_sample=False,
        **search,
        **{name: getattr(model.config, name) for name in tokens},
    )


def effective_decoding(config: GenerationConfig, batch_size: int) -> dict[str, Any]:
    """Return every setting of a search that is not the library's default, and the league's, for the record."""
    settings = {name: value for name, value in config.to_diff_dict().items() if not name.endswith("token_id")}
    settings = {name: value for name, value in settings.items() if not name.startswith(("_", "transformers_version"))}
    shown = ("num_beams", "length_penalty", "early_stopping", "max_length", "do_sample")
    return settings | {name: getattr(config, name) for name in shown} | {"batch_size": batch_size}


@torch.inference_mode()
def translate(model, tokenizer, sentences: Sequence[str], batch_size: int, progress: str | None = None) -> list[str]:
    """Translate every sentence exactly once, as the model's generation config says; return the texts in order."""
    state = PartialState()
    sources = [ids for ids, _ in encode(tokenizer, list(sentences), model.generation_config.max_length)]
    by_length = sorted(range(len(sources)), key=lambda i: (len(sources[i]), i))
    # Padding changes the rounding, so batches are cut before they are dealt out: they are the same for every process.
    batches = [by_length[first : first + batch_size] for first in range(0, len(by_length), batch_size)]
    mine = batches[state.process_index :: state.num_processes]
    model.eval()
    done = []
    for batch in tqdm(mine, desc=progress, disable=progress is None or not state.is_main_process, leave=False):
        input_ids = pad([sources[i] for i in batch], tokenizer.pad_token_id).to(model.device)  # B S
        mask = (input_ids != tokenizer.pad_token_id).long()
        output = model.generate(input_ids=input_ids, attention_mask=mask)
        done += zip(batch, tokenizer.batch_decode(output, skip_special_tokens=True), strict=True)
    return [text for _, text in sorted(gather_object(done))]


def score(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """Score translations with SacreBLEU's defaults: BLEU, its 95 % interval by bootstrap, chrF, and both signatures."""
    from sacrebleu.metrics import BLEU, CHRF

    bleu, chrf = BLEU(), CHRF()
    plain = bleu.corpus_score(hypotheses, [references])
    signature = bleu.get_signature().format()
    resampled = BLEU().corpus_score(hypotheses, [references], n_bootstrap=1000)
    return {
        "bleu": plain.score,
        "bleu_signature": signature,
        "bleu_interval": [resampled._mean - resampled._ci, resampled._mean + resampled._ci],
        "brevity_penalty": plain.bp,
        "sentences": len(hypotheses),
        "chrf": chrf.corpus_score(hypotheses, [references]).score,
        "chrf_signature": chrf.get_signature().format(),
    }
