"""Repeat a scored entry with other seeds: the mean of its score, and how far chance alone moves it.

    python -m tools.seeds runs/baseline --seeds 5
    python -m tools.seeds runs/baseline --seeds 5 --workers auto

Each repetition is an entry of its own, runs/NAME-seed2 and so on, with a clock of its own. The same command again
resumes where it was interrupted. The result is printed, and kept in runs/NAME/seeds.json. Several workers, of this
machine or of a cluster, play a repetition each at a time: docs/cluster.md.
"""

import statistics
from dataclasses import dataclass, field
from pathlib import Path

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.values import DataDirOptions
from league_config import LEAGUES
from tools.workers import WorkerOptions, open_team


@dataclass
class SeedOptions(DataDirOptions):
    seeds: int = field(default=5, metadata={"help": "how many seeds in all, the entry's own included"})
    publish: bool = field(default=False, metadata={"help": "keep the result as the noise of this league"})


def main(argv: list[str] | None = None) -> None:
    words = {"entry": {"help": "folder of a scored entry, runs/NAME"}}
    options, several, named = parse_options(__doc__, SeedOptions, WorkerOptions, argv=argv, words=words)
    if not 2 <= options.seeds <= 100:
        raise UserError(f"--seeds {options.seeds}: must be between 2 and 100.")

    from league.files import write_json
    from league.proof.checks import read_scored_entry
    from league.proof.noise import publish
    from league.record.folder import RUNS
    from league.tasks.metric import metric_of
    from tools.replay import again, replay_all

    folder = Path(named.entry)
    if folder.absolute().parent != RUNS.absolute():
        raise UserError(f"{folder} is not an entry in {RUNS}/ of this folder.")
    record, league = read_scored_entry(folder)
    if record.league.fixed != LEAGUES[league.name].fixed():
        raise UserError(f"{folder} was played by other rules than league_config.py has now: they cannot be repeated.")
    from_files = [name for name, facts in record.data.items() if facts.origin == "files"]
    if from_files and not options.data_dir:
        raise UserError(f"{folder} was played on files ({from_files[0]}): say --data_dir, as it was played.")
    own = record.asked.get("seed", 1)
    others = [seed for seed in range(1, 101) if seed != own][: options.seeds - 1]
    # Of several workers each has its share of the cores, however many the entry was played on.
    keeps = not several.are_several
    replays = {seed: again(record, f"{folder.name}-seed{seed}", seed, Path.cwd(), keeps) for seed in others}
    with open_team(several) as team:
        failed = replay_all(list(replays.values()), options.data_dir, team)
    for entry, reason in failed.items():
        raise UserError(f"{entry}: {reason}; once that is mended, the same command resumes there.")
    records = {own: record} | {seed: read_scored_entry(RUNS / one.entry)[0] for seed, one in replays.items()}
    prints = {one.league.fingerprint for one in records.values()}
    if len(prints) > 1:
        raise UserError(f"the repetitions of {folder} differ in data or rules: delete {folder}-seed* and start over.")

    if late := [one.entry for one in records.values() if any(stage.out_of_time for stage in one.stages.values())]:
        raise UserError(f"{late[0]}: the clock cut it short, which is no chance: fewer --workers leave each more time.")

    scores = {str(seed): round(one.score.value, 2) for seed, one in sorted(records.items())}
    mean, deviation = statistics.mean(scores.values()), statistics.stdev(scores.values())
    write_json(folder / "seeds.json", {"scores": scores, "mean": mean, "deviation": deviation})
    if options.publish:
        publish(record, scores)
    print(f"\nseed{metric_of(league).LABEL:>10}")
    for seed, value in scores.items():
        print(f"{seed:>4}{value:>10.2f}")
    print(f"{folder.name}: mean {mean:.2f}, deviation {deviation:.2f} over {len(scores)} seeds")


if __name__ == "__main__":
    run_command(main)
