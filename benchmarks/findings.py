"""What a readers' league teaches, as experiments to repeat: each arm is played over seeds, and judged on validation.

    python -m benchmarks.findings masking freezing --seeds 3
    python -m benchmarks.findings --league tweets --data_dir DIR --d_model 256

All but what an arm names is as at the start, or as the flags say; stage B's rate is 3e-3, at which it learns
something. No test set is opened.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.shared import summary
from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.rulebook import League
from league.values import DataDirOptions, TrainingOptions, as_values
from league_config import LEAGUES, ReaderHP
from tools.scratch import untaught

# Rates at which the arms learn something: the start values are weak on purpose.
LEARNS = {"learning_rate": 3e-3}


@dataclass(frozen=True)
class Arm:
    """One way to play: what it changes in the rule book and in the values."""

    name: str
    changed: Callable[[League], League] = lambda rules: rules
    structure: dict[str, Any] = field(default_factory=dict)
    tuned: dict[str, Any] = field(default_factory=dict)


def fixing(stage: str, **settings: Any) -> Callable[[League], League]:
    def change(rules: League) -> League:
        before = getattr(rules, stage)
        return replace(rules, **{stage: replace(before, settings=before.settings | settings)})

    return change


def sized(share: float) -> Callable[[League], League]:
    return lambda rules: replace(rules, vocab_size=round(share * rules.vocab_size))


def fewer(share: float) -> Callable[[League], League]:
    def change(rules: League) -> League:
        corpus = rules.finetune.corpus
        corpus = replace(corpus, num_train_pairs=round(share * corpus.num_train_pairs))
        return replace(rules, finetune=replace(rules.finetune, corpus=corpus))

    return change


FIFTH = fewer(0.2)
STATES_ALONE = fixing("finetune", filters_read_words=False)
WORDS_TOO = fixing("finetune", filters_read_words=True)
FINDINGS = {
    "pretraining": [Arm("with stage A"), Arm("from scratch", untaught)],
    "masking": [Arm("dynamic"), Arm("static", fixing("pretrain", is_static=True))],
    "vocabulary": [Arm("half", sized(0.5)), Arm("as it is"), Arm("a quarter more", sized(1.25))],
    "activation": [Arm(name, structure={"activation": name}) for name in ("relu", "gelu", "silu")],
    "filters": [Arm("states alone", STATES_ALONE), Arm("words beside them", WORDS_TOO)],
    "freezing": [Arm(name, tuned={"freeze": name}) for name in ("nothing", "embeddings", "all_but_last_1", "all")],
    "overfitting": [
        Arm("a fifth of the labels", FIFTH),
        Arm("and dropout 0.4 on the filters", FIFTH, tuned={"classifier_dropout": 0.4}),
        Arm("and weight decay 0.1", FIFTH, tuned={"weight_decay": 0.1}),
        Arm("and smoothing 0.3", FIFTH, tuned={"label_smoothing_factor": 0.3}),
    ],
}


@dataclass
class FindingsOptions(DataDirOptions):
    league: str = field(default="demo-readers", metadata={"help": "a readers' league", "choices": LEAGUES.keys()})
    seeds: int = field(default=3, metadata={"help": "how many seeds each arm is played with"})


def main(argv: list[str] | None = None) -> None:
    words = {"findings": {"nargs": "*", "help": f"{', '.join(FINDINGS)} (none named: all)"}}
    options, values, named = parse_options(__doc__, FindingsOptions, ReaderHP, argv=argv, words=words)
    if options.seeds < 1:
        raise UserError(f"--seeds {options.seeds}: must be 1 or more.")
    rules = LEAGUES[options.league]
    if rules.task != "classify":
        raise UserError(f"--league {options.league}: is no readers' league.")
    if unknown := sorted(set(named.findings) - FINDINGS.keys()):
        raise UserError(f"unknown finding {unknown[0]!r}: choose from {', '.join(FINDINGS)}.")

    from league import hardware

    hardware.prepare_process()
    with tempfile.TemporaryDirectory(prefix="findings-") as folder:
        play = Player(rules, options, as_values(values), as_values(rules.tuned("finetune")()) | LEARNS, Path(folder))
        for name in named.findings or FINDINGS:
            print(f"\n{name}: validation accuracy over {options.seeds} seeds; and of stage A, masked accuracy")
            for arm in FINDINGS[name]:
                scores = [play(arm, seed) for seed in range(1, options.seeds + 1)]
                reached = " ".join(summary(values, digits=1, width=5) for values in zip(*scores, strict=True))
                print(f"  {arm.name:<32} {reached}", flush=True)


@dataclass
class Player:
    """Plays arms in a folder, each different stage A once."""

    rules: League
    options: FindingsOptions
    structure: dict[str, Any]
    tuned: dict[str, Any]
    folder: Path

    def __call__(self, arm: Arm, seed: int) -> tuple[float, float]:
        """Return the validation accuracy after stage B, and the masked accuracy after stage A."""
        from league.run import takeover
        from league.run.entry import Conduct, Entry
        from train_finetune import FinetuneOptions, finetune
        from train_pretrain import pretrain

        rules, structure = arm.changed(self.rules), self.structure | arm.structure
        key = f"{abs(hash((str(rules.pretrain), rules.vocab_size, str(structure), seed))):x}"[:12]
        shared = {"league": rules.name, "seed": seed, "data_dir": self.options.data_dir, "game": ""}
        quiet = Conduct(is_quiet=True)
        first = Entry(TrainingOptions(entry=f"a-{key}", **shared), rules, self.folder / key, quiet)
        pretrain(first, rules.tuned("pretrain")(**structure))
        first.release()
        name = f"{key}-{arm.name}".replace(" ", "-")
        entry = Entry(FinetuneOptions(entry=f"b-{key}", **shared), rules, self.folder / name, quiet)
        takeover.build_on(entry, self.folder / key, arm.name)
        finetune(entry, rules.tuned("finetune")(**self.tuned | arm.tuned))
        entry.release()
        stages = entry.record.stages
        return tuple(next(iter(stages[stage].validation.values())) for stage in ("finetune", "pretrain"))


if __name__ == "__main__":
    run_command(main)
