"""The time of a search: every second in which at least one of its processes was at work, kept through kills."""

import os
import socket
import threading
import time
import uuid
from pathlib import Path

from msgspec import Struct, to_builtins

from league.errors import UserError
from league.files import is_locked, lock, write_json
from league.record.clock import SAVE_EVERY
from league.record.game import union
from league.untrusted import Name, Number, Text, read_as

GONE = 15.0  # seconds without a sign of life, after which a process on another machine is given up


class State(Struct, forbid_unknown_fields=True):
    """What a process writes of itself."""

    began: Number
    seen: Number
    has_ended: bool
    host: Text
    name: Name


class Presence:
    """This process's own file in `folder`, brought up to date by a second thread; all files together tell the time."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.name = uuid.uuid4().hex[:12]
        self.began, self._start = time.time(), time.monotonic()
        self._seen: dict[str, tuple[float, float]] = {}  # of the others: their last sign of life, and when it came here
        self._ended, self._ended_at = threading.Event(), None
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Presence":
        self.folder.mkdir(parents=True, exist_ok=True)
        # A clock that was set back since would let this one's time coincide with an earlier one's, and be free.
        gone = [state.seen for state in self._others() if not self.is_alive(state.name)]
        self.began = max([self.began, *gone])
        self._held = lock(self.folder / f"{self.name}.lock")
        self._save()
        self._heart.start()
        return self

    def __exit__(self, *exception) -> None:
        self._ended.set()
        self._heart.join()
        self._ended_at = self.now
        self._save(has_ended=True)
        if self._held:
            self._held.close()

    @property
    def now(self) -> float:
        if self._ended_at is not None:
            return self._ended_at
        # A clock that is set while this runs must not add or take minutes.
        return self.began + time.monotonic() - self._start

    def _beat(self) -> None:
        while not self._ended.wait(SAVE_EVERY / 2):  # a busy machine is late at times
            try:
                self._save()
            except UserError:
                pass  # a full disk: whatever else is written will tell

    def _save(self, has_ended: bool = False) -> None:
        state = State(self.began, self.now, has_ended, _host(), self.name)
        write_json(self.folder / f"{self.name}.json", to_builtins(state))

    def is_alive(self, name: str) -> bool:
        """Tell whether another process of the search is still there."""
        if name == self.name:
            return True
        state = _read(self.folder / f"{name}.json")
        if state.has_ended or is_locked(self.folder / f"{name}.lock"):
            return not state.has_ended
        return state.host != _host() and self._was_seen_lately(name, state.seen)

    def _was_seen_lately(self, name: str, seen: float) -> bool:
        # By the clock of this machine: the other one's may be wrong by any time.
        now = time.monotonic()
        if self._seen.get(name, (None, now))[0] != seen:
            self._seen[name] = seen, now
        return now - self._seen[name][1] < GONE

    def _others(self) -> list[State]:
        return [_read(path) for path in sorted(self.folder.glob("*.json")) if path.stem != self.name]

    def used(self) -> float:
        """Return the seconds of the search so far."""
        return union([(self.began, self.now), *((state.began, _end(state)) for state in self._others())])

    def count(self) -> int:
        """Return how many processes ever took part."""
        return sum(1 for _ in self.folder.glob("*.json"))


def _end(state: State) -> float:
    # A kill is charged as much as it may have hidden.
    return state.seen + (0 if state.has_ended else SAVE_EVERY)


def _host() -> str:
    return f"{socket.gethostname()} {os.environ.get('HOSTNAME', '')}".strip()[:200]


def _read(path: Path) -> State:
    try:
        return read_as(State, path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} is damaged ({error}): the search's clock stands in it; put it back from a copy."
        ) from None
