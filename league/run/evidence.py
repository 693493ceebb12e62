"""What the record says of a stage, read back from the trained objects."""

from typing import Any

import torch
from transformers import Seq2SeqTrainer

from league.hardware import device_name
from league.record.shape import CurvePoint
from league.run.entry import Entry
from league.tasks.task import agreed, task_of

NUM_POINTS = 30  # of the curve that a record keeps


def stage_facts(entry: Entry, trainer: Seq2SeqTrainer, name: str) -> dict[str, Any]:
    """Return what a stage did, and under which settings in effect."""
    points = curve(trainer.state.log_history, trainer.args.max_steps)
    order = trainer.train_dataset
    return {
        "steps": trainer.state.global_step,
        "tokens": order.num_tokens(trainer.state.global_step),
        "sentences_cut": order.tokens.num_cut(),
        "rows_too_long": order.tokens.num_left_out,
        "loss": points[-1].loss if points else None,
        "curve": points,
        "effective": task_of(entry.rules, name).structure_in_effect(trainer) | training_in_effect(trainer),
        "order": order.digest(),
        "device": device_name(),
        "precision": trainer.accelerator.mixed_precision.replace("no", "fp32"),
        "num_processes": trainer.args.world_size,
        "num_threads": torch.get_num_threads(),
    }


def curve(history: list[dict[str, Any]], max_steps: int) -> list[CurvePoint]:
    """Return the loss as means over equal stretches of steps, and the learning rate at the end of each."""
    logs = [log for log in history if "loss" in log]
    stretch = max(1, max_steps // NUM_POINTS)
    parts = [logs[first : first + stretch] for first in range(0, len(logs), stretch)]
    return [
        CurvePoint(
            step=part[-1]["step"],
            loss=sum(log["loss"] for log in part) / len(part),
            learning_rate=part[-1]["learning_rate"],
        )
        for part in parts
    ]


def training_in_effect(trainer: Seq2SeqTrainer) -> dict[str, Any]:
    """Read the values in effect back from the trained objects, whatever the arguments asked for."""
    args = trainer.args
    optimizer = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
    groups = [group for group in optimizer.param_groups if group["params"]]
    fused = "" if all(group.get("fused") for group in groups) else "not "
    return {
        "num_parameters": trainer.model.num_parameters(),
        "optimizer": f"{type(optimizer).__name__}, {fused}fused",
        "learning_rate": agreed(group["initial_lr"] for group in groups),
        "adam_beta1": agreed(group.get("betas", (0, 0))[0] for group in groups),
        "adam_beta2": agreed(group.get("betas", (0, 0))[1] for group in groups),
        # Others have an epsilon, too, which is not Adam's.
        "adam_epsilon": agreed(group["eps"] if "betas" in group else 0 for group in groups),
        # Norms and biases are never decayed, so that 0 is always among them.
        "weight_decay": sorted({group["weight_decay"] for group in groups}),
        "lr_scheduler_type": str(args.lr_scheduler_type.value),
        "warmup_steps": args.warmup_steps,
        "label_smoothing_factor": trainer.compute_loss_func.epsilon,
        "max_grad_norm": args.max_grad_norm,
        "max_steps": args.max_steps,
        "batch_size": args.train_batch_size * args.gradient_accumulation_steps * args.world_size,
        "seed": args.seed,
    }
