"""Choose how translations are searched for, by what stage A's model reaches on validation data with each choice.

    python -m tools.decoding --league aing-open --entry mine
    python -m tools.decoding --league aing-open --entry mine --num_beams 8 --length_penalty 0.6 0.8 1.0

Before: train_pretrain.py, or --pretrained. Next: the command that it prints. For leagues whose stage B tunes the
search. Each choice is a trial of the entry, and its minutes are on the entry's clock.
"""

import os
from dataclasses import dataclass, field, replace
from itertools import product

from league.cli.options import parse_options
from league.errors import Interrupted, UserError, run_command
from league.values import GAME_HELP, Options
from league_config import LEAGUES
from tools.tune.space import flags

PLAYABLE = [name for name, league in LEAGUES.items() if league.tunes("num_beams")]


@dataclass
class DecodingOptions:
    league: str = field(default="aing-open", metadata={"help": "rule book", "choices": PLAYABLE})
    entry: str | None = field(default=None, metadata={"help": "entry with a complete stage A, and no stage B yet"})
    data_dir: str | None = field(default=None, metadata={"help": "folder with local text files, as for the scripts"})
    game: str | None = field(default=None, metadata=GAME_HELP)
    seed: int = field(default=1, metadata={"help": "seed of stage A"})
    pretrained: str | None = field(
        default=None, metadata={"help": "entry, or OWNER/NAME on the Hub, whose stage A the entry takes over first"}
    )
    num_beams: list[int] = field(default_factory=lambda: [4, 8], metadata={"help": "translations kept (default: 4 8)"})
    length_penalty: list[float] = field(
        default_factory=lambda: [0.6, 0.8, 1.0, 1.2],
        metadata={"help": "powers of the length that divides a score (default: 0.6 0.8 1 1.2)"},
    )


def main(argv: list[str] | None = None) -> None:
    (given,) = parse_options(__doc__, DecodingOptions, argv=argv)
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UserError("the search runs in one process: start it without accelerate launch.")
    options = Options(league=given.league, entry=given.entry, data_dir=given.data_dir, game=given.game, seed=given.seed)
    choices = [
        {"num_beams": beams, "length_penalty": penalty}
        for beams, penalty in product(given.num_beams, given.length_penalty)
        if beams > 1 or penalty == given.length_penalty[0]  # with one translation a length decides nothing
    ]

    from league import hardware
    from league.run import moves, takeover
    from league.run.entry import Entry
    from league.tasks.task import task_of

    hardware.prepare_process()
    entry = Entry(options)
    for choice in choices:
        task_of(entry.rules).check("finetune", replace(entry.rules.tuned("finetune")(), **choice))
    if given.pretrained:
        takeover.reuse(entry, "--pretrained", given.pretrained, "pretrain")
    moves.require_no_finetune(entry)
    try:
        best = choose(entry, choices)
    except KeyboardInterrupt:
        raise Interrupted("Stopped; the choices above count as trials, and their minutes are on the clock.") from None
    shared = {name: getattr(given, name) for name in ("league", "data_dir", "game", "seed")} | {"entry": options.entry}
    print(f"python train_finetune.py {flags(shared | best)}")


def choose(entry, choices: list[dict[str, float]]) -> dict[str, float]:
    """Print what each choice reaches on validation data, and return the best one."""
    from league import hardware
    from league.run import moves
    from league.run.failures import clear_failures
    from league.tasks.metric import metric_of
    from league.tasks.task import task_of

    rules, metric = entry.rules, metric_of(entry.rules, "finetune")
    corpus = rules.validated("finetune")[0]
    split = task_of(rules).load_split(corpus, "validation", entry.options.data_dir)
    moves.start(entry, {"seed": entry.options.seed}, split)
    model, tokenizer = task_of(rules).load_checkpoint(entry.checkpoint("pretrain"))
    model.to(hardware.best_device())
    print(f"{'num_beams':>9}{'length_penalty':>16}{metric.LABEL + ' on ' + corpus.domain:>20}")
    found, longest, before = [], 0.0, entry.record.stages["pretrain"]
    finetune = 60 * before.minutes / before.steps * rules.steps("finetune", entry.record.asked)  # at stage A's pace
    for choice in choices:
        if found and entry.clock.left < finetune + 3 * longest:  # such a choice, the validation of stage B, the score
            print(f"The clock has {entry.clock.left / 60:.1f} minutes left: the other choices are not tried.")
            break
        task, began = task_of(rules.as_tuned(entry.record.asked | choice)), entry.clock.used
        task.prepare(model)
        with entry.clock.charge("trials"), clear_failures(entry, model.device):
            value = task.validate(model, tokenizer, split, flags(choice))[metric.NAME]
        entry.record.trials += 1
        entry.write()
        longest = max(longest, entry.clock.used - began)
        found.append((value, choice))
        print(f"{choice['num_beams']:>9}{choice['length_penalty']:>16g}{value:>20.2f}", flush=True)
    value, best = max(found, key=lambda one: one[0])
    print(f"best: {metric.LABEL} {value:.2f}; next:")
    return best


if __name__ == "__main__":
    run_command(main)
