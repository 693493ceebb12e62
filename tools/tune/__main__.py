"""Search for the best settings inside the league's clock, and play them.

    python -m tools.tune --entry tuned --minutes 60
    python -m tools.tune --entry tuned --league demo

    python -m tools.tune --entry tuned --workers auto       # several trials at once: each GPU, or shares of the cores
    python -m tools.tune --entry tuned --cluster auto       # all machines of a Ray cluster (docs/cluster.md)

Trials are judged on validation data only. The same command again resumes what was interrupted. It ends with the entry's
score, as evaluate_bleu.py prints it, and a report in runs/ENTRY/tune/.
"""

import os
import sys
from dataclasses import dataclass, field, fields
from typing import Any

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.rulebook import STAGES, League
from league.tasks.task import task_of
from league.values import TrainingOptions, as_values
from tools.workers import WorkerOptions, open_team

from .budget import PRESETS


@dataclass
class EntryOptions(TrainingOptions):
    def __post_init__(self):
        self.entry = self.entry or "tuned"


@dataclass
class TuneOptions:
    minutes: float | None = field(
        default=None,
        metadata={
            "help": "of the clock, for everything, the score included (default: the preset's); "
            "an entry is played whole even where that takes longer"
        },
    )
    preset: str = field(
        default="balanced",
        metadata={"choices": list(PRESETS), "help": "a quarter, half or all of the league's minutes"},
    )
    sampler: str = field(
        default="tpe", metadata={"choices": ["tpe", "random", "grid"], "help": "Optuna's, for what is tried next"}
    )
    only: str | None = field(
        default=None,
        metadata={
            "choices": ["structure", "finetune"],
            "help": "leave the other stage at --from, or the start values",
        },
    )
    no_final: bool = field(default=False, metadata={"help": "do not open the test set: end with the best settings"})


def main(argv: list[str] | None = None) -> None:
    options, tune, several = parse_options(__doc__, EntryOptions, TuneOptions, WorkerOptions, argv=argv)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            "a trial uses one device: python -m tools.tune --workers auto uses all of them, without a launcher."
        )
    if several.are_several and options.report_to != "none":
        raise UserError(f"--report_to {options.report_to}: trials of several workers are not reported: leave one out.")
    fixed, minutes, only = start_of(options), minutes_of(options, tune), only_of(options.rules, tune.only)

    from evaluate_bleu import evaluate
    from league import hardware
    from league.run.entry import Entry
    from train_finetune import FinetuneOptions

    from . import final
    from .output import add_score
    from .results import Request, commands_of
    from .search import Search

    entry = Entry(FinetuneOptions(**{item.name: getattr(options, item.name) for item in fields(options)}))
    if has_score(entry, options.seed):
        hardware.prepare_process()
        add_score(entry)  # a kill may have come between the score and its report
        return evaluate(entry)
    with open_team(several) as team:  # before this process keeps to one of the GPUs
        hardware.prepare_process()
        search = Search(entry, Request(options.settings, tune.preset, minutes, tune.sampler, only, fixed), team)
        search.prepare()
        search.run()
    if tune.no_final:
        return print(search.output.report("done"), *commands_of(search), sep="\n")
    final.play(search)


def start_of(options: EntryOptions) -> dict[str, dict[str, Any]]:
    """Return by stage the values of --from, or the start values."""
    rules, given, start = options.rules, options.settings, {}
    if task_of(rules, "pretrain").is_given:
        raise UserError(
            f"--league {rules.name}: a search shares its time between two stages, and stage A of this league is a "
            "checkpoint of the Hub: try values by hand, each with --pretrained ENTRY, which costs nothing."
        )
    if given and given.minutes >= rules.minutes:
        raise UserError(f"--from: its search took {given.minutes:g} minutes, all that the league gives.")
    for stage in STAGES:
        values = rules.tuned(stage)(**(given.values_of(rules, stage) if given else {}))
        task_of(rules, stage).check(stage, values)
        start[stage] = as_values(values)
    return start


def minutes_of(options: EntryOptions, tune: TuneOptions) -> float:
    """Return the minutes of the search."""
    most = options.rules.minutes
    minutes = tune.minutes if tune.minutes is not None else PRESETS[tune.preset].share_of_clock * most
    if not 0 < minutes <= most:
        raise UserError(f"--minutes {minutes:g}: must be above 0, and no more than the league's {most:g}.")
    return minutes


def only_of(rules: League, asked: str | None) -> str | None:
    """Return which half is searched where not both are: the one that was asked for, or has TUNE values."""
    halves = {"structure": "pretrain", "finetune": "finetune"}
    searched = [half for half, stage in halves.items() if rules.ranges(stage) and asked in (None, half)]
    if not searched:
        raise UserError(f"--only: the {rules.name} league has no TUNE values {'there' if asked else 'at all'}.")
    return None if len(searched) == 2 else searched[0]


def has_score(entry, seed: int) -> bool:
    """Tell whether the search and its score are complete; refuse an entry that is not this search's."""
    if "seed" in entry.record.asked and not (entry.folder / "tune").exists():
        raise UserError(f"entry {entry.name!r} was begun without a search: take another --entry.")
    if not entry.record.score:
        return False
    if entry.record.asked["seed"] != seed:
        raise UserError(
            f"entry {entry.name!r} has a score with seed {entry.record.asked['seed']}: take another --entry."
        )
    print(f"entry {entry.name!r} has its score; another search needs another --entry.", file=sys.stderr)
    return True


if __name__ == "__main__":
    run_command(main)
