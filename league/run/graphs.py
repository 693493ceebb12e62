"""Training steps as CUDA graphs: a small model's step is hundreds of kernels that take longer to start than to run."""

from typing import Any

import torch
from torch.nn import functional as F
from transformers import Seq2SeqTrainer

# Widths to which batches are padded: few, as each pair of them is a graph, and none much wider than what it holds.
WIDTHS = (8, 16, 24, 32, 48, 64, 96, 128)
FURTHER = 64  # apart are those beyond
PADDING = {"labels": -100, "attention_mask": 0}  # the rest with the padding token


def use_graphs(trainer: Seq2SeqTrainer) -> None:
    """Let a Trainer replay its steps, where one process trains on one CUDA device with a loss of fixed shapes."""
    args = trainer.args
    is_alone = args.world_size == 1 and args.gradient_accumulation_steps == 1
    has_fixed_shapes = getattr(trainer.compute_loss_func, "has_fixed_shapes", False)
    if args.device.type == "cuda" and is_alone and has_fixed_shapes and trainer.accelerator.scaler is None:
        trainer.training_step = GraphedStep(trainer)


class GraphedStep:
    """In the place of `Trainer.training_step`: a graph for each shape of a batch, captured when it first comes."""

    def __init__(self, trainer: Seq2SeqTrainer):
        self.trainer, self.pool = trainer, None
        self.graphs: dict[tuple, tuple[torch.cuda.CUDAGraph, dict[str, torch.Tensor], torch.Tensor]] = {}
        self.weights = [weight for weight in trainer.model.parameters() if weight.requires_grad]
        self.gradients: list[torch.Tensor] = []

    def __call__(self, model, inputs: dict[str, Any], num_items_in_batch=None) -> torch.Tensor:
        inputs = self.trainer._prepare_inputs(inputs)
        inputs = widened(inputs, self.trainer.model.config.pad_token_id)
        inputs["num_items_in_batch"] = torch.as_tensor(num_items_in_batch, device=self.trainer.args.device)
        if not self.gradients:
            self.gradients = [torch.zeros_like(weight) for weight in self.weights]
        for weight, gradient in zip(self.weights, self.gradients, strict=True):
            weight.grad = gradient  # the optimizer has let go of it
        key = tuple((name, tuple(tensor.shape)) for name, tensor in inputs.items())
        if key not in self.graphs:
            self.graphs[key] = self._captured(model, inputs)
        graph, held, loss = self.graphs[key]
        for name, tensor in inputs.items():
            held[name].copy_(tensor)
        graph.replay()
        return loss

    def _captured(self, model, inputs: dict[str, torch.Tensor]) -> tuple:
        held = {name: tensor.clone() for name, tensor in inputs.items()}
        model.train()
        # Once outside of the graph, for what libraries set up at a first time; the random numbers are given back.
        state, here, aside = torch.cuda.get_rng_state(), torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            self._step(model, held)
        here.wait_stream(aside)
        torch.cuda.set_rng_state(state)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool):
            loss = self._step(model, held)
        self.pool = graph.pool()
        return graph, held, loss

    def _step(self, model, held: dict[str, torch.Tensor]) -> torch.Tensor:
        torch._foreach_zero_(self.gradients)
        inputs = dict(held)
        count = inputs.pop("num_items_in_batch")
        with self.trainer.compute_loss_context_manager():
            loss = self.trainer.compute_loss(model, inputs, num_items_in_batch=count)
        self.trainer.accelerator.backward(loss)
        return loss.detach()


def widened(inputs: dict[str, torch.Tensor], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Return a batch with more padding, up to the next of the widths."""

    def widen(name: str, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dim() != 2:
            return tensor
        longest = tensor.shape[1]
        width = next((width for width in WIDTHS if width >= longest), -(-longest // FURTHER) * FURTHER)
        return F.pad(tensor, (0, width - longest), value=PADDING.get(name, pad_token_id))

    return {name: widen(name, tensor) for name, tensor in inputs.items()}
