"""What a search prints and writes while it runs and at its end."""

import sys
import time
from typing import Any

from tqdm import tqdm

from league.files import write_json
from league.rulebook import League
from league.run.entry import Entry
from league.tasks.metric import metric_of
from league.untrusted import read_json

from .jobs import Tried
from .lines import MOST_BYTES_OF_STUDY, Lines, Running
from .outlook import describe
from .plan import Planner
from .report import write_report
from .results import best_of, content_of, final_of, settings_of
from .space import short
from .summary import terminal_summary

FIRST_PAGE = 60.0  # seconds, before which nobody reads a report
SHARE_DRAWN = 0.01  # of the search, for drawing it: chosen, too little to cost a trial
MOST_PLANS = 30  # that the report lists


class Output:
    """The words and files of a search."""

    def __init__(self, search):
        self.search, self.folder = search, search.folder
        self.planned_for, self.planned, self.next_page = "", "", time.monotonic() + FIRST_PAGE
        self.lines = Lines(self.folder, not search.team.is_alone)

    def say(self, text: str) -> None:
        tqdm.write(text, file=sys.stderr)
        sys.stderr.flush()

    # While it runs.

    def plan(self, planner: Planner, tried: list[Tried]) -> None:
        """Print the plan when something has changed: measurements, a structure in full, the turn to fine-tunes."""
        search, phase = self.search, "finetune" if planner.is_tuning(tried) else "pretrain"
        full = sum(one.fidelity == 1 and one.counts for one in tried)
        occasion = f"{phase} {full if phase == 'pretrain' else ''} {bool(tried)}"
        if occasion == self.planned_for:
            return
        self.planned_for = occasion
        text = describe(planner, tried, search.left)
        if text == self.planned:  # of another worker that begins at the same time
            return
        self.planned = text
        self.say(f"plan at minute {search.used / 60:.1f} of {search.budget / 60:.4g}: {text}")
        with_this = [*search.study.noted("plan", []), {"minute": round(search.used / 60, 2), "text": text}]
        search.study.note("plan", with_this[-MOST_PLANS:])

    def so_far(self) -> str:
        """Return how far the search is, and the best so far."""
        best = best_of(self.search.study.rows())
        so_far = f"best {best['validation']:.1f}" if best else "no result yet"
        return f"minute {self.search.used / 60:.0f} of {self.search.budget / 60:.4g}, {so_far}"

    def headline(self, asked: dict[str, Any]) -> str:
        """Return what stands before a trial's progress bar."""
        what = short(self.search.rules, asked["stage"], asked["values"])
        return f"from {self.so_far()} | trial {asked['number']}: {what} | "

    def running(self, notes: dict[int, list[int]]) -> None:
        """Show the trials that run; `notes` say for each how many steps are done, of how many."""
        search, trials = self.search, []
        for number, seat in sorted(search.seats.items()):
            asked = search.running[number].asked
            trial = Running(number, asked["stage"], seat.kind, *notes.get(number, []))
            trials.append((trial, short(search.rules, asked["stage"], asked["values"])))
        self.lines.show(self.so_far(), trials)

    def outcome(self, asked: dict[str, Any], outcome: dict[str, Any]) -> None:
        """Print what came of a trial, and write the report now and then."""
        self.say(f"{self.search.used / 60:6.1f} min  {in_a_line(self.search.rules, asked, outcome)}")
        # The page takes seconds to draw: after a trial in full, and never more than a small part of the time.
        now = time.monotonic()
        if asked["fidelity"] < 1 or now < self.next_page:
            self.export("searching")
            return
        self.report("searching")
        self.next_page = time.monotonic() + (time.monotonic() - now) / SHARE_DRAWN

    # The report.

    def export(self, state: str) -> dict[str, Any]:
        """Write best.json and study.json, which the report is made of."""
        content = content_of(self.search, state)
        write_json(self.folder / "best.json", settings_of(self.search))
        write_json(self.folder / "study.json", content)
        return content

    def report(self, state: str) -> str:
        """Write the report; return its short form."""
        content = self.export(state)
        return terminal_summary(content, write_report(content, self.folder))


def in_a_line(rules: League, asked: dict[str, Any], outcome: dict[str, Any]) -> str:
    """Return what came of a trial."""
    result = outcome["reason"] or f"{metric_of(rules, asked['stage']).LABEL} {outcome['validation']:.2f}"
    if outcome.get("change") is not None:
        result += f" ({outcome['change']:+.2f})"
    values = short(rules, asked["stage"], asked["values"])
    return (
        f"trial {asked['number']:<3} {asked['stage']:<9}{outcome['steps']:>5} steps  "
        f"{values}  [{asked['origin']}]  {result}"
    )


def add_score(entry: Entry) -> None:
    """Bring the report of an entry's search up to date with its score, unless it is."""
    folder, domain = entry.folder / "tune", entry.rules.validated("finetune")[0].domain
    try:
        content = read_json(folder / "study.json", MOST_BYTES_OF_STUDY)
    except (OSError, ValueError):
        return  # the score stands without it
    final = final_of(entry.record, domain)
    if content["final"] != final:
        content |= {"state": "done", "final": final}
        write_json(folder / "study.json", content)
        write_report(content, folder)
