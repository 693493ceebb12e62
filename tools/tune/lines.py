"""A line for each running trial: in the terminal, where several run, and in a file for the live page."""

import sys
import time
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, to_builtins
from tqdm import tqdm

from league.errors import UserError
from league.files import write_json
from league.run.progress import WRITE_EVERY
from league.untrusted import Count, Name, Text

RUNNING = "running.json"
MOST_RUNNING = 200
MOST_BYTES_OF_STUDY = 20_000_000  # of study.json: a trial has three or four thousand


class Running(Struct):
    """A trial that runs."""

    number: Count
    stage: Name
    device: Text
    step: Count = 0
    steps: Count = 0


class RunningFile(Struct, forbid_unknown_fields=True):
    """What running.json holds."""

    trials: Annotated[list[Running], Meta(max_length=MOST_RUNNING)]


class Lines:
    """The lines of one search."""

    def __init__(self, folder: Path, are_several: bool):
        self.path, self.has_bars = folder / RUNNING, are_several and sys.stderr.isatty()
        self._bars: list[tqdm] = []  # each of which only says something
        self._next = 0.0

    def show(self, head: str, trials: list[tuple[Running, str]]) -> None:
        """Bring the lines up to date; each trial comes with its values in words."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + WRITE_EVERY
        with suppress(UserError):  # a full disk: the next outcome reports it
            write_json(self.path, to_builtins(RunningFile([one for one, _ in trials])), is_precious=False)
        if self.has_bars:
            self._draw([head, *(f"  {_how_far(one)}: {values}, on {one.device}" for one, values in trials)])

    def _draw(self, texts: list[str]) -> None:
        while len(self._bars) < len(texts):
            settings = {"bar_format": "{desc}", "leave": False, "dynamic_ncols": True}
            self._bars.append(tqdm(position=len(self._bars), file=sys.stderr, **settings))
        for bar, text in zip_longest(self._bars, texts, fillvalue=""):
            bar.set_description_str(text)

    def close(self) -> None:
        while self._bars:
            self._bars.pop().close()
        self.path.unlink(missing_ok=True)


def _how_far(one: Running) -> str:
    steps = f"step {one.step} of {one.steps}" if one.steps else "begins"
    return f"trial {one.number}, {one.stage}, {steps}"
