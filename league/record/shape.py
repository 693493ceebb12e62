"""The shape of record.json: every field that it may hold, checked on writing and on reading."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from league.errors import UserError
from league.untrusted import parse_json, read_bytes
from league_config import FinetuneHP, ModelHP

RECORD_FORMAT = 2
MAX_ITEMS = 10_000
PLAIN = r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]"


@dataclass(frozen=True)
class Optional:
    """A field that may be missing."""

    shape: Any


@dataclass(frozen=True)
class OrNull:
    """A value that may be null."""

    shape: Any


@dataclass(frozen=True)
class Map:
    """A JSON object with any keys of a pattern."""

    shape: Any
    keys: str = r"\w[\w. -]{0,79}"


@dataclass(frozen=True)
class Text:
    """A string of a pattern; without control characters and halves of pairs, which upset terminals."""

    pattern: str = PLAIN + r"{0,300}"


NAME, DIGEST, ANY = Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"), Text(r"[0-9a-f]{64}"), object()
COUNT, NUMBER = int, float


def _tuned(kind: type) -> dict[str, Any]:
    shapes = {int: COUNT, float: NUMBER, str: Text()}
    hints = get_type_hints(kind, include_extras=True)
    return {name: Optional(shapes[get_args(hint)[0]]) for name, hint in hints.items()}


def _all_of(shape: dict[str, Any]) -> dict[str, Any]:
    return {name: value.shape for name, value in shape.items()}


SETTINGS = {
    "league": NAME,
    "seed": COUNT,
    "model_hp": _all_of(_tuned(ModelHP)),
    "finetune_hp": _all_of(_tuned(FinetuneHP)),
    "trials": COUNT,
    "minutes": NUMBER,
}
STAGE = {
    "steps": COUNT,
    "tokens": COUNT,
    "sentences_cut": COUNT,
    "loss": OrNull(NUMBER),
    "curve": [{"step": COUNT, "loss": NUMBER, "learning_rate": NUMBER}],
    "effective": Map(ANY),  # judged value by value, so that a wrong one is a verdict and not a damaged file
    "order": DIGEST,
    "started_from": OrNull(Map(DIGEST)),
    "reused": bool,
    "device": Text(),
    "precision": Text(),
    "num_processes": COUNT,
    "num_threads": COUNT,
    "minutes": NUMBER,
    "out_of_time": bool,
    "validation_bleu": Map(NUMBER),
    "validation_seconds": NUMBER,
    "sha256": Map(DIGEST),
}
SCORE = {
    "bleu": NUMBER,
    "bleu_signature": Text(),
    "bleu_interval": (NUMBER, NUMBER),
    "brevity_penalty": NUMBER,
    "chrf": NUMBER,
    "chrf_signature": Text(),
    "sentences": COUNT,
    "decoding": Map(ANY),
    "weights": Map(DIGEST),
    "device": Text(),
    "precision": Text(),
    "num_processes": COUNT,
    "sha256": Map(DIGEST),
}
RECORD = {
    "format": COUNT,
    "entry": NAME,
    "asked": {"league": NAME, "seed": Optional(COUNT), **_tuned(ModelHP), **_tuned(FinetuneHP)},
    "league": {"name": NAME, "version": COUNT, "fingerprint": Text(r"[0-9a-f]{16}"), "fixed": Map(ANY)},
    "data": Map(
        {
            "origin": Text("files|hub|generated"),
            "rows": COUNT,
            "dropped_one_sided": COUNT,
            "dropped_broken": COUNT,
            "used": COUNT,
            "sha256": DIGEST,
        }
    ),
    "stages": {"pretrain": Optional(STAGE), "finetune": Optional(STAGE)},
    "diverged": Optional({"stage": NAME, "step": COUNT, "loss": OrNull(NUMBER)}),
    "score": Optional(SCORE),
    "clock": {"minutes": NUMBER, "limit": NUMBER, "spent": Map(NUMBER), "interruptions": COUNT},
    "trials": COUNT,
    "test_openings": COUNT,
    "versions": Map(Text()),
    "code": DIGEST,
    "official": bool,
    "broken_rules": [{"rule": Text(), "expected": ANY, "found": ANY}],
}


def problems(value: Any, shape: Any = RECORD, path: str = "record") -> list[str]:
    """Return what is wrong with a value, place by place."""
    if isinstance(shape, OrNull):
        return [] if value is None else problems(value, shape.shape, path)
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{path} is not an object"]
        wrong = [f"{path} has the unknown field {key[:60]!r}" for key in value if key not in shape]
        for key, inner in shape.items():
            may_miss = isinstance(inner, Optional)
            if key in value:
                wrong += problems(value[key], inner.shape if may_miss else inner, f"{path}.{key}")
            elif not may_miss:
                wrong.append(f"{path}.{key} is missing")
        return wrong
    if isinstance(shape, tuple):
        if not isinstance(value, list) or len(value) != len(shape):
            return [f"{path} is not a list of {len(shape)}"]
        return [one for i, item in enumerate(value) for one in problems(item, shape[i], f"{path}[{i}]")]
    if isinstance(shape, list):
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            return [f"{path} is not a list of at most {MAX_ITEMS:,}"]
        return [one for i, item in enumerate(value) for one in problems(item, shape[0], f"{path}[{i}]")]
    if isinstance(shape, Map):
        if not isinstance(value, dict) or not all(re.fullmatch(shape.keys, key) for key in value):
            return [f"{path} is not an object with plain names"]
        return [one for key, item in value.items() for one in problems(item, shape.shape, f"{path}.{key}")]
    return [] if _is_plain(value, shape) else [f"{path} is {str(value)[:60]!r}"]


def _is_plain(value: Any, shape: Any) -> bool:
    if shape is ANY:
        return _holds_plain_texts(value)
    if shape is bool:
        return isinstance(value, bool)
    if isinstance(shape, Text):
        return isinstance(value, str) and re.fullmatch(shape.pattern, value) is not None
    if isinstance(value, bool) or not isinstance(value, int if shape is COUNT else (int, float)):
        return False
    return (0 <= value < 2**53) if shape is COUNT else abs(value) < 1e15


_is_plain_text = re.compile(PLAIN + "*").fullmatch


def _holds_plain_texts(value: Any) -> bool:
    if isinstance(value, str):
        return _is_plain_text(value) is not None
    if isinstance(value, dict):
        return all(map(_is_plain_text, value)) and all(map(_holds_plain_texts, value.values()))
    return not isinstance(value, list) or all(map(_holds_plain_texts, value))


def read_record(path: Path) -> dict[str, Any]:
    """Read a record, whoever wrote it, or say in one line what is wrong with it."""
    try:
        return parse_record(read_bytes(path))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}); put it back from a copy, or start another --entry.") from None


def parse_record(content: bytes) -> dict[str, Any]:
    """Read a record that is in memory; a ValueError says what is wrong with it."""
    record = parse_json(content)
    found = record.get("format") if isinstance(record, dict) else None
    if isinstance(found, int) and found != RECORD_FORMAT:
        raise ValueError(f"format {found} of another version of the league; this one reads format {RECORD_FORMAT}")
    if not _fits_record(record):
        wrong = problems(record)
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ValueError(f"{wrong[0]}{more}")
    return record


def fitting(shape: Any) -> Callable[[Any], bool]:
    """Return a test that says of a value what `problems` says, without the words, several times faster."""
    if isinstance(shape, Optional):
        return fitting(shape.shape)
    if isinstance(shape, OrNull):
        inner = fitting(shape.shape)
        return lambda value: value is None or inner(value)
    if isinstance(shape, dict):
        return _fitting_object(shape)
    if isinstance(shape, tuple):
        parts = [fitting(part) for part in shape]
        return lambda value: (
            type(value) is list
            and len(value) == len(parts)
            and all(part(item) for part, item in zip(parts, value, strict=True))
        )
    if isinstance(shape, list):
        item_fits = fitting(shape[0])
        return lambda value: type(value) is list and len(value) <= MAX_ITEMS and all(map(item_fits, value))
    if isinstance(shape, Map):
        key_fits, item_fits = re.compile(shape.keys).fullmatch, fitting(shape.shape)
        return lambda value: type(value) is dict and all(map(key_fits, value)) and all(map(item_fits, value.values()))
    if isinstance(shape, Text):
        matches = re.compile(shape.pattern).fullmatch
        return lambda value: type(value) is str and matches(value) is not None
    if shape is NUMBER:
        return lambda value: type(value) is float and -1e15 < value < 1e15 or _is_plain(value, NUMBER)
    if shape is COUNT:
        return lambda value: type(value) is int and 0 <= value < 2**53
    return _holds_plain_texts if shape is ANY else lambda value: _is_plain(value, shape)


def _fitting_object(shape: dict[str, Any]) -> Callable[[Any], bool]:
    parts = {name: fitting(inner) for name, inner in shape.items()}
    required = {name for name, inner in shape.items() if not isinstance(inner, Optional)}

    def fits(value: Any) -> bool:
        if type(value) is not dict or not (required <= value.keys()):
            return False
        try:
            for name, inner in value.items():
                if not parts[name](inner):
                    return False
        except KeyError:  # a field that nobody knows
            return False
        return True

    return fits


_fits_record = fitting(RECORD)
