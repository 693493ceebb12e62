"""The clock of an entry: seconds spent on its training data, over all its commands, kept through a kill."""

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, to_builtins

from league.errors import UserError
from league.files import write_json
from league.untrusted import Count, Key, Name, read_as

MOST_SECONDS = 1e9
SAVE_EVERY = 2.0  # seconds between two saves while something runs; a kill is charged as much as it may have hidden


@contextmanager
def beating(save: Callable[[], None], every: float):
    """Save every so many seconds while the block runs, from a second thread."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(every):
            with suppress(UserError):  # a full disk: the save at the end of the block reports it
                save()

    heart = threading.Thread(target=beat, daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()


class State(Struct, forbid_unknown_fields=True):
    """What clock.json holds."""

    spent: dict[Key, Annotated[float, Meta(ge=0, lt=MOST_SECONDS)]]  # seconds by purpose
    running: Name | None
    interruptions: Count


class Clock:
    """Seconds by purpose in `clock.json`. Only the first process writes; the others read."""

    def __init__(self, path: Path, limit_minutes: float, writes: bool = True, game=None):
        self.game, self.entry = game, path.parent.name  # a GameClock, where the entry belongs to a game
        self.path, self.limit, self.writes = path, limit_minutes * 60, writes
        self.spent: dict[str, float] = {}
        self.interruptions = 0
        self.running: str | None = None
        self.was_running = False  # by the file: it was killed since, or is at work
        self._since = 0.0
        self._lock = threading.RLock()
        self._read()

    def _read(self) -> None:
        try:
            state = read_as(State, self.path)
            self.spent, self.interruptions = state.spent, state.interruptions
            self.was_running = state.running is not None
            if self.was_running:  # or still is, in another process
                self.interruptions += 1
                self.add(state.running, SAVE_EVERY)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self.path} is damaged ({error}); put it back from a copy, or delete it: "
                "the clock then continues from what record.json says."
            ) from None

    def restore(self, spent: dict[str, float], interruptions: int) -> None:
        """Take over what a record says was spent, where that is more: a clock that is lost does not start again."""
        for name, seconds in spent.items():
            self.spent[name] = max(self.spent.get(name, 0.0), seconds)
        self.interruptions = max(self.interruptions, interruptions)

    def add(self, purpose: str, seconds: float) -> None:
        """Charge time that passed elsewhere."""
        self.spent[purpose] = self.spent.get(purpose, 0.0) + seconds

    @contextmanager
    def charge(self, purpose: str):
        """Count the time inside the block; a second thread saves it now and then."""
        with self.game.charge(self.entry, purpose) if self.game else nullcontext():
            self.running, self._since = purpose, time.monotonic()
            self.save()
            try:
                with beating(self.save, SAVE_EVERY):
                    yield self
            except BaseException:
                self.interruptions += 1
                raise
            finally:
                with self._lock:
                    self._tick()
                    self.running = None
                self.save()

    def _tick(self) -> None:
        now = time.monotonic()
        self.add(self.running, now - self._since)
        self._since = now

    def save(self) -> None:
        """Write the state, whole or not at all."""
        with self._lock:
            if self.running is not None:
                self._tick()
            spent = {name: round(seconds, 3) for name, seconds in self.spent.items()}
            if self.writes:
                write_json(self.path, to_builtins(State(spent, self.running, self.interruptions)))

    @property
    def used(self) -> float:
        with self._lock:
            return sum(self.spent.values()) + (0.0 if self.running is None else time.monotonic() - self._since)

    @property
    def left(self) -> float:
        own = self.limit - self.used
        return min(own, self.game.left) if self.game else own
