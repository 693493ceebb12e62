"""What the record says of a stage, read back from the trained objects."""

from typing import Any

import torch
from transformers import Seq2SeqTrainer

from .hardware import pick_precision


def stage_facts(trainer: Seq2SeqTrainer) -> dict[str, Any]:
    """Return what a stage did, and under which settings in effect."""
    logs = [log for log in trainer.state.log_history if "loss" in log]
    return {
        "steps": trainer.state.global_step,
        "tokens": trainer.train_dataset.num_tokens(trainer.state.global_step),
        "sentences_cut": trainer.train_dataset.pairs.info["truncated"],
        "loss": logs[-1]["loss"] if logs else None,
        "curve": [{key: log[key] for key in ("step", "loss", "learning_rate")} for log in logs],
        "effective": effective_values(trainer),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else trainer.args.device.type,
        "precision": pick_precision(),
        "num_processes": trainer.args.world_size,
    }


def effective_values(trainer: Seq2SeqTrainer) -> dict[str, Any]:
    """Read the values in effect back from the trained objects, whatever the arguments asked for."""
    model, args, optimizer = trainer.model, trainer.args, trainer.optimizer
    groups = [group for group in optimizer.param_groups if group["params"]]
    decayed = max(group["weight_decay"] for group in groups)
    layer = model.model.encoder.layers[0]
    schedule = trainer.lr_scheduler.lr_lambdas[0]
    points = sorted({0, args.get_warmup_steps(args.max_steps), args.max_steps // 2, args.max_steps})
    return {
        "d_model": model.lm_head.weight.shape[1],
        "nhead": layer.self_attn.q_proj.out_features // layer.self_attn.head_dim,
        "num_layers": len(model.model.encoder.layers),
        "d_ff": layer.feed_forward.up_proj.out_features,
        "dropout": layer.dropout.p,
        "vocab_size": model.lm_head.weight.shape[0],
        "num_parameters": model.num_parameters(),
        "optimizer": type(getattr(optimizer, "optimizer", optimizer)).__name__,
        "learning_rate": groups[0]["initial_lr"],
        "adam_beta1": groups[0]["betas"][0],
        "adam_beta2": groups[0]["betas"][1],
        "adam_epsilon": groups[0]["eps"],
        "weight_decay": decayed,
        "lr_scheduler_type": str(args.lr_scheduler_type.value),
        "warmup_steps": args.warmup_steps,
        "learning_rates": {str(step): groups[0]["initial_lr"] * schedule(step) for step in points},
        "label_smoothing_factor": trainer.label_smoother.epsilon if trainer.label_smoother else 0.0,
        "max_grad_norm": args.max_grad_norm,
        "max_steps": args.max_steps,
        "batch_size": args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size,
        "seed": args.seed,
    }
