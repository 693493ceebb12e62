"""The clock of a game: all time in which at least one of its entries was at work, whichever commands they ran.

Each process keeps a file of its own in runs/.games/NAME/: nothing needs a lock, and machines can share the folder.
"""

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct, to_builtins

from league.errors import UserError
from league.files import write_json
from league.record.clock import SAVE_EVERY, beating
from league.record.folder import RUNS
from league.record.game import LOG, Begun, GameLog, Share, Span, seconds_of
from league.rulebook import League
from league.untrusted import read_as
from league_config import LEAGUES

GAMES = ".games"  # in the folder of the entries
BEGUN = "begun.json"
GONE = 15.0  # seconds without a sign of life, after which a process counts as ended


class GameClock:
    """One process's part in the clock of a game; only the first process of a command writes."""

    def __init__(self, name: str, rules: League, writes: bool = True, runs: Path = RUNS):
        self.name, self.league, self.limit, self.writes = name, rules.name, rules.minutes * 60, writes
        self.runs, self.folder = runs, runs / GAMES / name
        self.path = self.folder / f"process-{uuid.uuid4().hex[:12]}.json"
        self.own = Share([], {}, False)
        self._lock, self._writing = threading.RLock(), threading.Lock()
        self._shares: dict[Path, tuple[tuple, Share]] = {}  # of the other processes, and what file it was
        self._read_at = float("-inf")
        self.begun = self._read_begun()

    # The beginning.

    def _read_begun(self) -> Begun | None:
        begun = _read(Begun, self.folder / BEGUN)
        if begun and begun.league != self.league:
            raise UserError(f"--game {self.name}: it plays the {begun.league} league: say --league, or another --game.")
        return begun

    @property
    def id(self) -> str:
        return self.begin().id

    def begin(self) -> Begun:
        """Begin the game, unless it has begun; one whose folder is lost continues from what its entries know."""
        if self.begun is None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(f"cannot write to {self.folder}: {error.strerror}.") from None
            known = max(self._logs_of_entries(), key=lambda log: log.minutes, default=None)
            begun = Begun(uuid.uuid4().hex[:12], self.league, round(time.time(), 3))
            if known:
                begun = Begun(known.id, self.league, begun.began - max((span.ended for span in known.spans), default=0))
                spans = [_moved(one, begun.began) for one in known.spans]
                write_json(self.folder / "process-restored.json", to_builtins(Share(spans, known.taken, False)))
            _write_once(self.folder / BEGUN, begun)
            self.begun = self._read_begun()
        return self.begun

    def _logs_of_entries(self) -> Iterator[GameLog]:
        for path in self.runs.glob(f"*/{LOG}"):
            log = _read(GameLog, path)
            if log and log.name == self.name:
                yield log

    # What this process does.

    @contextmanager
    def charge(self, entry: str, purpose: str):
        """Count the time inside the block; a second thread saves it now and then."""
        if not self.writes:
            yield
            return
        self.begin()
        with self._lock:
            self._began, self._since = self._beginning(), time.monotonic()
            self.own.spans.append(Span(entry, purpose, self._began, self._began))
            self.own.is_running = True
        self.save()
        try:
            with beating(self.save, SAVE_EVERY / 2):
                yield
        finally:
            with self._lock:
                self._tick()
                self.own.is_running = False
            self.save()

    def _beginning(self) -> float:
        # A clock that was set back, or another machine's, would let this time coincide with an earlier one's: free.
        now, ends = time.time(), [max((span.ended for span in self.own.spans), default=0.0)]
        for share in self._others(fresh=True):
            if share.spans:
                last = max(span.ended for span in share.spans)
                if not (share.is_running and abs(now - last) < GONE):
                    ends.append(last + share.is_running * SAVE_EVERY)
        return max(now, *ends)

    def _tick(self) -> None:
        if self.own.is_running:
            self.own.spans[-1].ended = self._began + time.monotonic() - self._since

    def take(self, what: str, seconds: float) -> None:
        """Charge once for something that was trained or searched for outside of the game."""
        if self.writes and seconds > 0:
            self.begin()
            self.own.taken[what] = round(seconds, 3)
            self.save()

    def save(self) -> None:
        """Write this process's part, whole or not at all."""
        with self._writing:  # alone: who asks what is left need not wait for the disk
            with self._lock:
                self._tick()
                content = to_builtins(self.own)
            write_json(self.path, content)

    # What all of them did.

    def _others(self, fresh: bool = False) -> list[Share]:
        now = time.monotonic()
        if fresh or now - self._read_at > SAVE_EVERY:
            self._read_at = now
            for path in self.folder.glob("process-*.json"):
                if path == self.path:
                    continue
                seen, before = self._shares.get(path, (None, Share([], {}, False)))
                try:
                    found = path.stat()
                except FileNotFoundError:
                    continue
                # One that is not at work may be again: between two stages, or after it took over from elsewhere.
                now_is = found.st_mtime_ns, found.st_ino, found.st_size
                if now_is != seen or before.is_running:
                    self._shares[path] = now_is, _read(Share, path) or before
        return [share for _, share in self._shares.values()]

    def all(self, fresh: bool = False) -> tuple[list[Span], dict[str, float]]:
        """Return all work, in order, and all that was taken over from outside."""
        with self._lock:
            self._tick()
            spans, taken = list(self.own.spans), dict(self.own.taken)
            for share in self._others(fresh):
                spans += share.spans[:-1]
                # A kill is charged as much as it may have hidden.
                extra = SAVE_EVERY if share.is_running else 0.0
                spans += [Span(one.entry, one.purpose, one.began, one.ended + extra) for one in share.spans[-1:]]
                taken |= {what: max(seconds, taken.get(what, 0.0)) for what, seconds in share.taken.items()}
        return sorted(spans, key=lambda span: (span.began, span.entry)), taken

    @property
    def used(self) -> float:
        return seconds_of(*self.all())

    @property
    def left(self) -> float:
        return self.limit - self.used

    def log(self) -> GameLog:
        """Return the game as it stands now, as an entry keeps it."""
        begun, (spans, taken) = self.begin(), self.all(fresh=True)
        return GameLog(self.name, begun.id, [_moved(one, -begun.began) for one in spans], taken)

    def summary(self) -> str:
        """Say in a line how the clock stands."""
        entries = len({span.entry for span in self.all()[0]})
        return (
            f"game {self.name!r}: {self.used / 60:.1f} of {self.limit / 60:g} min used by {entries} "
            f"{'entry' if entries == 1 else 'entries'}, {max(0.0, self.left) / 60:.1f} left"
        )


def game_names(runs: Path = RUNS) -> list[str]:
    """Return the names of the games that were begun in a folder of entries."""
    return sorted(path.parent.name for path in (runs / GAMES).glob(f"*/{BEGUN}"))


def opened(name: str, runs: Path = RUNS) -> GameClock:
    """Return the clock of a game that somebody looks at."""
    begun = _read(Begun, runs / GAMES / name / BEGUN)
    if begun is None:
        raise UserError(f"there is no game {name!r} in {runs}: an entry played with --game {name} begins it.")
    if begun.league not in LEAGUES:
        raise UserError(f"game {name!r} plays the league {begun.league!r}, which league_config.py does not know.")
    return GameClock(name, LEAGUES[begun.league], writes=False, runs=runs)


def _moved(span: Span, by: float) -> Span:
    return Span(span.entry, span.purpose, round(span.began + by, 3), round(span.ended + by, 3))


def _read(kind: type, path: Path):
    try:
        return read_as(kind, path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}): a game's clock stands in it; put it back from a copy.") from None


def _write_once(path: Path, value: Struct) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    write_json(temporary, to_builtins(value))
    try:
        os.link(temporary, path)  # of several processes that begin a game, the first one does
    except FileExistsError:
        pass
    except OSError:  # a drive without links
        os.replace(temporary, path)
    temporary.unlink(missing_ok=True)
