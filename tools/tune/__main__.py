"""Search for the best settings inside the league's clock, and play them.

    python -m tools.tune --entry tuned --minutes 60
    python -m tools.tune --entry tuned --league demo

Trials are judged on validation data only. The same command again goes on after an interruption; beside another one, on
a second GPU or a machine that sees the same folder, it shares the search. It ends with the entry's FINAL_TEST_BLEU,
and a report in runs/ENTRY/tune/.
"""

import os
import sys
from dataclasses import dataclass, field, fields

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.values import TrainingOptions, as_values, check_finetune_hp, check_model_hp
from league_config import FinetuneHP, ModelHP

from .plan import PRESETS


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
        metadata={"choices": ["structure", "finetune"], "help": "leave the other five values at --from, or the start"},
    )
    no_final: bool = field(default=False, metadata={"help": "do not open the test set: end with the best settings"})


def main(argv: list[str] | None = None) -> None:
    options, tune = parse_options(__doc__, EntryOptions, TuneOptions, argv=argv)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("a trial uses one device: start the command once for each, CUDA_VISIBLE_DEVICES=1 before it.")
    given = options.settings or {"model_hp": {}, "finetune_hp": {}}
    model_hp, finetune_hp = ModelHP(**given["model_hp"]), FinetuneHP(**given["finetune_hp"])
    check_model_hp(model_hp)
    check_finetune_hp(finetune_hp, options.rules.finetune.arguments["max_steps"])
    minutes = tune.minutes if tune.minutes is not None else PRESETS[tune.preset].share_of_clock * options.rules.minutes
    if not 0 < minutes <= options.rules.minutes:
        raise UserError(
            f"--minutes {minutes:g}: must be above 0, and no more than the league's {options.rules.minutes:g}."
        )
    if given.get("minutes", 0) >= options.rules.minutes:
        raise UserError(f"--from: its search took {given['minutes']:g} minutes, all that the league gives.")

    from evaluate_bleu import evaluate
    from league import hardware
    from league.run.entry import Entry
    from train_finetune import FinetuneOptions, finetune
    from train_pretrain import pretrain

    from .search import Search

    hardware.prepare_process()
    fixed = {"pretrain": as_values(model_hp), "finetune": as_values(finetune_hp)}
    played = FinetuneOptions(**{item.name: getattr(options, item.name) for item in fields(options)})
    entry = Entry(played)
    search = Search(entry, played, options.settings, tune.preset, minutes, tune.sampler, tune.only, fixed)
    if entry.record["asked"] and not search.folder.exists():
        raise UserError(f"entry {entry.name!r} was begun without a search: take another --entry.")
    if "score" in entry.record:
        if entry.record["asked"]["seed"] != options.seed:
            seed = entry.record["asked"]["seed"]
            raise UserError(f"entry {entry.name!r} has a score with seed {seed}: take another --entry.")
        print(f"entry {entry.name!r} has its score; another search needs another --entry.", file=sys.stderr)
        search.report_score()  # a kill may have come between the score and its report
        return evaluate(entry)
    search.prepare()
    search.run()
    if tune.no_final:
        return print(search.report("done"), *search.commands(), sep="\n")
    if not search.take_final():
        return evaluate(Entry(played))
    print(search.report("final"))
    winner = search.finish()
    if not (entry.stage("pretrain") and entry.stage("finetune")):
        left = f"{max(0.0, entry.clock.left) / 60:.0f} minutes that the league's clock has left"
        print(f"No entry was whole by the end of the search: it is played now, in the {left}.", file=sys.stderr)
    if not entry.stage("pretrain"):
        pretrain(entry, ModelHP(**winner["pretrain"]))
    if not entry.stage("finetune"):
        finetune(entry, FinetuneHP(**winner["finetune"]))
    evaluate(entry)
    search.report_score()


if __name__ == "__main__":
    run_command(main)
