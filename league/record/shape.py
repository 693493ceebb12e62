"""The shape of record.json: every field that it may hold, checked on writing and on reading."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from league.errors import UserError
from league.files import write_json
from league.record.clock import MOST_SECONDS
from league.untrusted import (
    MAX_ITEMS,
    Count,
    Digest,
    Key,
    Name,
    Number,
    Scalar,
    Text,
    as_type,
    demand_plain_texts,
    parse_json,
    read_bytes,
)

RECORD_FORMAT = 3
Digests = dict[Key, Digest]  # file -> sha256
Minutes = Annotated[float, Meta(gt=-MOST_SECONDS / 60, lt=MOST_SECONDS / 60)]  # as many as a clock can hold
Plain = Any  # judged value by value, so that a wrong one is a verdict and not a damaged file; texts are looked at


# msgspec rather than pydantic: one package without dependencies, and a command that reads a record starts at once.
class _Facts(Struct, forbid_unknown_fields=True, omit_defaults=True):
    pass


class LeagueFacts(_Facts):
    name: Name
    version: Count
    fingerprint: Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
    fixed: dict[Key, Plain]

    def __post_init__(self):
        demand_plain_texts(self.fixed)


class DataFacts(_Facts):
    origin: Literal["files", "hub", "generated"]
    rows: Count
    dropped_one_sided: Count
    dropped_broken: Count
    used: Count
    sha256: Digest
    dropped_by_filters: Count = 0


class CurvePoint(_Facts):
    step: Count
    loss: Number
    learning_rate: Number


class StageFacts(_Facts):
    steps: Count
    tokens: Count
    sentences_cut: Count
    loss: Number | None
    curve: Annotated[list[CurvePoint], Meta(max_length=MAX_ITEMS)]
    effective: dict[Key, Plain]  # read back from the trained objects
    order: Digest
    started_from: Digests | None
    reused: bool
    device: Text
    precision: Text
    num_processes: Count
    num_threads: Count
    minutes: Minutes
    out_of_time: bool
    validation: dict[Key, Number]  # the metric by domain
    validation_seconds: Number
    sha256: Digests
    rows_too_long: Count = 0  # that a filter by length in tokens left out
    figures: dict[Key, Number] = {}  # further ones of the validation
    from_search: bool = False  # taken over from a trial of the entry's own search

    def __post_init__(self):
        demand_plain_texts(self.effective)


class Divergence(_Facts):
    stage: Name
    step: Count
    loss: Number | None


class ScoreFacts(_Facts):
    metric: Name
    value: Number
    interval: tuple[Number, Number]
    signature: Text
    rows: Count
    extras: dict[Key, Scalar]  # further figures of the metric
    decoding: dict[Key, Plain]
    weights: Digests
    device: Text
    precision: Text
    num_processes: Count
    sha256: Digests

    def __post_init__(self):
        demand_plain_texts(self.decoding)


class ClockFacts(_Facts):
    minutes: Minutes
    limit: Number
    spent: dict[Key, Minutes]  # by purpose
    interruptions: Count


GameId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{12}\Z")]


class GameFacts(_Facts):
    """The game that an entry belongs to, as it stood at its last command."""

    name: Name
    id: GameId
    minutes: Minutes
    entries: Count
    test_openings: Count


class BrokenRule(_Facts):
    rule: Text
    expected: Plain
    found: Plain

    def __post_init__(self):
        demand_plain_texts([self.expected, self.found])


class Record(_Facts, kw_only=True):
    format: Literal[RECORD_FORMAT]
    entry: Name
    asked: dict[Key, Scalar]  # TUNE values by name, the league and the seed
    league: LeagueFacts
    data: dict[Key, DataFacts]
    stages: dict[Literal["pretrain", "finetune"], StageFacts]
    diverged: Divergence | None = None
    score: ScoreFacts | None = None
    clock: ClockFacts
    game: GameFacts | Literal["practice"] | None = None  # None in records from before there were games
    trials: Count
    workers: Annotated[dict[Text, Count], Meta(max_length=MAX_ITEMS)] = {}  # of a search at once, by kind of device
    test_openings: Count
    versions: dict[Key, Text]
    code: Digest
    official: bool
    broken_rules: Annotated[list[BrokenRule], Meta(max_length=MAX_ITEMS)]

    def __post_init__(self):
        as_type(Name, self.asked.get("league"))
        as_type(Count, self.asked.get("seed", 0))

    @property
    def tuned(self) -> dict[str, int | float | str]:
        """Return the TUNE values that were asked for, of both stages."""
        return {name: value for name, value in self.asked.items() if name not in ("league", "seed")}

    def data_digests(self) -> dict[str, str]:
        return {name: facts.sha256 for name, facts in self.data.items()}


def read_record(path: Path) -> Record:
    """Read a record, whoever wrote it, or say in one line what is wrong with it."""
    try:
        return parse_record(read_bytes(path))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}); put it back from a copy, or start another --entry.") from None


def parse_record(content: bytes) -> Record:
    """Read a record that is in memory; a ValueError says what is wrong with it."""
    return as_record(parse_json(content))


def as_record(value: Any) -> Record:
    """Check a record that is plain JSON; a ValueError says what is wrong with it."""
    record_format = value.get("format") if isinstance(value, dict) else None
    if record_format == 2:
        value = from_format_2(value)
    elif isinstance(record_format, int) and record_format != RECORD_FORMAT:
        raise ValueError(f"format {record_format} of another version of the league; this one reads {RECORD_FORMAT}")
    return as_type(Record, value)


def write_record(path: Path, record: Record) -> None:
    """Write a record, whole or not at all."""
    value = as_json(record)
    as_record(value)  # which refuses what could not be read again
    write_json(path, value)


def as_json(record: Record) -> dict[str, Any]:
    """Return a record as the plain values that its file holds."""
    return msgspec.to_builtins(record)


def from_format_2(old: dict[str, Any]) -> dict[str, Any]:
    """Return a record of format 2, whose metric was always BLEU, as one of this format."""
    try:
        stages = {name: _renamed(facts, _STAGE_2) for name, facts in old["stages"].items()}
        new = old | {"format": RECORD_FORMAT, "stages": stages}
        new["broken_rules"] = [
            broken | {"rule": "score.rows" if broken["rule"] == "score.sentences" else broken["rule"]}
            for broken in old["broken_rules"]
        ]
        if "score" in old:
            score = _renamed(old["score"], _SCORE_2)
            extras = {name: score.pop(name) for name in ("brevity_penalty", "chrf", "chrf_signature")}
            new["score"] = score | {"metric": "bleu", "extras": extras}
        return new
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"format 2, and not whole: {error}") from None


_STAGE_2 = {"validation_bleu": "validation"}
_SCORE_2 = {"bleu": "value", "bleu_interval": "interval", "bleu_signature": "signature", "sentences": "rows"}


def _renamed(facts: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    if missing := names.keys() - facts:
        raise KeyError(min(missing))
    return {names.get(name, name): value for name, value in facts.items()}
