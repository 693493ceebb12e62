"""Validation: each domain predicted as the test set will be, and how long that takes."""

import time

import torch
from transformers import Seq2SeqTrainer

from league.data.corpora import Split
from league.run.entry import Entry
from league.tasks.metric import metric_of
from league.tasks.predicting import batches_by_length, predict
from league.tasks.task import task_of


def validate(entry: Entry, trainer: Seq2SeqTrainer, validation: dict[str, Split]) -> dict[str, float]:
    """Predict each validation split as the test set will be; return the scores by domain."""
    task, metric, scores = task_of(entry.rules), metric_of(entry.rules), {}
    # In float32, as the final score is: this takes the mixed precision off the forward pass.
    model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    for domain, split in validation.items():
        title = None if entry.conduct.is_quiet else f"validating on {domain}"
        predictions = predict(task, model, trainer.processing_class, task.inputs(split), title)
        statistics = metric.statistics(predictions, task.references(split))
        scores[domain] = round(metric.value(statistics.sum(0)).item(), 2)
    trainer.log({f"{domain}_{metric.NAME}": score for domain, score in scores.items()})
    return scores


@torch.inference_mode()
def time_validation(entry: Entry, trainer: Seq2SeqTrainer, validation: dict[str, Split]) -> float:
    """Estimate the seconds that a validation takes with the model as it is, from one middling batch of each domain."""
    task, tokenizer = task_of(entry.rules), trainer.processing_class
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
