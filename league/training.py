"""What both training scripts need around their Seq2SeqTrainer: fixed arguments, a watch on the run, its evidence."""

import os
import shutil
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Subset
from tqdm import tqdm
from safetensors import SafetensorError
from transformers import PreTrainedTokenizerFast, Seq2SeqTrainer, TrainerCallback
from transformers.utils import logging
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from league_config import League, Stage
from modeling import AingForConditionalGeneration

from .data import Split, TokenizedPairs, load_split, tokenize_split
from .entry import RUNS, Entry
from .errors import Interrupted, UserError
from .files import new_folder, sha256_of

SAVE_EVERY = 60.0  # seconds of training between checkpoints
CONTINUE, SAVE, STOP_FOR_TIME, STOP_FOR_USER = range(4)


def prepare_process() -> None:
    """Settle what must be settled before torch looks at the hardware."""
    # Transformers would spread one process over all GPUs (DataParallel), which changes the batch; `accelerate launch` does not.
    if "WORLD_SIZE" not in os.environ:
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def has_gpu() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def pick_precision() -> str:
    """Return the fastest precision that trains well on this hardware: bf16, fp16 or fp32."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp16"
    if torch.backends.mps.is_available():
        return "fp32"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if native() else "fp32"


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
        "predict_with_generate": True,
        "generation_num_beams": 1,
        "generation_max_length": rules.max_length,
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
        self.bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc=self.name,
            unit="step",
            disable=not state.is_world_process_zero,
            dynamic_ncols=True,
        )
        self.last_save = time.monotonic()

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
        shutil.rmtree(newest)
    return None


def tokenize(entry: Entry, split: Split, tokenizer) -> TokenizedPairs:
    """Tokenize a split, or map it from the cache, which all entries share."""
    return tokenize_split(split, tokenizer, entry.rules.max_length, RUNS / ".cache")


def load_validation(entry: Entry) -> dict[str, Split]:
    """Load the validation splits of both domains."""
    corpora = (entry.rules.pretrain.corpus, entry.rules.finetune.corpus)
    return {corpus.domain: load_split(entry.rules, corpus, "validation", entry.options.data_dir) for corpus in corpora}


def load_checkpoint(folder: Path) -> tuple[AingForConditionalGeneration, PreTrainedTokenizerFast]:
    """Load a checkpoint in float32, without running any code that lies in it."""
    try:
        model = AingForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        return model, PreTrainedTokenizerFast.from_pretrained(folder)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{folder} is not a usable checkpoint: {error}") from None


def prepare_model(model: AingForConditionalGeneration, rules: League) -> None:
    """Give the model the league's decoding, which its checkpoint keeps, and the attention that trains fastest here."""
    decoding = {name: value for name, value in rules.decoding.items() if name != "batch_size"}
    model.generation_config.update(max_length=rules.max_length, **decoding)
    # On short sentences the spelled-out attention outruns the fused kernel of CPUs.
    model.set_attn_implementation("sdpa" if has_gpu() else "eager")


def run_stage(trainer: Seq2SeqTrainer, watch: StageWatch, validation: dict[str, Split]) -> dict[str, Any]:
    """Train, validate and save a stage; return the facts for its record. A stop by the user leaves a checkpoint."""
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
    facts = {
        "steps": trainer.state.global_step,
        "out_of_time": watch.stopped_for == STOP_FOR_TIME,
        "minutes": round(entry.clock.spent[name] / 60, 2),
        "tokens": trainer.train_dataset.num_tokens(trainer.state.global_step),
        "loss": next((log["loss"] for log in reversed(trainer.state.log_history) if "loss" in log), None),
        "validation_bleu": bleu,
        "effective": effective_values(trainer),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else trainer.args.device.type,
        "precision": pick_precision(),
        "num_processes": trainer.args.world_size,
        "curve": [
            {key: log[key] for key in ("step", "loss", "learning_rate")} for log in trainer.state.log_history if "loss" in log
        ],
    }
    if trainer.is_world_process_zero():
        with new_folder(entry.checkpoint(name)) as folder:
            trainer.model.save_pretrained(folder)
            trainer.processing_class.save_pretrained(folder)
        facts["sha256"] = sha256_of(entry.checkpoint(name) / part for part in ("model.safetensors", "tokenizer.json"))
        entry.complete_stage(name, facts)
        shutil.rmtree(entry.checkpoints(name), ignore_errors=True)
    return facts


def validate(trainer: Seq2SeqTrainer, validation: dict[str, Split]) -> dict[str, float]:
    """Translate each validation split greedily, inside the Trainer, and return its BLEU, the `evaluate` module's."""
    import evaluate

    metric = evaluate.load(str(Path(__file__).with_name("validation_bleu.py")), keep_in_memory=True)
    tokenizer, bleu = trainer.processing_class, {}
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
