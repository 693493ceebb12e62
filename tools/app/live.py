"""What the entries of a folder are doing now, from the files that they leave."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import Struct

from league.errors import UserError
from league.record.clock import State
from league.record.shape import Record
from league.run.progress import Progress, is_running, read_progress
from league.tasks.metric import metric_of
from league.untrusted import Name, Number, read_as
from league_config import LEAGUES

from .folder import Folder, record_of

STAGES = {"pretrain": "stage A", "finetune": "stage B"}
RECENT = 3 * 3600.0  # seconds after which an entry that nobody works on is left out
MAX_STUDY_BYTES = 20_000_000


class Study(Struct):
    """The part of a search's study.json that is shown here."""

    state: Name
    used_minutes: Number
    budget_minutes: Number
    trials: list[Any]
    best: dict[str, Any] | None


@dataclass
class LiveSearch:
    """How far a search is: its trials so far, and the best BLEU on validation."""

    num_trials: int
    used_minutes: float
    budget_minutes: float
    best: float | None


@dataclass
class LiveEntry:
    """One entry, as those who look on see it."""

    name: str
    state: str
    is_running: bool = False
    changed: float = 0.0  # time of its last sign of life
    minutes_left: float | None = None
    progress: Progress | None = None
    search: LiveSearch | None = None
    validation: dict[str, float] = field(default_factory=dict)  # BLEU after the last complete stage
    score: float | None = None
    metric: str = "BLEU"
    is_official: bool = False


def look(folder: Folder) -> list[LiveEntry]:
    """Return all entries, by name; one that is damaged says so, one that vanishes is left out."""
    rows = []
    for name in folder.names():
        path = folder.path / name
        try:
            rows.append(row_of(path))
        except UserError:  # the board tells what is wrong with it
            rows.append(LiveEntry(name, "its record is damaged", changed=changed(path)))
        except OSError:
            continue
    return rows


def row_of(folder: Path) -> LiveEntry:
    """Return one entry."""
    record, clock, running = record_of(folder), read_clock(folder), is_running(folder)
    progress = read_progress(folder)
    stages, score = record.stages, record.score
    search = read_search(folder) if running and not stages and score is None else None
    spent = sum(clock.spent.values()) / 60 if clock else record.clock.minutes
    league = record.league.name
    last = stages.get("finetune") or stages.get("pretrain")
    return LiveEntry(
        name=folder.name,
        state=state_of(folder, record, clock, running, progress, search),
        is_running=running,
        changed=changed(folder),
        minutes_left=max(0.0, record.clock.limit - spent),
        progress=progress,
        search=None if progress else search,
        validation=last.validation if last else {},
        score=score and score.value,
        metric=metric_of(LEAGUES[league]).LABEL if league in LEAGUES else "score",
        is_official=record.official,
    )


def state_of(folder: Path, record: Record, clock: State | None, running: bool, progress, search) -> str:
    """Say in a few words what an entry is doing."""
    purpose = clock.running if clock else None
    if running:
        if progress:
            return f"training {STAGES.get(progress.stage, progress.stage)}"
        if search or (folder / "tune").is_dir() and not record.stages:
            return "searching"
        doing = {None: "loading", "score": "scoring"}
        return doing.get(purpose, "validating")
    if record.score:
        return "done, official" if record.official else "done, open"
    if record.diverged:
        return f"diverged in {STAGES.get(record.diverged.stage, 'training')}"
    if purpose is not None:
        return "interrupted"
    complete = [words for name, words in STAGES.items() if name in record.stages]
    return f"{complete[-1]} complete" if complete else "stopped"


def read_clock(folder: Path) -> State | None:
    """Return clock.json as it is; not through Clock, which takes one that runs for one that was killed."""
    try:
        return read_as(State, folder / "clock.json")
    except (OSError, ValueError):
        return None


def read_search(folder: Path) -> LiveSearch | None:
    """Return how far a search is; None before its first trial ended, or where its file is damaged."""
    try:
        study = read_as(Study, folder / "tune" / "study.json", MAX_STUDY_BYTES)
    except (OSError, ValueError):
        return None
    if study.state != "searching":
        return None
    scores = [(study.best or {}).get(name) for name in ("validation", "pretrain_validation")]
    best = next((score for score in scores if isinstance(score, float) and abs(score) < 1e15), None)
    return LiveSearch(len(study.trials), study.used_minutes, study.budget_minutes, best)


def changed(folder: Path) -> float:
    """Return when an entry was last heard of."""
    times = [0.0]
    for name in ("record.json", "clock.json"):
        try:
            times.append((folder / name).stat().st_mtime)
        except OSError:
            pass
    return max(times)


def is_shown(row: LiveEntry) -> bool:
    """Tell whether an entry is part of what is going on: at work, or left a while ago without a score."""
    return row.is_running or (row.score is None and time.time() - row.changed < RECENT)
