"""The clock of an entry: seconds spent on its training data, over all its commands, kept through a kill."""

import json
import time
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError
from .files import write_json

SAVE_EVERY = 5.0  # seconds; a kill forgets no more than that


class Clock:
    """Seconds by purpose in `clock.json`. Only the first process writes; the others read."""

    def __init__(self, path: Path, limit_minutes: float, writes: bool = True):
        self.path, self.limit, self.writes = path, limit_minutes * 60, writes
        state = {"spent": {}, "running": None, "interruptions": 0}
        try:
            if path.exists():
                state = json.loads(path.read_text(encoding="utf-8"))
            self.spent = {str(name): float(seconds) for name, seconds in state["spent"].items()}
            self.interruptions = int(state["interruptions"])
            was_running = state["running"] is not None
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise UserError(
                f"{path} is damaged ({error}); put it back from a copy, or start another --entry."
            ) from None
        self.interruptions += was_running  # a purpose that is still marked as running was killed
        self.running: str | None = None
        self._since = self._saved = 0.0

    @contextmanager
    def charge(self, purpose: str):
        """Count the time inside the block."""
        self.running, self._since = purpose, time.monotonic()
        self.save()
        try:
            yield self
        except BaseException:
            self.tick()
            self.interruptions += 1
            raise
        finally:
            self.tick()
            self.running = None
            self.save()

    def tick(self) -> None:
        """Add the time since the last tick; save now and then."""
        if self.running is None:
            return
        now = time.monotonic()
        self.spent[self.running] = self.spent.get(self.running, 0.0) + now - self._since
        self._since = now
        if now - self._saved > SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Write the state, whole or not at all."""
        self._saved = time.monotonic()
        if self.writes:
            spent = {name: round(seconds, 3) for name, seconds in self.spent.items()}
            write_json(self.path, {"spent": spent, "running": self.running, "interruptions": self.interruptions})

    @property
    def used(self) -> float:
        return sum(self.spent.values())

    @property
    def left(self) -> float:
        return self.limit - self.used
