"""Show where entries stand: stages, score, and what the clock was spent on.

python -m tools.status
python -m tools.status mine
"""

from pathlib import Path

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.files import is_locked
from league.record.clock import Clock
from league.record.shape import read_record
from league.values import check_entry_name

RUNS = Path("runs")


def main(argv: list[str] | None = None) -> None:
    words = {"entry": {"nargs": "?", "help": "name of one entry, for its details (default: a table of all)"}}
    (named,) = parse_options(__doc__, argv=argv, words=words)
    if named.entry is not None:
        path = Path(named.entry)  # runs/mine, as the other tools take it, is mine
        name = path.name if path.parent == RUNS else named.entry
        check_entry_name("entry", name)
        return show(RUNS / name)
    folders = sorted(path.parent for path in RUNS.glob("*/record.json"))
    if not folders:
        print("no entries in runs/ yet: python train_pretrain.py starts one.")
        return
    print(f"{'entry':<24}{'league':<8}{'stages':<22}{'minutes':>8}{'of':>6}{'BLEU':>8}  state")
    for folder in folders:
        try:
            record, clock = read(folder)
        except UserError as error:
            print(f"{folder.name:<24}{error}")
            continue
        bleu = f"{record['score']['bleu']:.2f}" if "score" in record else "-"
        stages = ", ".join(record["stages"]) or "-"
        print(
            f"{folder.name:<24}{record['league']['name']:<8}{stages:<22}{clock.used / 60:>8.1f}"
            f"{clock.limit / 60:>6.0f}{bleu:>8}  {state_of(folder, record)}"
        )


def read(folder: Path) -> tuple[dict, Clock]:
    """Return an entry's record and clock."""
    try:
        record = read_record(folder / "record.json")
    except FileNotFoundError:
        raise UserError(f"there is no entry {folder}.") from None
    return record, Clock(folder / "clock.json", record["clock"]["limit"], writes=False)


def state_of(folder: Path, record: dict) -> str:
    """Say in a word or two what an entry is."""
    if "diverged" in record:
        return f"diverged in {record['diverged']['stage']}"
    if "score" in record:
        return "official" if record["official"] else "open"
    return "running" if is_locked(folder / "lock") else "not finished"


def show(folder: Path) -> None:
    """Print one entry's details."""
    record, clock = read(folder)
    running = is_locked(folder / "lock")
    print(f"{folder.name}: league {record['league']['name']}, {state_of(folder, record)}")
    print(f"clock: {clock.used / 60:.1f} of {clock.limit / 60:g} min used, {max(0.0, clock.left) / 60:.1f} left")
    for purpose, seconds in clock.spent.items():
        print(f"  {purpose:<10}{seconds / 60:>7.1f} min")
    interruptions = clock.interruptions - (running and clock.was_running)
    print(f"interruptions: {interruptions}, trials: {record['trials']}, ", end="")
    print(f"test set opened: {record['test_openings']}")
    for name in ("pretrain", "finetune"):
        facts = record["stages"].get(name)
        under_way = sorted(int(path.name.split("-")[1]) for path in (folder / "under_way" / name).glob("checkpoint-*"))
        if facts:
            bleu = ", ".join(f"{domain} {value:.2f}" for domain, value in facts["validation_bleu"].items())
            print(f"{name}: complete, {facts['steps']} steps; validation BLEU {bleu}")
        elif under_way:
            print(f"{name}: saved at step {under_way[-1]}; the same command goes on from there")
    if "score" in record:
        print(f"test: BLEU {record['score']['bleu']:.2f}, chrF {record['score']['chrf']:.2f}")
    for broken in record["broken_rules"]:
        print(f"  broken rule {broken['rule']}: expected {broken['expected']!r:.80}, found {broken['found']!r:.80}")


if __name__ == "__main__":
    run_command(main)
