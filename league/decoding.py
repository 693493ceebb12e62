"""Translating and scoring, with the same result to the last digit on any number of processes."""

from collections.abc import Sequence
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from tqdm import tqdm

from .data import encode, pad


@torch.inference_mode()
def translate(
    model,
    tokenizer,
    sentences: Sequence[str],
    *,
    num_beams: int,
    length_penalty: float,
    early_stopping: bool,
    batch_size: int,
    max_length: int,
    progress: str | None = None,
) -> list[str]:
    """Translate every sentence exactly once, and return the translations in order."""
    state = PartialState()
    sources = [ids for ids, _ in encode(tokenizer, list(sentences), max_length)]
    by_length = sorted(range(len(sources)), key=lambda i: (len(sources[i]), i))
    # Padding changes the rounding, so batches are cut before they are dealt out: they are the same for every process.
    batches = [by_length[first : first + batch_size] for first in range(0, len(by_length), batch_size)]
    mine = batches[state.process_index :: state.num_processes]
    model.eval()
    done = []
    for batch in tqdm(mine, desc=progress, disable=progress is None or not state.is_main_process, leave=False):
        input_ids = pad([sources[i] for i in batch], tokenizer.pad_token_id).to(model.device)  # B S
        output = model.generate(
            input_ids=input_ids,
            attention_mask=(input_ids != tokenizer.pad_token_id).long(),
            num_beams=num_beams,
            length_penalty=length_penalty,
            early_stopping=early_stopping,
            max_length=max_length,
            do_sample=False,
        )
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
        "chrf": chrf.corpus_score(hypotheses, [references]).score,
        "chrf_signature": chrf.get_signature().format(),
    }
