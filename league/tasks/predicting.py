"""Predicting a split, the one way for score, validation and proof: the same predictions on any number of processes."""

from collections.abc import Sequence

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from tqdm import tqdm

from league.tasks.task import Task


def batches_by_length(rows: Sequence[list[int]], batch_size: int) -> list[list[int]]:
    """Return the places of the rows in batches of similar lengths, the shortest first."""
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), i))
    return [order[first : first + batch_size] for first in range(0, len(order), batch_size)]


@torch.inference_mode()
def predict(task: Task, model, tokenizer, inputs: Sequence[str], progress: str | None = None) -> list[str]:
    """Return a prediction for each input, made exactly once, in order; of several processes each makes a part."""
    state = PartialState()
    rows = task.encode(tokenizer, inputs)
    # Padding changes the rounding, so batches are cut before they are dealt out: they are the same for every process.
    mine = batches_by_length(rows, task.rules.decoding["batch_size"])[state.process_index :: state.num_processes]
    is_silent = progress is None or not state.is_main_process
    model.eval()
    done = []
    for batch in tqdm(mine, desc=progress, unit="batch", disable=is_silent, leave=False):
        done += zip(batch, task.predict_rows(model, tokenizer, [rows[i] for i in batch]), strict=True)
    return [prediction for _, prediction in sorted(gather_object(done))]
