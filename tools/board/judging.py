"""From what was handed in to a row: the record's shape and verdict, the files, and the score from the translations."""

import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from league.data.corpora import load_split
from league.errors import UserError
from league.record.rules import SCHEDULE, STRUCTURE, clock_problems, describe, verdict_problems
from league.record.shape import parse_record
from league.tasks import bleu
from league.tasks.resampling import interval
from league.untrusted import parse_json
from league_config import LEAGUES, League

from .cache import Cache
from .handed_in import RECORD, STAGES, HandedIn, Refused, shown
from .rows import Row

MOST_REASONS = 8  # that are told of one entry


class TestSets:
    """The test sets that are at hand, loaded when first asked for."""

    def __init__(self, data_dir: str | None):
        self.data_dir = data_dir
        self.loaded: dict[str, Any] = {}

    def of(self, league: League):
        """Return a league's test set, or why it is not at hand."""
        if league.name not in self.loaded:
            try:
                self.loaded[league.name] = load_split(league, league.pretrain.corpus, "test", self.data_dir)
            except UserError as error:
                self.loaded[league.name] = f"its test set is not at hand: {error}"
        return self.loaded[league.name]


def judge(handed_in: HandedIn, tests: TestSets, cache: Cache) -> Row:
    """Return the row of an entry, judged by all that costs little; raise Refused for what is none."""
    content = handed_in.read(RECORD)
    try:
        record = parse_record(content)
    except ValueError as error:
        raise Refused(f"{RECORD} is damaged ({shown(str(error), 300)})") from None
    if "score" not in record:
        raise Refused("has no score yet")
    row = _row(handed_in, record, hashlib.sha256(content).hexdigest())
    wrong = list(_problems(handed_in, record, row, tests, cache))
    if wrong:
        row.refute(_few(wrong))
    elif broken := record["broken_rules"]:
        row.state = "late" if all(_is_lateness(rule, record) for rule in broken) else "open"
        row.reasons = _few([describe(rule) for rule in broken])
    return row


def _row(handed_in: HandedIn, record: dict[str, Any], digest: str) -> Row:
    asked, score, clock = record["asked"], record["score"], record["clock"]
    low, high = score["bleu_interval"]
    if not (0 <= score["bleu"] <= 100 + 1e-6 and -1 <= low <= high <= 101 and 0 <= clock["minutes"]):
        raise Refused(f"{RECORD} is damaged (its score or its minutes cannot be)")
    return Row(
        id=digest[:24],
        handed_in=handed_in,
        entry=record["entry"],
        league=(record["league"]["name"], record["league"]["version"]),
        bleu=score["bleu"],
        interval=(low, high),
        seed=asked.get("seed"),
        values={name: asked.get(name) for name in (*STRUCTURE, *SCHEDULE)},
        minutes=clock["minutes"],
        trials=record["trials"],
        test_openings=record["test_openings"],
        device=_device(record),
        weights=score["weights"].get("model.safetensors", ""),
        state="claimed",
        seeds_mean=score["bleu"],
    )


def _device(record: dict[str, Any]) -> str:
    facts = record["stages"].get("finetune") or record["score"]
    many = facts["num_processes"]
    return shown(f"{many} × {facts['device']}" if many > 1 else facts["device"], 60)


def _few(reasons: list[str]) -> list[str]:
    told = [shown(reason, 300) for reason in reasons[:MOST_REASONS]]
    return [*told, f"and {len(reasons) - len(told)} more"] if len(reasons) > len(told) else told


def _is_lateness(rule: dict[str, Any], record: dict[str, Any]) -> bool:
    stage, _, field = rule["rule"].partition(".")
    if rule["rule"] == "clock.minutes":
        return record["clock"]["minutes"] > record["clock"]["limit"]
    return field == "steps" and stage in record["stages"] and record["stages"][stage]["out_of_time"]


def _problems(handed_in: HandedIn, record: dict[str, Any], row: Row, tests: TestSets, cache: Cache) -> Iterator[str]:
    # In two steps: a record that is no shape to be judged by these rules must not stop the board.
    try:
        yield from verdict_problems(record)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise Refused(f"{RECORD} cannot be judged ({shown(str(error), 100)})") from None
    yield from _files(handed_in, record)
    yield from _clock(handed_in, record)
    yield from _score(handed_in, record, row, tests, cache)


def _files(handed_in: HandedIn, record: dict[str, Any]) -> Iterator[str]:
    for path in sorted(path for path in handed_in.files if path.startswith(STAGES)):
        stage, _, name = path.partition("/")
        told = record["stages"].get(stage, {}).get("sha256", {}).get(name)
        if told is None:
            yield f"{path} is there, and not in the record"
        elif handed_in.digest(path) != told:
            yield f"{path} is not the file that was recorded (sha256 differs)"


def _clock(handed_in: HandedIn, record: dict[str, Any]) -> Iterator[str]:
    if "clock.json" not in handed_in.files:
        return
    try:
        spent = parse_json(handed_in.read("clock.json"))["spent"]
        spent = {name: float(seconds) for name, seconds in spent.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        yield "clock.json is damaged"
        return
    yield from clock_problems(spent, record)


def _score(handed_in: HandedIn, record: dict[str, Any], row: Row, tests: TestSets, cache: Cache) -> Iterator[str]:
    if "translations.txt" not in handed_in.files:
        row.notes.append("the score is as told: translations.txt was not handed in")
        return
    content = handed_in.read("translations.txt")
    digest = hashlib.sha256(content).hexdigest()
    if record["score"]["sha256"] != {"translations.txt": digest}:
        yield "translations.txt is not the file that was recorded (sha256 differs)"
        return
    test = tests.of(LEAGUES[row.league[0]]) if row.league[0] in LEAGUES else "its league is not known here"
    if isinstance(test, str):
        row.notes.append(f"the score is as told: {shown(test, 200)}")
        return
    if record["data"].get(test.name, {}).get("sha256") != test.report["sha256"]:
        row.notes.append("the score is as told: it was measured on another test set than the one at hand")
        return
    try:
        lines = lines_of(content)
    except UnicodeDecodeError:
        yield "translations.txt is not valid UTF-8"
        return
    if len(lines) != len(test.targets):
        yield f"translations.txt has {len(lines)} lines, the test set {len(test.targets)}"
        return
    counts = cache.array(f"{digest}-{test.report['sha256']}", lambda: bleu.statistics(lines, list(test.targets)))
    score, told = bleu.value(counts.sum(0)).item(), record["score"]["bleu"]
    if not math.isclose(score, told, rel_tol=1e-9, abs_tol=1e-9):
        yield f"BLEU is {score:.4f} by the translations, {told:.4f} by the record"
    span = interval(bleu, counts)
    if not np.allclose(span, row.interval, atol=2e-3):
        yield f"the interval is {_span(span)} by the translations, {_span(row.interval)} by the record"
    row.statistics = counts


def _span(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2f} to {interval[1]:.2f}"


def lines_of(translations: bytes) -> list[str]:
    """Return the sentences of a translations.txt."""
    return translations.decode("utf-8").removesuffix("\n").split("\n")


def key_of(handed_in: HandedIn, *more: str) -> str:
    """Return the digest of everything of an entry that a proof or a report looks at."""
    digests = {path: handed_in.digest(path) for path in sorted(handed_in.files)}
    return hashlib.sha256(json.dumps([digests, *more], sort_keys=True).encode()).hexdigest()
