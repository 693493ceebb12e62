"""Predicting a split, the one way for score, validation and proof: the same predictions on any number of processes."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from tqdm import tqdm

from league.hardware import has_gpu
from league.tasks.metric import metric_named
from league.tasks.packed import packed
from league.tasks.task import Task

# Batches computed at a time on a CPU: the products of small models are too small to share among threads, and Python
# holds up one batch while the other computes. Measured with two cores (docs/speed.md); more have more threads for each.
AT_A_TIME = 2
HIGHEST_LOSS = 34.0  # whose perplexity a record can hold


def batches_by_length(rows: Sequence[list[int]], batch_size: int) -> list[list[int]]:
    """Return the places of the rows in batches of similar lengths, the shortest first."""
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), i))
    return [order[first : first + batch_size] for first in range(0, len(order), batch_size)]


def predict(task: Task, model, tokenizer, inputs: Sequence[str], progress: str | None = None) -> list[str]:
    """Return a prediction for each input, made exactly once, in order; what is too long is cut, or read by windows."""
    model.eval()
    with packed(model):
        return (_predict_windows if task.windows else _predict)(task, model, tokenizer, inputs, progress)


def _predict_windows(task: Task, model, tokenizer, inputs: Sequence[str], progress: str | None) -> list[str]:
    encoded = task.encode_or_cut(tokenizer, inputs)
    parts = [
        task.divide(tokenizer, text) if was_cut else [text] for text, (_, was_cut) in zip(inputs, encoded, strict=True)
    ]
    found = iter(_predict(task, model, tokenizer, [part for several in parts for part in several], progress))
    joined = [task.border.join(islice(found, len(several))) for several in parts]
    if task.windows == "summarized" and (long := [i for i, several in enumerate(parts) if len(several) > 1]):
        again = _predict(task, model, tokenizer, [joined[i] for i in long], progress)
        for i, text in zip(long, again, strict=True):
            joined[i] = text
    return joined


def _predict(task: Task, model, tokenizer, inputs: Sequence[str], progress: str | None) -> list[str]:
    rows = task.encode(tokenizer, inputs)
    predict_rows = lambda batch: task.predict_rows(model, tokenizer, [rows[i] for i in batch])  # noqa: E731
    return in_batches(rows, task.rules.decoding["batch_size"], predict_rows, progress)


def in_batches(
    rows: Sequence[list[int]], batch_size: int, compute: Callable[[list[int]], list], progress: str | None = None
) -> list:
    """Return what `compute` makes of each row, from the places of a batch; of several processes each takes a part."""
    state = PartialState()
    # Padding changes the rounding, so batches are cut before they are dealt out: they are the same for every process.
    mine = batches_by_length(rows, batch_size)[state.process_index :: state.num_processes]
    mine.reverse()  # the shortest last, so that no thread waits long for the other at the end
    is_silent = progress is None or not state.is_main_process
    done = []
    shown = tqdm(mine, desc=progress, unit="batch", disable=is_silent, leave=False)
    for batch, found in zip(shown, side_by_side(compute, mine), strict=True):
        done += zip(batch, found, strict=True)
    return [result for _, result in sorted(gather_object(done), key=lambda one: one[0])]


def side_by_side(compute: Callable[[list[int]], list], batches: Sequence[list[int]]) -> Iterator[list]:
    """Yield what `compute` makes of each batch, in their order; on a CPU of several cores, of two at a time."""
    num_threads = torch.get_num_threads()
    compute = torch.inference_mode()(compute)
    at_a_time = 1 if has_gpu() else min(AT_A_TIME, num_threads, len(batches))
    if at_a_time <= 1:
        yield from map(compute, batches)
        return
    pool = ThreadPoolExecutor(at_a_time, initializer=lambda: torch.set_num_threads(num_threads // at_a_time))
    try:
        yield from pool.map(compute, batches)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(num_threads)  # what a thread sets for itself, later ones begin with


def name_hidden(
    task: Task, model, rows: Sequence[list[int]], counts_of: Callable[[list[int]], list], progress: str | None
) -> dict[str, float]:
    """Return how many hidden tokens a model names, and its perplexity on them.

    `counts_of` gives for each row of a batch how many it names, how many are hidden, and the sum of their losses.
    """
    model.eval()
    counts = in_batches(rows, task.rules.decoding["batch_size"], counts_of, progress)
    right, hidden, loss = (sum(column) for column in zip(*counts, strict=True))
    name = metric_named(task.rules.metric_in(task.stage)).NAME
    mean = loss / max(1, hidden)
    return {name: 100 * right / max(1, hidden), "perplexity": math.exp(mean if mean < HIGHEST_LOSS else HIGHEST_LOSS)}
