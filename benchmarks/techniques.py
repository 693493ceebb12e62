"""What values of stage A give beside the same run without them: arms over seeds, judged on validation.

    python -m benchmarks.techniques ema=0.995 r_drop=2 r_drop=2,ema=0.995 --seeds 3
    python -m benchmarks.techniques num_layers=2 dropout=0.2 --league aing --data_dir DIR --d_model 256

An arm is NAME=VALUE, or several of them with commas; `pretrain_` may be left out of a name. All else is as at the
start, or as the flags say, and an arm of nothing but that is always played. A gain is taken seed by seed, and so is
what an arm costs in time. Each run is kept in .cache/bench/techniques/: the same command goes on where it was
interrupted, and one with other arms adds to them. No test set is opened.
"""

import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from benchmarks.setting import make_cache
from benchmarks.shared import summary, table
from league.cli.options import league_asked, parse_options
from league.errors import UserError, run_command
from league.rulebook import League
from league.tasks.task import task_of
from league.values import DataDirOptions, as_values
from league_config import LEAGUES
from tools.workers import WorkerOptions, open_team

BASE = "without"
PREFIX = "pretrain_"


@dataclass
class TechniquesOptions(DataDirOptions):
    league: str = field(default="aing-open", metadata={"help": "the league", "choices": LEAGUES.keys()})
    seeds: int = field(default=3, metadata={"help": "how many seeds each arm is played with"})


def main(argv: list[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else argv
    words = {"arms": {"nargs": "+", "help": "NAME=VALUE[,NAME=VALUE...]"}}
    rules = league_asked(["--league", TechniquesOptions.league, *argv])
    kinds = (TechniquesOptions, WorkerOptions, rules.tuned("pretrain"))
    options, several, values, named = parse_options(__doc__, *kinds, argv=argv, words=words)
    if options.seeds < 1:
        raise UserError(f"--seeds {options.seeds}: must be 1 or more.")
    arms = {BASE: as_values(values)} | {arm: as_values(values) | changes(arm, rules) for arm in named.arms}
    for one in arms.values():
        task_of(rules, "pretrain").check("pretrain", rules.tuned("pretrain")(**one))

    from league.record.code import code_digest
    from league.record.shape import read_record
    from tools.replay import RECORD, Replay, replay_all

    shared_by_all = rules.fixed(), options.data_dir, several, code_digest(rules)

    def replay(arm: str, seed: int) -> Replay:
        values = arms[arm]
        digest = hashlib.sha256(repr((*shared_by_all, sorted(values.items()))).encode()).hexdigest()
        entry = f"{re.sub('[^a-z0-9_.]', '-', arm)[:40]}-{digest[:8]}-seed{seed}"
        flags = ["--league", rules.name, "--entry", entry, "--seed", str(seed)]
        flags += [f"--{name}={value}" for name, value in values.items()]
        return Replay(entry, rules.name, {"train_pretrain": flags}, {}, make_cache() / "techniques")

    seeds = range(1, options.seeds + 1)
    # Seed by seed: a machine that grows slow does so for all arms.
    replays = {(arm, seed): replay(arm, seed) for seed in seeds for arm in arms}
    with open_team(several) as team:
        failed = replay_all(list(replays.values()), options.data_dir, team)
    wrong = {arm: failed[one.entry] for (arm, _), one in replays.items() if one.entry in failed}
    if BASE in wrong:
        raise UserError(f"{BASE}: {wrong[BASE]}; nothing can be compared with it.")
    whole = {key: one for key, one in replays.items() if key[0] not in wrong}
    stages = {key: read_record(one.home / RECORD).stages["pretrain"] for key, one in whole.items()}
    if late := [f"{arm}, seed {seed}" for (arm, seed), stage in stages.items() if stage.out_of_time]:
        raise UserError(f"{late[0]}: the clock cut it short: ask for fewer steps.")
    print(f"\nvalidation after stage A of {rules.name} over {options.seeds} seeds; gain and time beside {BASE!r}")
    print(table(rows_of([arm for arm in arms if arm not in wrong], seeds, stages)))
    if wrong:
        raise UserError("; ".join(f"{arm}: {reason}" for arm, reason in wrong.items()))


def changes(arm: str, rules: League) -> dict[str, Any]:
    """Return the values that an arm names."""
    types = {item.name: type(item.default) for item in fields(rules.tuned("pretrain"))}
    found = {}
    for part in arm.split(","):
        short, equals, text = part.partition("=")
        name = next((one for one in (PREFIX + short, short) if one in types), None)
        if not equals or name is None:
            raise UserError(f"arm {arm!r}: {part!r} is not NAME=VALUE of a value of stage A: {', '.join(types)}.")
        try:
            found[name] = types[name](text)
        except ValueError:
            raise UserError(f"arm {arm!r}: {text!r} is not {types[name].__name__} for {name}.") from None
    return found


def rows_of(arms: Sequence[str], seeds: Sequence[int], stages: dict[tuple[str, int], Any]) -> list[dict[str, Any]]:
    """Return the table: gains and times are differences and ratios of runs with the same seed."""
    rows = []
    for arm in arms:
        pairs = [(stages[arm, seed], stages[BASE, seed]) for seed in seeds]
        scores = [[next(iter(stage.validation.values())) for stage in pair] for pair in pairs]
        row = {"arm": arm, "validation": summary([ours for ours, _ in scores])}
        if arm != BASE:
            row["gain"] = summary([ours - base for ours, base in scores])
            row["time"] = summary([ours.minutes / base.minutes for ours, base in pairs])
        rows.append(row)
    return rows


if __name__ == "__main__":
    run_command(main)
