"""Show where entries stand: stages, score, and what the clock was spent on; or a game, and what it went into.

python -m tools.status
python -m tools.status mine
python -m tools.status --game day
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.files import is_locked
from league.record.clock import Clock
from league.record.folder import RUNS, last_step
from league.record.game import game_of, union
from league.record.game_clock import GameClock, game_names, opened
from league.record.shape import Record, read_record
from league.record.wording import figures, in_words
from league.rulebook import STAGES
from league.values import check_entry_name


@dataclass
class StatusOptions:
    game: str | None = field(default=None, metadata={"help": "show the clock of this game"})


def main(argv: list[str] | None = None) -> None:
    words = {"entry": {"nargs": "?", "help": "name of one entry, for its details (default: a table of all)"}}
    options, named = parse_options(__doc__, StatusOptions, argv=argv, words=words)
    if options.game is not None:
        check_entry_name("--game", options.game)
        return show_game(opened(options.game))
    if named.entry is not None:
        path = Path(named.entry)  # runs/mine, as the other tools take it, is mine
        name = path.name if path.parent == RUNS else named.entry
        check_entry_name("entry", name)
        return show(RUNS / name)
    show_all()


def show_all() -> None:
    """Print a table of all entries, and how the clock of each game stands."""
    folders = sorted(path.parent for path in RUNS.glob("*/record.json"))
    if not folders:
        print("no entries in runs/ yet: python train_pretrain.py starts one.")
        return
    print(f"{'entry':<24}{'league':<16}{'stages':<22}{'minutes':>8}{'of':>6}{'score':>8}  {'game':<14}state")
    for folder in folders:
        try:
            record, clock = read(folder)
        except UserError as error:
            print(f"{folder.name:<24}{error}")
            continue
        score = f"{record.score.value:.2f}" if record.score else "-"
        stages, game = ", ".join(record.stages) or "-", game_of(record)
        print(
            f"{folder.name:<24}{record.league.name:<16}{stages:<22}{clock.used / 60:>8.1f}"
            f"{clock.limit / 60:>6.0f}{score:>8}  {game.name if game else '-':<14}{state_of(folder, record)}"
        )
    for name in game_names():
        try:
            print(opened(name).summary())
        except UserError as error:
            print(error)


def show_game(game: GameClock) -> None:
    """Print what the clock of a game was spent on, entry by entry."""
    spans, taken = game.all()
    print(game.summary())
    by_entry, at_once = defaultdict(lambda: defaultdict(list)), 0.0
    for span in spans:
        by_entry[span.entry][span.purpose].append((span.began, span.ended))
    for entry, purposes in by_entry.items():
        parts = ", ".join(f"{purpose} {union(times) / 60:.1f}" for purpose, times in purposes.items())
        alone = union(time for times in purposes.values() for time in times)
        at_once += alone
        is_at_work = " (at work)" if is_locked(RUNS / entry / "lock") else ""
        print(f"  {entry:<24}{alone / 60:>7.1f} min  {parts}{is_at_work}")
    for what, seconds in taken.items():
        print(f"  {'taken over from outside':<24}{seconds / 60:>7.1f} min  {what:.40}")
    shared = at_once - union((span.began, span.ended) for span in spans)
    if shared > 6:
        print(f"  {'at once, charged once':<24}{-shared / 60:>7.1f} min")
    print(f"test set opened: {sum(span.purpose == 'score' for span in spans)}")


def read(folder: Path) -> tuple[Record, Clock]:
    """Return an entry's record and clock."""
    try:
        record = read_record(folder / "record.json")
    except FileNotFoundError:
        raise UserError(f"there is no entry {folder}.") from None
    return record, Clock(folder / "clock.json", record.clock.limit, writes=False)


def state_of(folder: Path, record: Record) -> str:
    """Say in a word or two what an entry is."""
    if record.diverged:
        return f"diverged in {record.diverged.stage}"
    if record.score:
        return "official" if record.official else "open"
    return "running" if is_locked(folder / "lock") else "not finished"


def show(folder: Path) -> None:
    """Print one entry's details."""
    record, clock = read(folder)
    running = is_locked(folder / "lock")
    print(f"{folder.name}: league {record.league.name}, {state_of(folder, record)}")
    print(f"clock: {clock.used / 60:.1f} of {clock.limit / 60:g} min used, {max(0.0, clock.left) / 60:.1f} left")
    for purpose, seconds in clock.spent.items():
        print(f"  {purpose:<10}{seconds / 60:>7.1f} min")
    if game := game_of(record):
        try:
            print(opened(game.name).summary())
        except UserError:  # its folder did not come along
            print(f"game {game.name!r}, as the entry last saw it: {game.minutes:.1f} min used, entries: {game.entries}")
    interruptions = clock.interruptions - (running and clock.was_running)
    print(f"interruptions: {interruptions}, trials: {record.trials}, test set opened: {record.test_openings}")
    for name in STAGES:
        if facts := record.stages.get(name):
            scores = ", ".join(f"{domain} {value:.2f}" for domain, value in facts.validation.items())
            print(f"{name}: complete, {facts.steps} steps; on validation data {scores}")
        elif step := last_step(folder, name):
            print(f"{name}: saved at step {step}; the same command resumes from there")
    if record.score:
        print(f"test: {figures(record.score)}")
    for broken in record.broken_rules:
        print(f"  broken rule: {in_words(broken)}")


if __name__ == "__main__":
    run_command(main)
