"""From what was handed in to a row, by the checks that cost little; what they find is what tools.verify finds."""

import hashlib
import json
from typing import Any

from league.errors import printable
from league.proof.claim import Claim, quick_checks
from league.proof.data import DataAtHand
from league.proof.source import RECORD, Refused, Source, Unscored
from league.record.game import game_of
from league.record.rules import names_tuned
from league.record.shape import BrokenRule, Record, parse_record
from league.record.wording import in_words
from league.rulebook import STAGES
from league_config import LEAGUES

from .cache import Cache
from .rows import Row

MOST_REASONS = 8  # that are listed of one entry


def judge(source: Source, data: DataAtHand, cache: Cache) -> Row:
    """Return the row of an entry, judged by all that costs little; raise Refused for what is none."""
    content = source.read(RECORD)
    try:
        record = parse_record(content)
    except ValueError as error:
        raise Refused(f"{RECORD} is damaged ({printable(str(error), 300)})") from None
    if not record.score:
        raise Unscored("has no score yet")
    row = _row(source, record, hashlib.sha256(source.name.encode() + b"\0" + content).hexdigest())
    claim = Claim(record, source, data, is_whole=False, keep=cache.array)
    try:
        wrong = [problem for check in quick_checks(claim) for problem in check.problems]
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        # A record that is no shape to be judged by these rules must not stop the board.
        raise Refused(f"{RECORD} cannot be judged ({printable(str(error), 100)})") from None
    row.notes, row.statistics, row.game_log = claim.notes, claim.statistics, claim.game
    if wrong:
        row.refute(_few(wrong))
    elif broken := record.broken_rules:
        row.state = "late" if all(_is_lateness(rule, record) for rule in broken) else "open"
        row.reasons = _few([in_words(rule) for rule in broken])
    return row


def _row(source: Source, record: Record, digest: str) -> Row:
    score, clock = record.score, record.clock
    low, high = score.interval
    if not (0 <= score.value <= 100 + 1e-6 and -1 <= low <= high <= 101 and 0 <= clock.minutes):
        raise Refused(f"{RECORD} is damaged (its score or its minutes cannot be)")
    return Row(
        id=digest[:24],
        source=source,
        entry=record.entry,
        league=(record.league.name, record.league.version),
        score=score.value,
        interval=score.interval,
        seed=record.asked.get("seed"),
        values=_values(record),
        minutes=clock.minutes,
        trials=record.trials,
        test_openings=record.test_openings,
        device=_device(record),
        game=game_of(record),
        weights=score.weights.get("model.safetensors", ""),
        state="claimed",
        seeds_mean=score.value,
    )


def _values(record: Record) -> dict[str, Any]:
    """Return the TUNE values in their league's order; where it is not known here, what was asked for."""
    if record.league.name not in LEAGUES:
        return record.tuned
    rules = LEAGUES[record.league.name]
    return {name: record.asked.get(name) for stage in STAGES for name in names_tuned(rules, stage)}


def _device(record: Record) -> str:
    facts = record.stages.get("finetune") or record.score
    many = facts.num_processes
    device = printable(f"{many} × {facts.device}" if many > 1 else facts.device, 60)
    at_once = sum(record.workers.values())
    return f"{device}, {at_once} at once in its search" if at_once else device


def _few(reasons: list[str]) -> list[str]:
    listed = [printable(reason, 300) for reason in reasons[:MOST_REASONS]]
    return [*listed, f"and {len(reasons) - len(listed)} more"] if len(reasons) > len(listed) else listed


def _is_lateness(rule: BrokenRule, record: Record) -> bool:
    stage, _, field = rule.rule.partition(".")
    if rule.rule == "game.minutes":
        return True
    if rule.rule == "clock.minutes":
        return record.clock.minutes > record.clock.limit
    return field == "steps" and stage in record.stages and record.stages[stage].out_of_time


def key_of(source: Source, *more: str) -> str:
    """Return the digest of everything of an entry that a proof or a report looks at."""
    digests = {path: source.digest(path) for path in sorted(source.files)}
    return hashlib.sha256(json.dumps([digests, *more], sort_keys=True).encode()).hexdigest()
