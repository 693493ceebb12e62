"""How far a stage is, for others to see: progress.json in the entry's folder, only there while the stage trains."""

import math
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, Struct, to_builtins

from league.errors import UserError
from league.files import is_locked, is_plain, write_json
from league.untrusted import Count, Key, Name, Number, Text, read_as

if TYPE_CHECKING:  # which loads all that training needs; who only looks on needs none of it
    from league.run.entry import Entry

WRITE_EVERY = 1.0  # seconds
MOST_POINTS = 60  # of the loss so far
MOST_GLIMPSES = 200  # of a stage: the ones in between go
MAX_BYTES = 200_000


class Glimpse(Struct):
    """What was seen of the model after a step."""

    step: Count
    scores: dict[Key, Number]  # of a small sample, by domain
    prediction: Text  # of one sentence


class Progress(Struct, forbid_unknown_fields=True):
    """What progress.json holds."""

    stage: Name
    step: Count
    max_steps: Count
    loss: Number | None
    seconds: Number
    curve: Annotated[list[Number], Meta(max_length=MOST_POINTS)]
    sentence: Text = ""  # whose prediction changes as the training goes on
    glimpses: Annotated[list[Glimpse], Meta(max_length=MOST_GLIMPSES)] = []


class ProgressFile:
    """The file of one stage. Whatever happens to it, the training continues."""

    def __init__(self, entry: "Entry", stage: str):
        self.entry, self.stage = entry, stage
        self.path = entry.folder / "progress.json"
        self._next = 0.0

    def update(self, step: int, max_steps: int, history: list[dict[str, Any]], glimpses=None) -> None:
        """Write how far the stage is, now and then; `history` is the Trainer's log."""
        if time.monotonic() < self._next:
            return
        losses = [log["loss"] for log in history if math.isfinite(log.get("loss", math.nan))]
        progress = Progress(
            stage=self.stage,
            step=step,
            max_steps=max_steps,
            loss=losses[-1] if losses else None,
            seconds=round(self.entry.clock.spent.get(self.stage, 0.0), 1),
            curve=[round(loss, 4) for loss in thinned(losses)],
            sentence=glimpses.sentence if glimpses else "",
            glimpses=glimpses.seen if glimpses else [],
        )
        with suppress(UserError):  # a full disk: the next checkpoint reports it
            write_json(self.path, to_builtins(progress), is_precious=False)
        self._next = time.monotonic() + WRITE_EVERY

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def thinned(values: list[float]) -> list[float]:
    """Return at most MOST_POINTS values: the means of equal parts."""
    num_points = min(len(values), MOST_POINTS)
    bounds = [len(values) * i // num_points for i in range(num_points + 1)] if values else []
    return [sum(values[low:high]) / (high - low) for low, high in zip(bounds, bounds[1:], strict=False)]


def read_progress(folder: Path) -> Progress | None:
    """Return how far an entry's stage is; None where none trains, or where the file is damaged or left by a kill."""
    try:
        progress = read_as(Progress, folder / "progress.json", MAX_BYTES)
    except (OSError, ValueError):
        return None
    return progress if is_running(folder) else None


def is_running(folder: Path) -> bool:
    """Tell whether a process is at work on an entry."""
    path = folder / "lock"
    return is_plain(path) and is_locked(path)
