"""The moves of an entry: what may be done next, or why it may not, and the record of what was done."""

import shutil
from typing import Any

from league.data.corpora import Split
from league.errors import Diverged, UserError
from league.record.rules import names_tuned
from league.record.shape import DataFacts, Divergence, StageFacts
from league.rulebook import GIVEN, SCRIPTS, STAGES
from league.run.entry import Entry


def start(entry: Entry, asked: dict[str, Any], *splits: Split) -> None:
    """Note what a command asks for and reads, and charge for the search that its values come from."""
    note(entry, asked, *splits)
    if settings := entry.options.settings:
        seconds = settings.minutes * 60 - _taken_over(entry, settings.trials)
        entry.charge_search(settings.trials, seconds)
        entry.charge_game(settings.what, seconds, settings.game)
    entry.write()


def _taken_over(entry: Entry, trials: int) -> float:
    """Return the seconds of stages that were taken over from this same search, which are charged for as such."""
    stages = entry.record.stages.items() if entry.record.trials == trials else ()
    return sum(entry.clock.spent.get(name, 0.0) for name, facts in stages if facts.reused)


def note(entry: Entry, asked: dict[str, Any], *splits: Split) -> None:
    """Note what a command asks for and reads, or refuse it where the entry was started with something else."""
    entry.demand_lock()
    data = {split.name: DataFacts(**split.report) for split in splits}
    before, seen = entry.record.asked, entry.record.data
    differences = [
        f"{name} {before[name]!r} (now {value!r})"
        for name, value in asked.items()
        if name in before and before[name] != value
    ]
    differences += [
        f"other data for {name}" for name in data if name in seen and seen[name].sha256 != data[name].sha256
    ]
    if differences:
        raise UserError(
            f"entry {entry.name!r} was started with {', '.join(differences)}; "
            f"take another --entry, or delete {entry.folder} to start over."
        )
    if entry.record.diverged:
        raise Diverged(_about_divergence(entry))
    before |= asked
    seen |= data


def completed(entry: Entry, stage: str) -> StageFacts | None:
    """Return what is recorded of a stage that is complete."""
    facts = entry.record.stages.get(stage)
    if facts:
        if not any((entry.checkpoint(stage) / name).is_file() for name in ("model.safetensors", GIVEN)):
            raise UserError(
                f"{entry.record_path} says that {stage} is complete, but {entry.checkpoint(stage)} holds no model; "
                f"put it back from a copy, or delete {entry.folder} to start over."
            )
        if entry.writes:
            shutil.rmtree(entry.checkpoints(stage), ignore_errors=True)  # a kill may have come before
    return facts


def require(entry: Entry, stage: str) -> None:
    """Refuse to continue before a stage is complete."""
    if not completed(entry, stage):
        command = f"python {SCRIPTS[stage]} --league {entry.rules.name} --entry {entry.name}"
        raise UserError(f"entry {entry.name!r} has no complete {stage} stage yet: run {command} first.")


def require_no_finetune(entry: Entry) -> None:
    """Refuse a search for stage B's values before stage A is complete, once stage B has begun, or without time."""
    require(entry, "pretrain")
    if completed(entry, "finetune") or set(names_tuned(entry.rules, "finetune")) & set(entry.record.asked):
        raise UserError(f"entry {entry.name!r} has begun its fine-tune: a search comes before it, in another --entry.")
    if entry.clock.left <= 0:
        raise UserError(f"the {entry.rules.minutes:g} minutes of entry {entry.name!r} are over.")


def complete(entry: Entry, stage: str, facts: StageFacts) -> None:
    entry.record.stages[stage] = facts
    entry.write()


def diverge(entry: Entry, stage: str, step: int, loss: float | None) -> None:
    """Record that a stage's loss exploded, and end the command."""
    entry.record.diverged = Divergence(stage, step, loss)
    entry.write()
    raise Diverged(_about_divergence(entry))


def _about_divergence(entry: Entry) -> str:
    asked, diverged = entry.record.asked, entry.record.diverged
    loss = "is not a number" if diverged.loss is None else f"is {diverged.loss:.4g}, worse than guessing"
    where = f"{diverged.stage} of entry {entry.name!r} diverged: at step {diverged.step} the loss {loss}"
    rate = next((name for name in names_tuned(entry.rules, diverged.stage) if name.endswith("learning_rate")), None)
    if rate and diverged.stage == "pretrain":
        return f"{where}. Take a --{rate} below {asked.get(rate)} with another --entry."
    if rate:
        return (
            f"{where}. Take a --{rate} below {asked.get(rate)} with another --entry; "
            f"--pretrained {entry.name} saves it stage A."
        )
    structure = "/".join(str(asked.get(name)) for name in names_tuned(entry.rules, "pretrain"))
    return f"{where}. Stage A's settings are fixed: take another structure than {structure} with another --entry."


def open_test_set(entry: Entry, test: Split) -> None:
    """Count an opening of the test set, before anything of it is printed."""
    entry.demand_lock()
    entry.record.test_openings += 1
    wanted = {}
    if settings := entry.options.settings:
        asked = entry.record.asked
        for stage in STAGES:
            wanted |= settings.values_of(entry.rules, stage)
        others = [f"{name} {asked[name]!r}" for name in wanted if name in asked and asked[name] != wanted[name]]
        if others:
            raise UserError(
                f"entry {entry.name!r} was trained with other values than those of --from ({', '.join(others)}): "
                "leave --from out, or take another --entry."
            )
    start(entry, wanted, test)
