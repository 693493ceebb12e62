"""How far a stage is, for others to see: progress.json in the entry's folder, only there while the stage trains."""

import math
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from league.errors import UserError
from league.files import is_locked, write_json
from league.record.shape import COUNT, NAME, NUMBER, OrNull, problems
from league.untrusted import read_json

if TYPE_CHECKING:  # which loads all that training needs; who only looks on needs none of it
    from league.run.entry import Entry

WRITE_EVERY = 5.0  # seconds
MOST_POINTS = 60  # of the loss so far
MAX_BYTES = 20_000
PROGRESS = {
    "stage": NAME,
    "step": COUNT,
    "max_steps": COUNT,
    "loss": OrNull(NUMBER),
    "learning_rate": OrNull(NUMBER),
    "seconds": NUMBER,
    "curve": [NUMBER],
}


class ProgressFile:
    """The file of one stage. Whatever happens to it, the training continues."""

    def __init__(self, entry: "Entry", stage: str):
        self.entry, self.stage = entry, stage
        self.path = entry.folder / "progress.json"
        self._next = 0.0

    def update(self, step: int, max_steps: int, history: list[dict[str, Any]]) -> None:
        """Write how far the stage is, now and then; `history` is the Trainer's log."""
        if time.monotonic() < self._next:
            return
        losses = [log["loss"] for log in history if math.isfinite(log.get("loss", math.nan))]
        rates = [log["learning_rate"] for log in history if "learning_rate" in log]
        progress = {
            "stage": self.stage,
            "step": step,
            "max_steps": max_steps,
            "loss": losses[-1] if losses else None,
            "learning_rate": rates[-1] if rates else None,
            "seconds": round(self.entry.clock.spent.get(self.stage, 0.0), 1),
            "curve": [round(loss, 4) for loss in thinned(losses)],
        }
        try:
            write_json(self.path, progress)
        except UserError:
            pass  # a full disk: the next checkpoint will report it
        self._next = time.monotonic() + WRITE_EVERY

    def remove(self) -> None:
        with suppress(OSError):
            self.path.unlink()


def thinned(values: list[float]) -> list[float]:
    """Return at most MOST_POINTS values: the means of equal parts."""
    num_points = min(len(values), MOST_POINTS)
    bounds = [len(values) * i // num_points for i in range(num_points + 1)] if values else []
    return [sum(values[low:high]) / (high - low) for low, high in zip(bounds, bounds[1:], strict=False)]


def read_progress(folder: Path) -> dict[str, Any] | None:
    """Return how far an entry's stage is; None where none trains, or where the file is damaged or left by a kill."""
    try:
        progress = read_json(folder / "progress.json", MAX_BYTES)
    except (OSError, ValueError):
        return None
    return None if problems(progress, PROGRESS, "progress") or not is_running(folder) else progress


def is_running(folder: Path) -> bool:
    """Tell whether a process is at work on an entry."""
    path = folder / "lock"
    return path.is_file() and not path.is_symlink() and is_locked(path)
