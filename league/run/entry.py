"""What an entry is: a folder, a record, a clock, and a lock. Of several processes only the first one writes."""

import os
import platform
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from league.errors import UserError
from league.files import digests_of, lock, owner_of, sweep, write_json
from league.record.clock import Clock
from league.record.code import code_digest
from league.record.folder import RUNS, under_way
from league.record.game import LOG, facts_of, game_of
from league.record.game_clock import GameClock
from league.record.rules import broken_rules
from league.record.shape import RECORD_FORMAT, ClockFacts, LeagueFacts, Record, read_record, write_record
from league.rulebook import League, fingerprint
from league.values import Options, check_options

HELD: dict[Path, Any] = {}  # the locks of this process
PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "datasets", "sacrebleu", "numpy")


@dataclass(frozen=True)
class Conduct:
    """How a stage behaves: by default as somebody's entry, which stops, and saves, in time for the score."""

    study: str = ""  # under which the experiment tracker groups its runs; else they are the entry's own
    headline: str = ""  # before the words of a progress bar
    is_quiet: bool = False  # neither progress.json nor a summary, and no bar that stays
    seconds: float | None = None  # by which it has ended, or is given up and nothing is saved
    note_pace: Callable[[float], None] = lambda pace: None  # takes the seconds of a step, where `seconds` are set
    note_step: Callable[[int, int], None] = lambda step, of: None  # takes the steps that are done, and all of them


class Entry:
    """The folder `runs/<entry>/` and its `record.json`."""

    def __init__(
        self,
        options: Options,
        rules: League | None = None,
        folder: Path | None = None,
        conduct: Conduct | None = None,
    ):
        check_options(options)
        self.options, self.rules, self.conduct = options, rules or options.rules, conduct or Conduct()
        self.writes = os.environ.get("RANK", "0") == "0"
        self.folder = folder or RUNS / options.entry
        self.record_path = self.folder / "record.json"
        self._is_locked, self.game = False, None
        self._made_by = _versions(), code_digest(self.rules)  # now: what is edited or installed later has no part in it
        self.read()
        played = self.record.asked["league"]
        if played != self.rules.name:
            raise UserError(
                f"entry {self.name!r} plays the {played} league: say --league {played}, or another --entry."
            )

    @property
    def name(self) -> str:
        return self.options.entry

    def checkpoint(self, stage: str) -> Path:
        return self.folder / stage

    def digests(self, stage: str) -> dict[str, str]:
        """Return file name -> sha256 of a complete stage's checkpoint, whatever else has come to lie beside it."""
        return digests_of(self.checkpoint(stage), self.record.stages[stage].sha256)

    def checkpoints(self, stage: str) -> Path:
        """Return the folder of the checkpoints that a stage writes under way."""
        return under_way(self.folder, stage)

    def tracked(self, stage: str) -> AbstractContextManager:
        """Give what a Trainer reports of a stage a run of its own in the experiment tracker."""
        if self.options.report_to == "none":
            return nullcontext()

        from league.run.tracking import tracked

        study = self.conduct.study
        name = f"{study}-{self.folder.name}" if study else self.name
        return tracked(self.options.report_to, study or self.name, f"{name}-{stage}")

    # The lock.

    def demand_lock(self) -> None:
        """Take the entry for this process, or say who has it."""
        # Who only looks whether an entry is at work has its lock for an instant.
        for wait in (0.0, 0.05, 0.2):
            time.sleep(wait)
            if not self.writes or self.hold():
                return
        owner = owner_of(self.folder / "lock")
        raise UserError(f"entry {self.name!r} is in use by {owner}: wait for it, stop it, or take another --entry.")

    def claim(self) -> None:
        """Take the entry for this command: its first process has the lock, the others read what stands there now."""
        self.demand_lock() if self.writes else self.read()

    def hold(self) -> bool:
        """Take the entry for this process, until it ends; the system frees the lock of one that is dead."""
        if self._is_locked:
            return True
        path = self.folder / "lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = HELD.get(path.absolute()) or lock(path)
        except OSError as error:
            raise UserError(f"cannot write to {self.folder}: {error.strerror}.") from None
        if not held:
            return False
        HELD[path.absolute()], self._is_locked = held, True
        sweep(self.folder)
        self.read()  # what another command may have written since it was read
        return True

    def release(self) -> None:
        """Let other processes have the entry."""
        if held := HELD.pop((self.folder / "lock").absolute(), None):
            held.close()
        self._is_locked = False

    # The record.

    def read(self) -> None:
        """Read the record and the clock; an entry that is new has empty ones."""
        try:
            self.record = read_record(self.record_path)
        except FileNotFoundError:
            self.record = self._new_record()
        self.game = self.game or self._find_game()
        if self.game and self.record.entry != self.name:
            raise UserError(
                f"{self.folder} is a copy of entry {self.record.entry!r}, and its game counts minutes under that name: "
                f"take another --entry; --pretrained {self.record.entry} takes its stage A over."
            )
        self.clock = Clock(self.folder / "clock.json", self.rules.minutes, self.writes, self.game)
        spent = {name: minutes * 60 for name, minutes in self.record.clock.spent.items()}
        self.clock.restore(spent, self.record.clock.interruptions)

    def _find_game(self) -> GameClock | None:
        recorded, asked = game_of(self.record), self.options.game
        if asked and self.record_path.exists() and (recorded is None or asked != recorded.name):
            where = f"belongs to game {recorded.name!r}" if recorded else "was begun as practice, without a game"
            raise UserError(f"--game {asked}: entry {self.name!r} {where}: leave it as it is, or take another --entry.")
        name = recorded.name if recorded else asked
        if not name:
            return None
        game = GameClock(name, self.rules, self.writes)
        if recorded and game.begun and game.begun.id != recorded.id:
            raise UserError(f"{game.folder} is the clock of another game {name!r} than this entry's: put it back.")
        return game

    def _new_record(self) -> Record:
        return Record(
            format=RECORD_FORMAT,
            entry=self.name,
            asked={"league": self.rules.name},
            league=self._league_facts({}),
            data={},
            stages={},
            clock=ClockFacts(minutes=0.0, limit=self.rules.minutes, spent={}, interruptions=0),
            trials=0,
            test_openings=0,
            versions=self._made_by[0],
            code=self._made_by[1],
            official=False,
            broken_rules=[],
        )

    def _league_facts(self, digests: dict[str, str]) -> LeagueFacts:
        fixed = self.rules.fixed()
        return LeagueFacts(self.rules.name, self.rules.version, fingerprint(fixed, digests), fixed)

    def charge_search(self, num_trials: int, seconds: float) -> None:
        """Charge the entry for the search that its values come from."""
        self.record.trials = max(self.record.trials, num_trials)
        self.clock.restore({"trials": max(0.0, seconds)}, 0)
        self.clock.save()

    def charge_game(self, what: str, seconds: float, other: str | None) -> None:
        """Charge the game, once, for something taken over; `other` is the game that it was made in."""
        if self.game and other != self.game.id:
            self.game.take(what, seconds)

    def write(self) -> None:
        """Bring the record up to date, with its verdict, and write it."""
        record = self.record
        log = self.game.log() if self.game and self.writes else None
        record.game = facts_of(log) if log else record.game or "practice"
        record.league = self._league_facts(record.data_digests())
        record.clock = ClockFacts(
            minutes=round(self.clock.used / 60, 2),
            limit=self.rules.minutes,
            spent={name: round(seconds / 60, 2) for name, seconds in self.clock.spent.items()},
            interruptions=self.clock.interruptions,
        )
        record.versions, record.code = self._made_by
        record.broken_rules = broken_rules(record)
        record.official = record.score is not None and not record.broken_rules
        if self.writes:
            if log:
                write_json(self.folder / LOG, to_builtins(log))
            write_record(self.record_path, record)


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
