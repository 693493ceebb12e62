"""What a record claims, held against the rules, the files and the test set: the checks that need no model."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from league.errors import UserError, printable
from league.proof.data import DataAtHand
from league.proof.source import CLOCK, GAME, Refused, Source
from league.record.clock import State
from league.record.folder import unnamed
from league.record.game import GameLog, game_of, game_problems
from league.record.rules import broken_rules, clock_problems
from league.record.shape import Record
from league.record.wording import in_words
from league.rulebook import STAGES, League
from league.tasks.metric import metric_of
from league.tasks.predictions import predictions_of
from league.tasks.resampling import interval
from league.tasks.task import task_of
from league.untrusted import as_type, parse_json
from league_config import LEAGUES

# Of a figure out of 100: the same numbers, added up in another order or rounded to 32 bits by an older version.
CLOSE = 1e-5


class Check(NamedTuple):
    """What was looked at, and what is wrong with it, if anything."""

    name: str
    problems: list[str]


@dataclass
class Claim:
    """A scored entry that somebody claims to have played; `notes` say what could not be checked."""

    record: Record
    source: Source
    data: DataAtHand
    is_whole: bool = True  # else files may be missing, and figures beside the score are taken as they are
    keep: Callable[[str, Callable[[], np.ndarray]], np.ndarray] = lambda key, compute: compute()
    notes: list[str] = field(default_factory=list)
    statistics: np.ndarray | None = None  # of the test's rows, once the score is checked
    game: GameLog | None = None

    @property
    def league(self) -> League | None:
        return LEAGUES.get(self.record.league.name)

    @property
    def what(self) -> str:
        """Return what the task's predictions are called."""
        return task_of(self.league).predictions_file.partition(".")[0] if self.league else "predictions"


def quick_checks(claim: Claim) -> Iterator[Check]:
    """Check what takes neither a model nor the training data, the cheapest first."""
    yield Check("the verdict follows from the rules", list(verdict_problems(claim.record)))
    yield Check("the files are those that the record describes", list(file_problems(claim)))
    yield Check("the clock is the record's", list(_clock_problems(claim)))
    yield Check("the game's clock is the record's", list(_game_problems(claim)))
    yield Check(f"the score is that of the {claim.what}", list(score_problems(claim)))


def verdict_problems(record: Record) -> Iterator[str]:
    """Hold what a record says of itself against the rules."""
    broken = broken_rules(record)
    for rule in broken:
        if rule not in record.broken_rules:
            yield f"breaks a rule that it does not own up to: {in_words(rule)}"
    for rule in record.broken_rules:
        if rule not in broken:
            yield f"names a rule that it does not break: {in_words(rule)}"
    if record.official != (not broken):
        yield f"calls itself {'official' if record.official else 'open'}, and is not"


def file_problems(claim: Claim) -> Iterator[str]:
    """Hold the files that are there against the record; of a whole entry, also those that are not."""
    record, source = claim.record, claim.source
    recorded = dict(record.score.sha256)
    for stage, facts in record.stages.items():
        recorded |= {f"{stage}/{name}": digest for name, digest in facts.sha256.items()}
    for path in sorted(source.files & recorded.keys()):
        try:
            if source.digest(path) != recorded[path]:
                yield f"{path} is not the file that was recorded (sha256 differs)"
        except Refused as error:
            yield str(error)
    for path in sorted(path for path in source.files - recorded.keys() if path.startswith(STAGES)):
        yield f"{path} is there, and not in the record"
    if claim.league and record.score.sha256.keys() != {task_of(claim.league).predictions_file}:
        yield f"the record does not name {task_of(claim.league).predictions_file} alone as what was scored"
    if claim.is_whole:
        for stage, facts in record.stages.items():
            yield from (f"the record does not name {stage}/{name}" for name in unnamed(facts.sha256))
        clocks = [CLOCK, GAME] if game_of(record) else [CLOCK]
        yield from (f"{path} is missing" for path in [*recorded, *clocks] if path not in source.files)


def _clock_problems(claim: Claim) -> Iterator[str]:
    if CLOCK not in claim.source.files:
        return
    try:
        state = as_type(State, parse_json(claim.source.read(CLOCK)))
    except ValueError:
        yield f"{CLOCK} is damaged"
        return
    yield from clock_problems(state.spent, claim.record)


def _game_problems(claim: Claim) -> Iterator[str]:
    if GAME not in claim.source.files:
        return
    try:
        claim.game = as_type(GameLog, parse_json(claim.source.read(GAME)))
    except ValueError:
        yield f"{GAME} is damaged"
        return
    yield from game_problems(claim.game, claim.record)


def score_problems(claim: Claim) -> Iterator[str]:
    """Compute the score again from the predictions, where they and the test set are at hand."""
    record, league = claim.record, claim.league
    if league is None:
        claim.notes.append("the score is as claimed: its league is not known here")
        return
    task, metric = task_of(league), metric_of(league)
    if task.predictions_file not in claim.source.files:
        claim.notes.append(f"the score is as claimed: {task.predictions_file} was not handed in")
        return
    try:
        test = claim.data.test_set(league)
    except UserError as error:
        claim.notes.append(f"the score is as claimed: its test set is not at hand: {printable(str(error))}")
        return
    if record.data_digests().get(test.name) != test.report["sha256"]:
        claim.notes.append("the score is as claimed: it was measured on another test set than the one at hand")
        return
    content = claim.source.read(task.predictions_file)
    try:
        predictions = predictions_of(task.predictions_file, content)
    except ValueError as error:
        yield f"{task.predictions_file} {error}"
        return
    references = task.references(test)
    if len(predictions) != len(references):
        yield f"{task.predictions_file} has {len(predictions)} lines, the test set {len(references)}"
        return
    key = f"{metric.NAME}-{hashlib.sha256(content).hexdigest()}-{test.report['sha256']}"
    claim.statistics = claim.keep(key, lambda: metric.statistics(predictions, references))
    measured = {"value": metric.value(claim.statistics.sum(0)).item(), "interval": interval(metric, claim.statistics)}
    recorded = {"value": record.score.value, "interval": record.score.interval}
    if claim.is_whole:
        measured |= metric.extras(predictions, references, claim.statistics)
        recorded |= record.score.extras
    for name in dict.fromkeys([*measured, *recorded]):
        one, other = measured.get(name), recorded.get(name)
        if not _is_close(one, other):
            yield f"{name} is {one} by the {claim.what}, {other} by the record"


def _is_close(one: Any, other: Any) -> bool:
    if isinstance(one, tuple):
        return all(map(_is_close, one, other))
    are_numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return abs(one - other) <= CLOSE if are_numbers else one == other
