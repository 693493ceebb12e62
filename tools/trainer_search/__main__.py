"""The search of the Optuna guides, `Trainer.hyperparameter_search`, so that every value of the fine-tune applies.

    python -m tools.trainer_search --entry mine --trials 10

Before: train_pretrain.py. Next: the command that it prints. In its plain form the library's search would ignore the
label smoothing, turn a fractional warm-up into none, and train each trial with what the last one left.
"""

import os
from dataclasses import dataclass, field

from league.cli.options import parse_options
from league.errors import Interrupted, UserError, run_command
from league.values import GAME_HELP, TrainingOptions
from league_config import LEAGUES, FinetuneHP
from tools.tune.space import flags

# Those whose fine-tune has the Trainer's arguments alone: what else others tune, it does not know.
PLAYABLE = [name for name, league in LEAGUES.items() if league.tuned("finetune") is FinetuneHP]


@dataclass
class SearchOptions:
    league: str = field(default="aing", metadata={"help": "rule book", "choices": PLAYABLE})
    entry: str | None = field(default=None, metadata={"help": "entry with a complete stage A, and no stage B yet"})
    data_dir: str | None = field(default=None, metadata={"help": "folder with local text files, as for the scripts"})
    game: str | None = field(default=None, metadata=GAME_HELP)
    seed: int = field(default=1, metadata={"help": "seed of stage A, of every trial, and of the search"})
    device_batch_size: int | None = field(default=None, metadata={"help": "pairs that the device holds at a time"})
    trials: int = field(default=10, metadata={"help": "how many at most; the search ends before the clock does"})


def main(argv: list[str] | None = None) -> None:
    (given,) = parse_options(__doc__, SearchOptions, argv=argv)
    if given.trials < 1:
        raise UserError(f"--trials {given.trials}: must be at least 1.")
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UserError("the search runs in one process: start it without accelerate launch.")
    shared = {name: value for name, value in vars(given).items() if name != "trials"}

    import optuna

    from league import hardware
    from league.tasks.metric import metric_of

    from .trials import build_trainer, suggest

    hardware.prepare_process()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would print a user error with its traceback
    trainer = build_trainer(TrainingOptions(**shared))
    rules = trainer.entry.rules
    try:
        best = trainer.hyperparameter_search(
            hp_space=lambda trial: suggest(trial, rules),
            n_trials=given.trials,
            direction="maximize",
            backend="optuna",
            sampler=optuna.samplers.TPESampler(seed=given.seed),
        )
    except KeyboardInterrupt:
        raise Interrupted("Stopped; the trials above count, and the same command begins a new search.") from None
    shared["entry"] = trainer.entry.name
    values = shared | best.hyperparameters
    print(f"best: trial {int(best.run_id) + 1}, {metric_of(rules).LABEL} {best.objective:.2f}; next:")
    print(f"python train_finetune.py {flags(values)}")


if __name__ == "__main__":
    run_command(main)
