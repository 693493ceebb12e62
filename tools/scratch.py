"""Play the same fine-tune without what stage A teaches, to see what pre-training gained: the entry ENTRY-scratch.

    python -m tools.scratch mine

Stage A of that entry takes one step of no length, so that its record is open: it is there to be compared with. The
report of the entry shows both: python -m tools.report runs/mine.
"""

from dataclasses import replace
from pathlib import Path

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.record.folder import read_entry
from league.record.rules import values_asked
from league.rulebook import STAGES, League
from league.values import DataDirOptions
from league_config import LEAGUES


def main(argv: list[str] | None = None) -> None:
    words = {"entry": {"help": "the entry, runs/ENTRY"}}
    options, named = parse_options(__doc__, DataDirOptions, argv=argv, words=words)
    folder = Path("runs") / Path(named.entry).name
    record = read_entry(folder)
    rules = LEAGUES.get(record.league.name)
    if rules is None or rules.has_one_task:
        raise UserError(f"{folder} plays the {record.league.name} league, whose stage A is no pre-training.")
    if "finetune" not in record.stages:
        raise UserError(f"{folder} has no complete finetune stage yet: run train_finetune.py for it first.")

    values = {stage: values_asked(record, rules, stage) for stage in STAGES}

    from evaluate_bleu import evaluate
    from league import hardware
    from league.report.reading import SCRATCH
    from league.run.entry import Entry
    from train_finetune import FinetuneOptions, finetune
    from train_pretrain import pretrain

    hardware.prepare_process()
    shared = {"league": rules.name, "seed": record.asked.get("seed", 1), "data_dir": options.data_dir}
    entry = Entry(FinetuneOptions(entry=f"{folder.name}{SCRATCH}", **shared), untaught(rules))
    for stage, train in (("pretrain", pretrain), ("finetune", finetune)):
        train(entry, rules.tuned(stage)(**values[stage]))
    evaluate(entry)


def untaught(rules: League) -> League:
    """Return the rule book with a stage A that teaches nothing."""
    nothing = {"max_steps": 1, "learning_rate": 0.0, "warmup_steps": 0}
    return replace(rules, pretrain=replace(rules.pretrain, arguments=rules.pretrain.arguments | nothing))


if __name__ == "__main__":
    run_command(main)
