"""What both training scripts need around their Seq2SeqTrainer: fixed arguments, a watch on the run, validation."""

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Subset
from tqdm import tqdm
from transformers import Seq2SeqTrainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from league_config import Stage

from .data import Split
from .entry import Entry
from .errors import Interrupted, UserError
from .evidence import stage_facts
from .files import new_folder, sha256_of
from .hardware import has_gpu, pick_precision

SAVE_EVERY = 60.0  # seconds of training between checkpoints
CONTINUE, SAVE, STOP_FOR_TIME, STOP_FOR_USER = range(4)


def fixed_arguments(entry: Entry, stage: Stage, name: str) -> dict[str, Any]:
    """Return all Seq2SeqTrainingArguments that a participant does not choose."""
    rules, options = entry.rules, entry.options
    num_processes = int(os.environ.get("WORLD_SIZE", "1"))
    if rules.batch_size % num_processes:
        raise UserError(
            f"{num_processes} processes cannot share a global batch of {rules.batch_size}: "
            f"launch with a number of processes that divides it."
        )
    precision = pick_precision()
    return {
        "output_dir": str(entry.checkpoints(name)),
        "run_name": f"{entry.name}-{name}",
        "report_to": options.report_to,
        "seed": options.seed,
        "per_device_train_batch_size": rules.batch_size // num_processes,
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
        "logging_steps": max(1, stage.arguments["max_steps"] // 30),
        "disable_tqdm": True,
        **rules.training,
        **stage.arguments,
    }


class StageWatch(TrainerCallback):
    """The progress bar, the clock, checkpoints now and then, and a clean stop on Ctrl-C or when time is up."""

    def __init__(self, entry: Entry, name: str):
        self.entry, self.name = entry, name
        self.stopped_for: int | None = None
        self.user_wants_to_stop = False
        self.bar = None
        self.last_save = time.monotonic()

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = self._open_bar(state, self.name, state.max_steps, "step", initial=state.global_step)
        self.last_save = time.monotonic()

    def _open_bar(self, state, title: str, total: int, unit: str, initial: int = 0) -> tqdm:
        silent = not state.is_world_process_zero
        return tqdm(desc=title, total=total, unit=unit, initial=initial, disable=silent, dynamic_ncols=True)

    def on_step_end(self, args, state, control, **kwargs):
        self.entry.clock.tick()
        self.bar.update(1)
        verdict = self._verdict(args, state)
        control.should_save |= verdict != CONTINUE
        if verdict in (STOP_FOR_TIME, STOP_FOR_USER):
            self.stopped_for = verdict
            control.should_training_stop = True

    def _verdict(self, args, state) -> int:
        verdict = CONTINUE
        if self.user_wants_to_stop:
            verdict = STOP_FOR_USER
        elif self.entry.clock.left <= 0:
            verdict = STOP_FOR_TIME
        elif time.monotonic() - self.last_save > SAVE_EVERY or state.global_step == state.max_steps:
            verdict = SAVE
        if args.world_size > 1:
            # Clocks differ between processes: the first one decides, or the others would wait for it for ever.
            decision = torch.tensor([verdict], device=args.device)
            torch.distributed.broadcast(decision, 0)
            verdict = int(decision)
        return verdict

    def on_save(self, args, state, control, **kwargs):
        self.last_save = time.monotonic()
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / "complete").touch()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}", lr=f"{logs['learning_rate']:.1e}")

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()
        self.bar = None

    def on_prediction_step(self, args, state, control, eval_dataloader=None, **kwargs):
        if self.bar is None:
            self.bar = self._open_bar(state, "validation", len(eval_dataloader), "batch")
        self.bar.update(1)

    def on_evaluate(self, args, state, control, **kwargs):
        self.bar.close()
        self.bar = None

    def __enter__(self):
        self._previous = signal.signal(signal.SIGINT, self._on_ctrl_c)
        return self

    def __exit__(self, *exception):
        signal.signal(signal.SIGINT, self._previous)

    def _on_ctrl_c(self, signum, frame):
        if self.user_wants_to_stop:
            raise KeyboardInterrupt
        self.user_wants_to_stop = True


def last_complete_checkpoint(folder: Path) -> str | None:
    """Return the newest checkpoint that was written to its end; remove what a kill left half-written."""
    while folder.is_dir() and (newest := get_last_checkpoint(str(folder))):
        if (Path(newest) / "complete").exists():
            return newest
        shutil.rmtree(newest, ignore_errors=True)
    return None


def run_stage(trainer: Seq2SeqTrainer, watch: StageWatch, validation: dict[str, Split]) -> None:
    """Train, validate, save and record a stage. A stop by the user leaves a checkpoint to go on from."""
    entry, name = watch.entry, watch.name
    trainer.remove_callback(PrinterCallback)
    with entry.clock.charge(name), watch:
        trainer.train(resume_from_checkpoint=last_complete_checkpoint(entry.checkpoints(name)))
        if watch.stopped_for == STOP_FOR_USER:
            raise Interrupted(
                f"Stopped at step {trainer.state.global_step} of {trainer.state.max_steps}, and saved; "
                "the same command goes on from there."
            )
    with entry.clock.charge(name):
        bleu = validate(trainer, validation)
    facts = stage_facts(trainer) | {
        "minutes": round(entry.clock.spent[name] / 60, 2),
        "out_of_time": watch.stopped_for == STOP_FOR_TIME,
        "validation_bleu": bleu,
    }
    if trainer.is_world_process_zero():
        with new_folder(entry.checkpoint(name)) as folder:
            trainer.model.save_pretrained(folder)
            trainer.processing_class.save_pretrained(folder)
        facts["sha256"] = sha256_of(entry.checkpoint(name) / part for part in ("model.safetensors", "tokenizer.json"))
        entry.complete_stage(name, facts)
        shutil.rmtree(entry.checkpoints(name), ignore_errors=True)


def validate(trainer: Seq2SeqTrainer, validation: dict[str, Split]) -> dict[str, float]:
    """Translate each validation split as the test set will be, inside the Trainer; return BLEU by domain."""
    import evaluate

    metric = evaluate.load(str(Path(__file__).with_name("validation_bleu.py")), keep_in_memory=True)
    tokenizer, bleu = trainer.processing_class, {}
    # In float32, as the final score is: this takes the mixed precision off the forward pass.
    trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    for domain, split in validation.items():
        tokens = trainer.eval_dataset[domain]
        by_length = np.argsort(tokens.lengths()[0], kind="stable")
        references = [split.targets[i] for i in by_length]

        def compute_metrics(prediction, references=references):
            ids = np.where(prediction.predictions < 0, tokenizer.pad_token_id, prediction.predictions)
            # Under several processes the last batch is filled up with sentences from the first one: cut them off.
            texts = tokenizer.batch_decode(ids[: len(references)], skip_special_tokens=True)
            return metric.compute(predictions=texts, references=references)

        trainer.compute_metrics = compute_metrics
        metrics = trainer.evaluate(Subset(tokens, by_length), metric_key_prefix=domain)
        bleu[domain] = round(metrics[f"{domain}_bleu"], 2)
    return bleu
