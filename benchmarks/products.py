"""In a worker: the matrix products of our own training steps, with nothing around them: no such step can be faster."""

import math
import time
from functools import partial
from typing import Any, NamedTuple

import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import TrainerCallback
from transformers.trainer import DEFAULT_CALLBACKS

from benchmarks import pacer, training

PRODUCTS = {torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm, torch.ops.aten.baddbmm}
SKIPPED = 2  # steps before those that are recorded


def alone(channel, steps: int, **shared: Any) -> None:
    """Job: record the products of some steps of the real stage A, and compute these alone from then on."""
    recorder = Recorder(channel, steps)
    DEFAULT_CALLBACKS.append(recorder)
    training_step = transformers.Trainer.training_step

    def recorded_step(self, model, inputs, *rest, **named):
        recorder.count(inputs)
        with recorder.mode:
            return training_step(self, model, inputs, *rest, **named)

    transformers.Trainer.training_step = recorded_step
    training.play_stage_a("products", **shared)


class Operand(NamedTuple):
    """What a product's time depends on."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, value: Any) -> Any:
        """Describe a tensor; return any other argument as it is."""
        is_tensor = isinstance(value, torch.Tensor)
        return cls(tuple(value.shape), value.stride(), value.dtype, value.device) if is_tensor else value

    def made(self) -> torch.Tensor:
        return torch.empty_strided(self.size, self.strides, dtype=self.dtype, device=self.device).normal_()


class ProductsMode(TorchDispatchMode):
    """Notes each product that torch computes: forward, backward and in the loss."""

    def __init__(self):
        super().__init__()
        self.noted = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func.overloadpacket in PRODUCTS:
            named = {name: Operand.of(one) for name, one in kwargs.items()}
            self.noted.append((func, [Operand.of(one) for one in args], named))
        return func(*args, **kwargs)


def operations(noted: list[tuple]) -> int:
    """Return how many additions and multiplications the products take."""
    total = 0
    for _, args, _ in noted:
        left, right = [one.size for one in args if isinstance(one, Operand)][-2:]  # before them, what is added
        total += 2 * math.prod(left) * right[-1]
    return total


class Recorder(TrainerCallback):
    """Keeps what is needed to compute the steps' products again, and does so for ever once they are there."""

    def __init__(self, channel, steps: int):
        self.channel, self.steps = channel, steps
        self.mode, self.recorded = ProductsMode(), []

    def count(self, inputs) -> None:
        self.tokens, self.slots = pacer.size_of(inputs)

    def on_step_end(self, args, state, control, **kwargs):
        size = {"tokens": int(self.tokens), "slots": self.slots, "operations": operations(self.mode.noted)}
        self.recorded.append((self.mode.noted, size))
        self.mode.noted = []
        if len(self.recorded) == SKIPPED + self.steps:
            self.serve(self.recorded[SKIPPED:])

    def serve(self, recorded: list[tuple[list, dict[str, int]]]) -> None:
        operands = {}

        def operand(value: Any) -> Any:
            if not isinstance(value, Operand):
                return value
            if value not in operands:
                operands[value] = value.made()
            return operands[value]

        def call(func, args, named) -> partial:
            return partial(func, *map(operand, args), **{name: operand(one) for name, one in named.items()})

        calls = [[call(*product) for product in noted] for noted, _ in recorded]
        self.channel.answer(ready=True)
        while True:
            steps = [i % len(calls) for i in range(self.channel.wait()["steps"])]
            started = time.perf_counter()
            for i in steps:
                for product in calls[i]:
                    product()
            pacer.finish_device_work()
            seconds = time.perf_counter() - started
            sums = {name: sum(recorded[i][1][name] for i in steps) for name in recorded[0][1]}
            self.channel.answer(seconds=seconds, steps=len(steps), **sums, peak_mib=pacer.peak_mib())
