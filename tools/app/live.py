"""What the entries of a folder are doing now, from the files that they leave."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import Struct

from league.errors import UserError
from league.record.clock import State
from league.record.folder import last_stage, last_step
from league.record.game import game_of
from league.record.game_clock import GameClock, game_names, opened
from league.record.shape import Record, StageFacts
from league.report.texts import say, say_stage
from league.rulebook import STAGES
from league.run.progress import Progress, is_running, read_progress
from league.tasks.metric import metric_of
from league.untrusted import Count, Name, Number, read_as
from league_config import LEAGUES
from tools.tune.lines import MOST_BYTES_OF_STUDY, RUNNING, Running, RunningFile

from .folder import Folder, record_of

MOST_TRIALS, MOST_BEHIND = 200, 4  # trials of a search, and curves of earlier runs, that are drawn
RECENT = 3 * 3600.0  # seconds after which an entry that nobody works on is left out


class Trial(Struct):
    """A trial of a search, as far as it is shown."""

    number: Count = 0
    stage: str = ""
    fidelity: Number = 1.0
    validation: Number | None = None


class Study(Struct):
    """How far a search is: the part of its study.json that is shown here, and the trials that run."""

    state: Name
    used_minutes: Number
    budget_minutes: Number
    trials: list[Trial]
    best: dict[str, Any] | None
    running: list[Running] = []  # which stand in a file of their own

    @property
    def best_score(self) -> float | None:
        """Return the score of the best trial on validation."""
        scores = [(self.best or {}).get(name) for name in ("validation", "pretrain_validation")]
        return next((score for score in scores if isinstance(score, float) and abs(score) < 1e15), None)


@dataclass
class LiveEntry:
    """One entry, as those who look on see it."""

    name: str
    state: str
    is_running: bool = False
    changed: float = 0.0  # time of its last sign of life
    minutes_left: float | None = None
    progress: Progress | None = None
    search: Study | None = None
    validation: dict[str, float] = field(default_factory=dict)  # the scores after the last complete stage
    behind: list[list[tuple[float, float]]] = field(default_factory=list)  # the curves of earlier runs of this stage
    score: float | None = None
    metric: str = "score"
    validated_by: str = "score"  # the metric of the last complete stage
    tried_by: str = "score"  # the metrics of a search's trials, of both stages
    is_official: bool = False
    minutes: float = 0.0
    game: str = ""
    league: str = ""
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # of complete stages, by share and loss


def look(folder: Folder, clocks: Iterable[GameClock] = ()) -> list[LiveEntry]:
    """Return all entries, by name, with what the clocks of their games have left.

    One that is damaged says so, one that vanishes is left out.
    """
    rows = []
    for name in folder.names():
        path = folder.path / name
        try:
            rows.append(row_of(path))
        except UserError:  # the board tells what is wrong with it
            rows.append(LiveEntry(name, say("live.damaged"), changed=changed(path)))
        except OSError:
            continue
    left = {game.name: game.left / 60 for game in clocks}
    for row in rows:
        if row.minutes_left is not None:
            row.minutes_left = max(0.0, min(row.minutes_left, left.get(row.game, row.minutes_left)))
        if row.progress:
            row.behind = earlier(rows, row)
    return rows


def earlier(rows: list[LiveEntry], row: LiveEntry) -> list[list[tuple[float, float]]]:
    """Return the curves of the last runs of the same stage and league."""
    stage = row.progress.stage
    others = [one for one in rows if one is not row and one.league == row.league and stage in one.curves]
    return [one.curves[stage] for one in sorted(others, key=lambda one: -one.changed)[:MOST_BEHIND]]


def row_of(folder: Path) -> LiveEntry:
    """Return one entry."""
    record, clock, running = record_of(folder), read_clock(folder), is_running(folder)
    progress = read_progress(folder)
    stages, score = record.stages, record.score
    search = read_search(folder) if running and not stages and score is None else None
    spent = sum(clock.spent.values()) / 60 if clock else record.clock.minutes
    league, game = record.league.name, game_of(record)
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
        minutes=spent,
        game=game.name if game else "",
        league=league,
        curves={name: curve_of(facts) for name, facts in stages.items() if facts.steps},
        metric=label_of(league),
        validated_by=label_of(league, last_stage(record)),
        tried_by=" / ".join(dict.fromkeys(label_of(league, stage) for stage in STAGES)),
        is_official=record.official,
    )


def label_of(league: str, stage: str = "") -> str:
    """Return what pages call a stage's metric, or the score."""
    return metric_of(LEAGUES[league], stage).LABEL if league in LEAGUES else "score"


def state_of(folder: Path, record: Record, clock: State | None, running: bool, progress, search) -> str:
    """Say in a few words what an entry is doing."""
    purpose = clock.running if clock else None
    if running:
        if progress:
            return say("live.training", stage=say_stage(progress.stage))
        if search or (folder / "tune").is_dir() and not record.stages:
            return say("live.searching")
        if record.score and purpose is None:
            return say("live.drawing")
        doing = {None: "loading", "score": "scoring"}
        return say(f"live.{doing.get(purpose, 'validating')}")
    if record.score:
        return say("live.official") if record.official else say("live.open")
    if record.diverged:
        return say("live.diverged", stage=say_stage(record.diverged.stage))
    if stopped := stopped_at(folder, record):
        return stopped
    if purpose is not None:
        return say("live.interrupted")
    complete = [name for name in STAGES if name in record.stages]
    return say("live.complete", stage=say_stage(complete[-1])) if complete else say("live.stopped")


def stopped_at(folder: Path, record: Record) -> str | None:
    """Say at which step an entry stopped, where it left a checkpoint in the midst of a stage."""
    stage = next((name for name in STAGES if name not in record.stages), None)
    step = last_step(folder, stage) if stage else 0
    if not step or record.league.name not in LEAGUES:
        return None
    most = LEAGUES[record.league.name].steps(stage, record.asked)
    return say("live.stopped_at", stage=say_stage(stage), step=f"{step:,}", most=f"{most:,}")


def curve_of(facts: StageFacts) -> list[tuple[float, float]]:
    """Return a learning curve by the share of the steps."""
    return [(point.step / facts.steps, point.loss) for point in facts.curve]


def games(folder: Folder) -> list[GameClock]:
    """Return the clocks of the games that are played in a folder."""
    found = []
    for name in game_names(folder.path):
        try:
            clock = opened(name, folder.path)
            _ = clock.used  # reads what its processes have written, which may be damaged
        except (OSError, UserError):
            continue
        found.append(clock)
    return found


def read_clock(folder: Path) -> State | None:
    """Return clock.json as it is; not through Clock, which takes one that runs for one that was killed."""
    try:
        return read_as(State, folder / "clock.json")
    except (OSError, ValueError):
        return None


def read_search(folder: Path) -> Study | None:
    """Return how far a search is; None before its first trial ended, or where its file is damaged."""
    try:
        study = read_as(Study, folder / "tune" / "study.json", MOST_BYTES_OF_STUDY)
    except (OSError, ValueError):
        return None
    if study.state != "searching":
        return None
    study.trials = study.trials[-MOST_TRIALS:]
    try:
        study.running = read_as(RunningFile, folder / "tune" / RUNNING).trials
    except (OSError, ValueError):
        study.running = []
    return study


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
