"""What a stage does about time, progress and words: an entry of the league speaks, a trial of a search does not."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Conduct:
    """How a stage behaves. By default as somebody's entry: it stops, and saves, in time for the score."""

    study: str = ""  # under which the experiment tracker groups its runs; else they are the entry's own
    headline: str = ""  # before the words of a progress bar
    is_quiet: bool = False  # neither progress.json nor a summary, and no bar that stays
    seconds: float | None = None  # by which it has ended, or is given up and nothing is saved
    note_pace: Callable[[float], None] = lambda pace: None  # takes the seconds of a step, where `seconds` are set
