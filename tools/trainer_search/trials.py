"""The trials of `Trainer.hyperparameter_search`: each call of `train` is one, with arguments of its own."""

import time
from typing import Any

import optuna
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback
from transformers.trainer_callback import PrinterCallback

from league.data.batches import TrainingOrder
from league.data.corpora import Split
from league.errors import UserError
from league.rulebook import League, Range
from league.run import loading, moves, validation
from league.run import stage as training
from league.run.entry import Entry
from league.run.evidence import training_in_effect
from league.run.watch import PACE_FROM, highest_loss
from league.tasks.metric import metric_of
from league.tasks.task import task_of
from league.values import TrainingOptions, as_values
from tools.tune.space import flags


class LookAhead(TrainerCallback):
    """Ends the first trial early where the fine-tune would have no time after it; later ones know what one takes."""

    def __init__(self, entry: Entry):
        self.entry = entry

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == PACE_FROM:
            self.paced_from = time.monotonic()
        if state.global_step != min(50, args.max_steps - 1) or args.max_steps <= PACE_FROM + 1:
            return
        pace = (time.monotonic() - self.paced_from) / (state.global_step - PACE_FROM)
        needed = pace * (2 * args.max_steps - state.global_step)
        needed += 3 * self.entry.record.stages["pretrain"].validation_seconds
        left = self.entry.clock.left
        if left < needed and not self.entry.record.trials:
            raise UserError(
                f"the clock of entry {self.entry.name!r} has {left / 60:.1f} minutes left; a trial, the fine-tune and "
                f"the score would take {needed / 60:.1f}: run train_finetune.py without a search."
            )


class TrialTrainer(Seq2SeqTrainer):
    """A call of `train` is a trial: fine-tuned with arguments of its own, judged on the validation of stage A."""

    def __init__(self, entry: Entry, captions: dict[str, Split], fixed: dict[str, Any], **keywords):
        self.entry, self.captions, self.fixed = entry, captions, fixed
        super().__init__(args=Seq2SeqTrainingArguments(**fixed), callbacks=[LookAhead(entry)], **keywords)

    def train(self, resume_from_checkpoint=None, trial=None, **keywords) -> None:
        asked = self.hp_space(trial)
        # New ones, before the library looks: it writes into the old ones, and casts to the type of what stood there.
        self.args = Seq2SeqTrainingArguments(**self.fixed, **asked)
        entry, clock, began = self.entry, self.entry.clock, self.entry.clock.used
        with clock.charge("trials"), training.failures(entry, self.args):
            super().train(trial=trial)
            self.check_effect(asked)
            # Found set, it is the trial's value; else that would be the sum of all metrics of another evaluation.
            scores = {} if self.has_exploded() else validation.validate(entry, self, "finetune", self.captions)[0]
            self.objective = sum(scores.values(), 0.0)
        entry.record.trials += 1
        entry.write()
        seconds = clock.used - began
        result = f"{metric_of(entry.rules).LABEL} {self.objective:.2f} in {seconds / 60:.1f} min"
        print(f"trial {trial.number + 1}: {result} {flags(asked)}")
        # For the next trial, the fine-tune, and what follows it; `timeout` would not look ahead.
        if clock.left < 2 * seconds + 2 * entry.record.stages["pretrain"].validation_seconds:
            print(f"The clock has {clock.left / 60:.1f} minutes left, which the fine-tune needs: the search ends.")
            trial.study.stop()

    def create_optimizer(self, model=None):
        # A loss reads its smoothing once, the library's own as well: each trial has one, of its own model.
        self.compute_loss_func = task_of(self.entry.rules).loss(self.model, self.args)
        return super().create_optimizer(model)

    def has_exploded(self) -> bool:
        # Such a model translates nothing, and takes its time over it.
        last = [log["loss"] for log in self.state.log_history if "loss" in log][-1]
        return not last < highest_loss(self.state.log_history, task_of(self.entry.rules).loss_of_a_guess())

    def check_effect(self, asked: dict[str, Any]) -> None:
        effective = training_in_effect(self)
        # Norms and biases have no decay.
        expected = {name: sorted({0.0, one}) if name == "weight_decay" else one for name, one in asked.items()}
        assert expected == {name: effective[name] for name in expected}, (expected, effective)


def suggest(trial: optuna.Trial, rules: League) -> dict[str, Any]:
    """Take a value for each TUNE value of the fine-tune out of its range in the rule book."""
    values, max_steps = {}, rules.finetune.arguments["max_steps"]
    for name, searched in rules.ranges("finetune").items():
        if isinstance(searched, Range):
            values[name] = trial.suggest_float(name, searched.low, searched.high, log=searched.log)
        else:
            can_run = [value for value in searched if name != "warmup_steps" or value <= max_steps]
            values[name] = trial.suggest_categorical(name, can_run)
    return as_values(rules.tuned("finetune")(**values))


def build_trainer(options: TrainingOptions) -> TrialTrainer:
    """Set up what train_finetune.py sets up, but for the TUNE values."""
    entry = Entry(options)
    rules, stage = entry.rules, entry.rules.finetune
    moves.require_no_finetune(entry)
    splits = loading.Splits(rules, options.data_dir)
    talks = splits.load(stage.corpus, "train")
    captions = {rules.pretrain.corpus.domain: splits.load(rules.pretrain.corpus, "validation")}
    moves.start(entry, {"seed": options.seed}, talks, *captions.values())
    model, tokenizer = task_of(rules).load_checkpoint(entry.checkpoint("pretrain"))

    def load_model():
        fresh, _ = task_of(rules).load_checkpoint(entry.checkpoint("pretrain"))
        task_of(rules).prepare(fresh)
        return fresh

    max_steps = stage.arguments["max_steps"]
    train_tokens = loading.tokenize(task_of(rules), talks, tokenizer)
    trainer = TrialTrainer(
        entry,
        captions,
        training.fixed_arguments(entry, rules, "finetune"),
        model_init=load_model,
        train_dataset=TrainingOrder(train_tokens, rules.batch_size, max_steps, options.seed),
        data_collator=task_of(rules).collator(model, options.seed),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
