"""Validation: each domain as the stage's task judges it, and how long that takes."""

import time

import torch
from transformers import Seq2SeqTrainer

from league.data.corpora import Split
from league.run.entry import Entry
from league.tasks.predicting import batches_by_length
from league.tasks.task import task_of

Validated = tuple[dict[str, float], dict[str, float]]  # the scores by domain, and further figures


def validate(entry: Entry, trainer: Seq2SeqTrainer, name: str, validation: dict[str, Split]) -> Validated:
    """Judge a stage's model on each validation split."""
    task, scores, figures = task_of(entry.rules, name), {}, {}
    # In float32, as the final score is: this takes the mixed precision off the forward pass.
    model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    for domain, split in validation.items():
        title = None if entry.conduct.is_quiet else f"validating on {domain}"
        found = {
            key: round(value, 2) for key, value in task.validate(model, trainer.processing_class, split, title).items()
        }
        trainer.log({f"{domain}_{key}": value for key, value in found.items()})
        scores[domain], *_ = found.values()
        figures |= {f"{domain} {key}": value for key, value in list(found.items())[1:]}
    return scores, figures


@torch.inference_mode()
def time_validation(entry: Entry, trainer: Seq2SeqTrainer, name: str, validation: dict[str, Split]) -> float:
    """Estimate the seconds that a validation takes with the model as it is, from one middling batch of each domain."""
    task, tokenizer = task_of(entry.rules, name), trainer.processing_class
    model = trainer.accelerator.unwrap_model(trainer.model)
    was_training, seconds = model.training, 0.0
    model.eval()
    for split in validation.values():
        rows = task.encode(tokenizer, task.inputs(split))
        batches = batches_by_length(rows, task.rules.decoding["batch_size"])
        middle = batches[len(batches) // 2 - (len(batches) > 1)]  # a whole one, where there is one
        started = time.monotonic()
        task.predict_rows(model, tokenizer, [rows[i] for i in middle])
        seconds += (time.monotonic() - started) * len(rows) / len(middle)
    model.train(was_training)
    return seconds
