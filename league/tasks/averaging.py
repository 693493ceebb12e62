"""The moving average of a training's weights, which takes their place at its end."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

FILE = "average.safetensors"  # of a checkpoint under way


class WeightAverage(TrainerCallback):
    """Keeps the share `decay` of the average at each step, and less at the first ones, whose weights are no use."""

    def __init__(self, decay: float):
        self.decay = decay
        self.average: dict[str, torch.Tensor] = {}

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.weights = {name: weight.detach() for name, weight in model.named_parameters()}
        self.average = {name: weight.clone() for name, weight in self.weights.items()}
        if state.global_step:
            saved = load_file(self._folder(args, state) / FILE)
            for name, mean in self.average.items():
                mean.copy_(saved[name])

    def on_step_end(self, args, state, control, **kwargs):
        decay = min(self.decay, state.global_step / (state.global_step + 9))
        torch._foreach_lerp_(list(self.average.values()), list(self.weights.values()), 1 - decay)

    def on_save(self, args, state, control, **kwargs):
        if state.is_world_process_zero:  # before the watch seals the folder
            save_file(self.average, self._folder(args, state) / FILE)

    def on_train_end(self, args, state, control, **kwargs):
        for name, weight in self.weights.items():
            weight.copy_(self.average[name])

    @staticmethod
    def _folder(args, state) -> Path:
        return Path(args.output_dir) / f"checkpoint-{state.global_step}"
