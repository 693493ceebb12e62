"""Prove a record, or refute it: rules, files, data, clock, and the same predictions and score from the same weights.

    python -m tools.verify runs/mine
    python -m tools.verify runs/mine --retrain

Without --retrain it takes a minute or two, and shows that this checkpoint earns this score by these rules. That the
checkpoint comes from this training shows only --retrain, which plays the whole entry again. Nothing of the entry is run
or changed. Exit code: 0 proven, 1 refuted.
"""

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from league.cli.options import parse_options
from league.errors import NotAtHand, UserError, run_command
from league.record.shape import Record, read_record
from league.values import check_data_dir

MOST_DEVIATIONS = 3.0  # between a score and that of the same entry trained again where weights cannot be equal


@dataclass
class VerifyOptions:
    data_dir: str | None = field(default=None, metadata={"help": "folder with local text files, as for the scripts"})
    retrain: bool = field(default=False, metadata={"help": "also play the whole entry again, from its record"})


def main(argv: list[str] | None = None) -> None:
    words = {"entry": {"help": "folder of the entry: runs/NAME, or wherever it was unpacked"}}
    options, named = parse_options(__doc__, VerifyOptions, argv=argv, words=words)
    check_data_dir(options.data_dir)

    from league import hardware
    from league.proof.checks import Check, checks, read_scored_entry
    from league.proof.data import DataAtHand
    from league.record.code import code_digest
    from league.tasks.metric import metric_of

    hardware.prepare_process()
    folder = Path(named.entry)
    record, league = read_scored_entry(folder)
    if record.code != code_digest(league):
        print("note    the record was made with other code than this, which judges it")
    failed = 0
    try:
        for check in checks(folder, DataAtHand(options.data_dir)):
            failed += show(check)
    except NotAtHand:
        raise
    except UserError as error:
        failed += show(Check("what is needed is there and whole", [str(error)]))
    if options.retrain and not failed:
        failed += show(Check("trained again it comes to the same", retrain(record, options.data_dir)))
    state = "official" if record.official else "open"
    if failed:
        print(f"REFUTED: {failed} check(s) failed.")
        sys.exit(1)
    print(f"PROVEN: {record.entry}, {metric_of(league).LABEL} {record.score.value:.2f}, {state}.")


def show(check) -> bool:
    """Print a check, and tell whether it failed."""
    print(f"{'FAILED' if check.problems else 'ok':<7} {check.name}")
    for problem in check.problems:
        print(f"        {problem}")
    return bool(check.problems)


def retrain(record: Record, data_dir: str | None) -> list[str]:
    """Play the entry again in a folder of its own; return how it differs."""
    from league.proof.noise import seed_deviation
    from tools.replay import replay

    with tempfile.TemporaryDirectory() as elsewhere:
        replay(record, "again", record.asked["seed"], data_dir, Path(elsewhere))
        again = read_record(Path(elsewhere) / "runs" / "again" / "record.json")
    league, before, after = record.league, record.score.value, again.score.value
    weights = [played.stages["finetune"].sha256["model.safetensors"] for played in (record, again)]
    if weights[0] == weights[1]:
        print("the weights are the same to the last bit")
        return []
    # Another processor, another number of processes or a GPU rounds otherwise, and training amplifies it.
    deviation = seed_deviation(league.name, league.version)
    scores = f"the weights differ; the score is {after:.2f} this time, {before:.2f} in the record"
    if deviation is None:
        return [f"{scores}; how far apart two runs may be was never measured for this league"]
    if abs(after - before) > MOST_DEVIATIONS * deviation:
        return [f"{scores}: more than {MOST_DEVIATIONS:g} times the deviation between seeds, {deviation:.2f}"]
    print(f"{scores}: within {MOST_DEVIATIONS:g} times the deviation between seeds, {deviation:.2f}")
    return []


if __name__ == "__main__":
    run_command(main)
