"""What a worker does for a search: it measures its device and runs trials, in this folder or on another machine."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from league.errors import Diverged, OutOfMemory, TooFew
from league.run.progress import WRITE_EVERY
from league_config import LEAGUES
from tools.folders import Folder, cache_folder, read_folder, write_folder

from .space import Values
from .speed import num_steps
from .trial import Attempt, Runner, share_left, tokenize_all

PROBE_SHARE = 0.02  # of the search, at most, for each measurement of the speed: chosen, as there are three
MOST_FOR_PROBES = 0.25  # of the search, after which no larger one is measured: chosen, a busy machine loads slowly


@dataclass
class Work:
    """A search's part for its workers, sent to each of them."""

    runner: Runner
    trials: Path  # the folder of the trials
    search: str  # a name that no other search has
    scratch: Path | None = None  # where a worker of this machine works
    is_away: bool = False  # in a folder of its own: what it makes is handed over
    note: Callable[[Any, Any], None] = lambda key, value: None

    def arrive(self, note: Callable[[Any, Any], None]) -> None:
        """Settle where the worker is, with the league and the data as they were sent."""
        self.is_away, self.note = True, note
        LEAGUES[self.runner.rules.name] = self.runner.rules
        folder = self.scratch or cache_folder() / self.search
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        os.chdir(folder)
        self.trials = folder / "trials"
        tokenize_all(self.runner.rules, self.runner.splits)

    def probe(self, places: list[Values], budget: float) -> list[list]:
        """Return how fast this device trains structures: each with its seconds of a step by stage."""
        paces, began = [], time.monotonic()
        folder = self.trials.parent / f"probe-{os.getpid()}"
        steps = self.runner.rules.pretrain.arguments["max_steps"]
        for place in places:
            try:
                measured = self.runner.probe(place, folder, max(10.0, PROBE_SHARE * budget))
            except (Diverged, OutOfMemory, TooFew):
                if not paces:
                    raise
                break  # the start values can be trained here, and larger ones are not needed
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            paces.append([place, measured])
            out_of_reach = len(paces) == 1 and measured.get("pretrain", 9.0) * steps > budget
            if out_of_reach or time.monotonic() - began > MOST_FOR_PROBES * budget:
                break
        return paces

    def run(
        self, asked: dict[str, Any], seconds: float, headline: str = "", base: Folder | None = None
    ) -> tuple[dict[str, Any], Folder | None]:
        """Run a trial; return what came of it, and its files where nobody else sees them."""
        stage, number, folder, start = asked["stage"], asked["number"], self.folder(asked["number"]), None
        if asked["base"] is not None:
            start = self.folder(asked["base"])
            if base is not None:
                start = start.with_name(f"{start.name}-for-{number}")
                write_folder(start, base)
        noted = 0.0

        def note_step(step: int, of: int) -> None:
            nonlocal noted
            if time.monotonic() > noted + WRITE_EVERY:
                noted = time.monotonic()
                self.note(number, [step, of])

        attempt = Attempt(stage, asked["values"], asked["fidelity"], folder, seconds, start, headline, note_step)
        try:
            outcome = self.runner.run(attempt)
        finally:
            if base is not None:
                shutil.rmtree(start, ignore_errors=True)
        if not self.is_away:
            return outcome, None
        is_kept = outcome["state"] == "complete" and asked["fidelity"] == 1
        return outcome, read_folder(folder, "record.json", "clock.json", *[stage] * is_kept)

    def folder(self, number: int) -> Path:
        return self.trials / f"{number:04d}"

    def share_left(self, asked: dict[str, Any]) -> float:
        """Return how much of a trial's steps is still to be run, by what lies here of it."""
        rules = self.runner.rules.as_tuned(asked["values"])
        steps = num_steps(rules, asked["stage"], asked["fidelity"])
        return share_left(self.folder(asked["number"]), asked["stage"], steps)

    def forget(self, number: int) -> None:
        """Remove a trial that was handed over."""
        shutil.rmtree(self.folder(number), ignore_errors=True)
