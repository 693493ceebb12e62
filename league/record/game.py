"""A game: the entries that somebody makes within one run of a clock, and that clock held against their records."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from msgspec import Meta, Struct

from league.record.clock import MOST_SECONDS
from league.record.shape import GameFacts, GameId, Record
from league.untrusted import MAX_ITEMS, Key, Name, Number

LOG = "game.json"  # an entry's own copy of the game's clock
CLOSE, PER_KILL = 0.02, 0.07  # minutes: two files of one command, and what a kill may hide in both of them
Seconds = Annotated[float, Meta(ge=0, lt=MOST_SECONDS)]


class Span(Struct, forbid_unknown_fields=True):
    """A stretch of one entry's work, in seconds."""

    entry: Name
    purpose: Key
    began: Number
    ended: Number


class Share(Struct, forbid_unknown_fields=True):
    """What a process writes: its work, and what it took over from outside of the game."""

    spans: Annotated[list[Span], Meta(max_length=MAX_ITEMS)]
    taken: dict[Key, Seconds]
    is_running: bool


class Begun(Struct, forbid_unknown_fields=True):
    """What is written once, when a game begins."""

    id: GameId
    league: Name
    began: Number


class GameLog(Struct, forbid_unknown_fields=True):
    """The whole game up to an entry's last command, in seconds since it began."""

    name: Name
    id: GameId
    spans: Annotated[list[Span], Meta(max_length=MAX_ITEMS)]
    taken: dict[Key, Seconds]

    @property
    def minutes(self) -> float:
        return seconds_of(self.spans, self.taken) / 60

    @property
    def entries(self) -> set[str]:
        return {span.entry for span in self.spans}

    @property
    def test_openings(self) -> int:
        return sum(span.purpose == "score" for span in self.spans)


def union(spans: Iterable[tuple[float, float]]) -> float:
    """Return how long at least one of the spans lasted."""
    total, reached = 0.0, float("-inf")
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, reached))
        reached = max(reached, ended)
    return total


def seconds_of(spans: Iterable[Span], taken: dict[str, float]) -> float:
    return union((span.began, span.ended) for span in spans) + sum(taken.values())


def facts_of(log: GameLog) -> GameFacts:
    """Return what a record says of its game."""
    return GameFacts(log.name, log.id, round(log.minutes, 2), len(log.entries), log.test_openings)


def game_of(record: Record) -> GameFacts | None:
    """Return the game that an entry belongs to; None of practice."""
    return record.game if isinstance(record.game, GameFacts) else None


def game_problems(log: GameLog, record: Record) -> Iterator[str]:
    """Hold a game's clock against the record of one of its entries."""
    game, found = game_of(record), facts_of(log)
    if game is None:
        yield f"{LOG} is there, and the record names no game"
        return
    for name in ("name", "id", "entries", "test_openings"):
        if getattr(game, name) != getattr(found, name):
            yield f"the game's {name} is {getattr(found, name)} by {LOG}, {getattr(game, name)} by the record"
    if abs(game.minutes - found.minutes) > 0.02:
        yield f"the game's clock stands at {found.minutes:.2f} minutes by {LOG}, {game.minutes:.2f} by the record"
    if any(span.ended < span.began for span in log.spans):
        yield f"{LOG} has work that ended before it began"
    may_differ = CLOSE + PER_KILL * record.clock.interruptions
    if game.minutes < record.clock.minutes - may_differ:
        yield f"the game took {game.minutes:.2f} minutes, and this entry alone {record.clock.minutes:.2f}"
    reused = {name for name, facts in record.stages.items() if facts.reused}
    for purpose in sorted({*record.stages, "score"} - reused):
        spans = [one for one in log.spans if (one.entry, one.purpose) == (record.entry, purpose)]
        own = union((one.began, one.ended) for one in spans)
        if own / 60 < record.clock.spent.get(purpose, 0.0) - may_differ:
            yield f"{purpose} took {record.clock.spent[purpose]:.2f} minutes by the record, {own / 60:.2f} by {LOG}"


def hidden_minutes(log: GameLog, others: Iterable[GameLog]) -> float:
    """Return how much of a game's time its log leaves out, by what other entries of the game know of it."""
    last = max((span.ended for span in log.spans), default=0.0)
    spans = [span for other in (log, *others) for span in other.spans if span.began < last]
    known = [(span.began, min(span.ended, last)) for span in spans]
    return (union(known) - union((span.began, span.ended) for span in log.spans)) / 60
