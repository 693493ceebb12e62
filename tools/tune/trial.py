"""A trial: an entry of the league in a folder of the study, shortened or in full, given up where it takes too long."""

import ctypes
import gc
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from league.errors import Diverged, OutOfMemory, TooFew, TooSlow, UserError
from league.files import new_folder
from league.record.folder import last_step
from league.record.rules import broken_in_stage
from league.record.shape import StageFacts, read_record
from league.rulebook import STAGES, Corpus, League, Stage
from league.run import takeover
from league.run.entry import Conduct, Entry
from league.run.loading import Splits, tokenize
from league.run.watch import PACE_FROM
from league.tasks.task import task_of
from train_finetune import FinetuneOptions, finetune
from train_pretrain import pretrain

from .space import Values, start_values
from .speed import num_steps

VALIDATED = 256  # rows, after a short stage A: chosen; a fine-tune's change is small, and needs them all
FORGOTTEN = 8  # rows of the fine-tune's own corpus, whose metric decides nothing here: chosen, a few
PROBED = 12  # steps: the watch leaves the first five out, which are slower


@dataclass(frozen=True)
class Attempt:
    """One run of a trial, for at most so many seconds of training."""

    stage: str
    values: Values
    fidelity: float
    folder: Path
    seconds: float
    base: Path | None = None  # the trial of stage A that a fine-tune starts from
    headline: str = ""
    note_step: Callable[[int, int], None] = lambda step, of: None


@dataclass(frozen=True)
class Runner:
    """Runs the trials of a process, with what they share."""

    rules: League
    options: FinetuneOptions  # data, seed, tracker
    study: str
    splits: Splits

    def entry(self, folder: Path, rules: League, conduct: Conduct, **options: Any) -> Entry:
        """Make the entry of a trial."""
        folder.mkdir(parents=True, exist_ok=True)
        # Without a game: the search charges it, with all that it does between two trials.
        played = replace(self.options, entry=f"trial-{folder.name}", game="", **options)
        trial = Entry(played, rules, folder, conduct)
        trial.hold()
        return trial

    def run(self, attempt: Attempt) -> dict[str, Any]:
        """Run a trial; return what came of it."""
        rules = shortened(self.rules, attempt.stage, num_steps(self.rules, attempt.stage, attempt.fidelity))
        steps = rules.steps(attempt.stage, attempt.values)
        paces: list[float] = []
        conduct = Conduct(self.study, attempt.headline, True, attempt.seconds, paces.append, attempt.note_step)
        most = fitting(self.options.device_batch_size, rules, attempt.stage, attempt.values)
        trial = self.entry(attempt.folder, rules, conduct, device_batch_size=most)
        began, outcome = time.monotonic(), {"steps": steps, "validation": None, "reason": None}
        try:
            facts = self._train(trial, attempt)
            domain = self.rules.validated(attempt.stage)[0].domain
            outcome |= {"state": "complete", "validation": facts.validation[domain], "sha256": facts.sha256}
            outcome |= {"validation_seconds": facts.validation_seconds}
            outcome["curve"] = [[point.step, round(point.loss, 4)] for point in facts.curve]
        except (TooSlow, Diverged, OutOfMemory, TooFew) as error:
            kind = {TooSlow: "cut", Diverged: "diverged"}.get(type(error), "failed")
            outcome |= {"state": kind, "reason": str(error), "validation_seconds": None, "curve": []}
        finally:
            trial.release()
        outcome["pace"] = paces[-1] if paces else None
        outcome["seconds"] = time.monotonic() - began
        free_memory()
        return outcome

    def _train(self, trial: Entry, attempt: Attempt) -> StageFacts:
        stage, base = attempt.stage, attempt.base
        if base:
            takeover.build_on(trial, base, f"trial {base.name}")
        train = {"pretrain": pretrain, "finetune": finetune}[stage]
        most = trial.rules.steps(stage, attempt.values)
        values = scaled(attempt.values, attempt.fidelity, most)
        train(trial, self.rules.tuned(stage)(**values), self.splits)
        facts = trial.record.stages[stage]
        wrong = broken_in_stage(stage, trial.record, trial.rules)
        assert not wrong, f"asked for one thing, trained another: {wrong}"
        return facts

    def probe(self, structure: Values, folder: Path, seconds: float) -> dict[str, float]:
        """Measure how long a step of each stage takes; return seconds by stage."""
        paces: dict[str, float] = {}
        rules, gentle = self.rules, start_values(self.rules, "finetune")
        if "warmup_steps" in gentle:  # with fewer steps than its own warm-up has it could not be set up
            gentle["warmup_steps"] = 0
        # Where steps are TUNE: how many these values make of one of the rule book's.
        asked = {stage: rules.steps(stage, structure | gentle) / num_steps(rules, stage, 1.0) for stage in STAGES}
        for stage, share in asked.items():
            rules = shortened(rules, stage, max(1, round(PROBED / share)), FORGOTTEN)
        with new_folder(folder, is_precious=False) as made:
            left = seconds
            for stage, train, values in (("pretrain", pretrain, structure), ("finetune", finetune, gentle)):
                note_pace = lambda pace, stage=stage: paces.__setitem__(stage, pace * asked[stage])  # noqa: E731
                conduct = Conduct(self.study, "probe, ", is_quiet=True, seconds=left, note_pace=note_pace)
                most = fitting(self.options.device_batch_size, self.rules, stage, values)
                trial = self.entry(made, rules, conduct, report_to="none", device_batch_size=most)
                try:
                    train(trial, self.rules.tuned(stage)(**values), self.splits)
                    left = seconds - trial.clock.used
                except TooSlow:
                    if not paces:
                        paces["pretrain"] = seconds / PACE_FROM  # at best
                    break  # what it has measured until then stands
            trial.release()
        free_memory()
        return paces


def fitting(most: int | None, rules: League, stage: str, values: Values) -> int | None:
    """Return how much of a batch a device holds at a time; of a batch that is TUNE, what divides it."""
    size = rules.as_tuned(values, stage).batch_size
    return most if most is None or size == rules.batch_size else math.gcd(most, size)


def share_left(folder: Path, stage: str, steps: int) -> float:
    """Return how much of a trial's steps is still to be run, by what lies in its folder."""
    try:
        if stage in read_record(folder / "record.json").stages:
            return 0.0
    except (FileNotFoundError, UserError):
        return 1.0
    return 1 - last_step(folder, stage) / steps


def load_data(rules: League, data_dir: str | None) -> Splits:
    """Load and tokenize all that trials need, once: it is not on the clock."""
    splits = Splits(rules, data_dir and str(Path(data_dir).resolve()))  # workers are elsewhere
    tokenize_all(rules, splits)
    for corpus in {one.name: one for stage in STAGES for one in rules.validated(stage)}.values():
        for most in (VALIDATED, FORGOTTEN):  # of shorter trials: what is loaded travels to the workers
            splits.load(_fewer(corpus, most), "validation")
    return splits


def tokenize_all(rules: League, splits: Splits) -> None:
    """Tokenize all that trials need."""
    rules = rules.as_tuned(start_values(rules, "pretrain") | start_values(rules, "finetune"), "pretrain")
    first = splits.load(rules.pretrain.corpus, "train")
    second = splits.load(rules.finetune.corpus, "train")
    tokenizer = task_of(rules, "pretrain").train_tokenizer(first)
    for stage, split in (("pretrain", first), ("finetune", second)):
        splits.validation(rules, stage)
        tokenize(task_of(rules, stage), split, tokenizer)


def shortened(rules: League, stage: str, steps: int, most_rows: int | None = None) -> League:
    """Return the league with a stage's whole schedule compressed into so many steps, and validated on less."""
    full: Stage = getattr(rules, stage)
    share = steps / full.arguments["max_steps"]
    if share == 1:
        return rules
    # What is tuned is not in here: a fine-tune's own warm-up is the participant's.
    schedule = {name: one for name, one in full.arguments.items() if name in ("warmup_steps", "lr_scheduler_kwargs")}
    arguments = full.arguments | _compressed(schedule, share) | {"max_steps": steps}
    rules = replace(rules, **{stage: replace(full, arguments=arguments)})
    judged, *others = rules.validated(stage)
    most = {corpus.name: FORGOTTEN for corpus in others}
    if most_rows or stage == "pretrain":
        most[judged.name] = most_rows or VALIDATED
    for name in STAGES:
        part: Stage = getattr(rules, name)
        if part.corpus.name in most:
            corpus = _fewer(part.corpus, most[part.corpus.name])
            rules = replace(rules, **{name: replace(part, corpus=corpus)})
    return rules


def _compressed(schedule: dict[str, Any], share: float) -> dict[str, Any]:
    """Return a schedule whose numbers of steps are that share of their own."""
    steps = {name: round(share * value) for name, value in schedule.items() if isinstance(value, int)}
    nested = {name: _compressed(value, share) for name, value in schedule.items() if isinstance(value, dict)}
    return schedule | steps | nested


def _fewer(corpus: Corpus, most: int) -> Corpus:
    return replace(corpus, num_validation_pairs=min(most, corpus.num_validation_pairs))


def scaled(values: Values, fidelity: float, most: int) -> Values:
    """Return values for a shorter run: steps of warm-up shrink with it, a share of all steps stays one."""
    warmup = values.get("warmup_steps", 0)
    if warmup < 1 or fidelity == 1:
        return values
    # Of a large batch the steps are few, and are rounded down.
    return values | {"warmup_steps": min(most, max(1, round(fidelity * warmup)))}


def free_memory() -> None:
    """Hand back what a trial leaves behind: malloc keeps the process's memory, and torch keeps the GPU's."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim"):
        ctypes.CDLL(None).malloc_trim(0)
