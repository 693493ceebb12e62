"""What both training scripts need around their Seq2SeqTrainer: fixed arguments, a watch on the run, validation."""

import os
import shutil
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Any

import torch
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments
from transformers.trainer_callback import PrinterCallback

from league.data.corpora import Split
from league.errors import UserError
from league.files import digests_of, new_folder
from league.hardware import has_gpu, pick_precision
from league.record.shape import StageFacts
from league.rulebook import League
from league.run import moves
from league.run.checkpoints import last_complete_checkpoint
from league.run.entry import Entry
from league.run.failures import clear_failures
from league.run.glimpse import Glimpses
from league.run.graphs import use_graphs
from league.run.watch import StageWatch


def fixed_arguments(entry: Entry, rules: League, name: str) -> dict[str, Any]:
    """Return all Seq2SeqTrainingArguments that a participant does not choose."""
    options = entry.options
    device_batch_size, num_parts = share_batch(rules.batch_size, options.device_batch_size)
    precision = pick_precision()
    return {
        "output_dir": str(entry.checkpoints(name)),
        "run_name": f"{entry.name}-{name}",
        "report_to": options.report_to,
        "seed": options.seed,
        "per_device_train_batch_size": device_batch_size,
        "gradient_accumulation_steps": num_parts,
        "per_device_eval_batch_size": rules.batch_size,
        "train_sampling_strategy": "sequential",  # TrainingOrder has shuffled already
        "predict_with_generate": True,  # by the model's own generation config: the league's decoding
        "use_cpu": not has_gpu(),
        "bf16": precision == "bf16",
        "fp16": precision == "fp16",
        "ddp_find_unused_parameters": False,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "remove_unused_columns": False,
        "save_strategy": "no",  # StageWatch asks for checkpoints, by the clock
        "save_total_limit": 2,
        "logging_steps": 1,  # a loss that explodes is seen at once, and an interruption leaves no gap in the curve
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        **rules.training,
        **getattr(rules, name).arguments,
    }


def arguments_of(tuned: dict[str, Any]) -> dict[str, Any]:
    """Return those TUNE values that are Seq2SeqTrainingArguments; the others are the task's."""
    names = {item.name for item in fields(Seq2SeqTrainingArguments)}
    return {name: value for name, value in tuned.items() if name in names}


def introduce(entry: Entry, lines: list[str]) -> None:
    """Print what a task has to say of a stage's data."""
    if entry.writes and not entry.conduct.is_quiet:
        print(*lines, sep="\n", end="\n" if lines else "", file=sys.stderr)


def share_batch(batch_size: int, device_batch_size: int | None) -> tuple[int, int]:
    """Return how many pairs a device takes at a time, and in how many parts it takes its share of the global batch."""
    num_processes = int(os.environ.get("WORLD_SIZE", "1"))
    share, rest = divmod(batch_size, num_processes)
    if rest:
        raise UserError(
            f"{num_processes} processes cannot share a global batch of {batch_size}: "
            f"launch with a number of processes that divides it."
        )
    if device_batch_size is None:
        return share, 1
    if device_batch_size < 1 or share % device_batch_size:
        raise UserError(
            f"--device_batch_size {device_batch_size}: must divide the {share} pairs that each of {num_processes} "
            f"process(es) takes of the global batch of {batch_size}."
        )
    return device_batch_size, share // device_batch_size


def failures(entry: Entry, args: Seq2SeqTrainingArguments) -> AbstractContextManager:
    """Turn what the machine refuses a training into a user error."""
    return clear_failures(entry, args.device, args.per_device_train_batch_size)


def run_stage(trainer: Seq2SeqTrainer, watch: StageWatch, validation: dict[str, Split]) -> None:
    """Train, validate, save and record a stage. A stop by the user leaves a checkpoint to resume from."""
    entry, name = watch.entry, watch.name
    trainer.remove_callback(PrinterCallback)
    watch.time_validation = lambda: _time_validation(entry, trainer, name, validation)
    if watch.progress and (entry.rules.has_one_task or name == "finetune"):  # whose predictions the metric judges
        watch.glimpses = Glimpses(entry, trainer, name, validation)
    started_from = entry.digests("pretrain") if name == "finetune" else None
    with trainer.args.main_process_first():
        checkpoint = last_complete_checkpoint(entry.checkpoints(name), trainer.args.world_size)
    if trainer.accelerator.scaler is None:
        # A checkpoint that was written in fp16 has the state of a scaler, for which there is no place here.
        trainer._load_scaler = lambda checkpoint: None
    use_graphs(trainer)
    if num_left_out := trainer.train_dataset.tokens.num_left_out:
        introduce(entry, [f"{num_left_out:,} rows have more tokens than the corpus's filters want: left out"])
    with entry.clock.charge(name), watch:
        trainer.train(resume_from_checkpoint=checkpoint)
        watch.raise_if_stopped()

    from league.run.evidence import stage_facts
    from league.run.validation import validate

    with entry.clock.charge(name), clear_failures(entry, trainer.args.device):
        started = time.monotonic()
        scores, figures = validate(entry, trainer, name, validation)
    evidence = {
        "minutes": round(entry.clock.spent[name] / 60, 2),
        "out_of_time": watch.is_out_of_time,
        "validation": scores,
        "figures": figures,
        "validation_seconds": round(time.monotonic() - started, 2),
        "started_from": started_from,
        "reused": False,
    }
    if trainer.is_world_process_zero():
        with clear_failures(entry, trainer.args.device), new_folder(entry.checkpoint(name)) as folder:
            trainer.model.save_pretrained(folder)
            trainer.processing_class.save_pretrained(folder)
        evidence["sha256"] = digests_of(entry.checkpoint(name))
        moves.complete(entry, name, StageFacts(**stage_facts(entry, trainer, name), **evidence))
        shutil.rmtree(entry.checkpoints(name), ignore_errors=True)


def _time_validation(entry: Entry, trainer: Seq2SeqTrainer, name: str, validation: dict[str, Split]) -> float:
    from league.run.validation import time_validation

    return time_validation(entry, trainer, name, validation)
