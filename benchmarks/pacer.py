"""In a worker: lets a Trainer take so many steps, or run so long, as the parent asks for, and counts its tokens."""

import math
import time

import torch
import transformers
from transformers import TrainerCallback
from transformers.trainer import DEFAULT_CALLBACKS

from benchmarks.shared import Channel, own_peak_mib


class Pacer(TrainerCallback):
    """Blocks the Trainer on stdin between two rounds."""

    def __init__(self, channel: Channel):
        self.channel = channel

    def on_train_begin(self, args, state, control, **kwargs):
        self.channel.answer(ready=True, threads=torch.get_num_threads())
        self._wait()

    def on_step_end(self, args, state, control, **kwargs):
        self.steps += 1
        is_last = self.steps == self.asked.get("steps", math.inf)
        if is_last or time.perf_counter() - self.began >= self.asked.get("seconds", math.inf):
            finish_device_work()
            seconds = time.perf_counter() - self.began
            tokens = int(torch.stack(self.tokens).sum())
            facts = {"seconds": seconds, "steps": self.steps, "tokens": tokens, "slots": self.slots}
            self.channel.answer(**facts, peak_mib=peak_mib())
            self._wait()

    def count(self, inputs) -> None:
        tokens, slots = size_of(inputs)
        self.tokens.append(tokens)
        self.slots += slots

    def _wait(self) -> None:
        self.asked, self.steps = self.channel.wait(), 0
        self.tokens, self.slots = [], 0
        self.began = time.perf_counter()


def size_of(inputs) -> tuple[torch.Tensor, int]:
    """Return a batch's tokens on both sides, and its slots, padding included."""
    tokens = inputs["attention_mask"].sum() + (inputs["labels"] != -100).sum()
    return tokens, inputs["input_ids"].numel() + inputs["labels"].numel()


def install(channel: Channel) -> None:
    """Give every Trainer of this process a pacer."""
    pacer = Pacer(channel)
    DEFAULT_CALLBACKS.append(pacer)
    get_batch_samples = transformers.Trainer.get_batch_samples

    def counted_samples(self, *words, **named):
        batches, num_items = get_batch_samples(self, *words, **named)
        for batch in batches:
            pacer.count(batch)
        return batches, num_items

    transformers.Trainer.get_batch_samples = counted_samples


def finish_device_work() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()


def peak_mib() -> float:
    """Return the most memory that this process has held: the GPU's where it computes on one, else its own."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return own_peak_mib()
