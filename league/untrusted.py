"""JSON that anyone may have written, read without trust in its size, depth or numbers."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MAX_BYTES = 2_000_000  # a record has some 20,000; nothing longer is read
MAX_DEPTH = 20


def read_json(path: Path, max_bytes: int = MAX_BYTES) -> Any:
    """Read a JSON file that anyone may have written; a ValueError or an OSError says what is wrong with it."""
    return parse_json(read_bytes(path, max_bytes), max_bytes)


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a plain file up to a size; one that is longer is cut there, for `parse_json` to refuse."""
    if path.is_symlink() or not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    with path.open("rb") as file:
        return file.read(max_bytes + 1)


def parse_json(content: bytes, max_bytes: int = MAX_BYTES) -> Any:
    """Parse JSON that anyone may have written; a ValueError says what is wrong with it."""
    if len(content) > max_bytes:
        raise ValueError(f"more than {max_bytes:,} bytes")
    try:
        value = _DECODER.decode(content.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _refuse_what_cannot_be_passed_on([value], MAX_DEPTH)
    return value


def _refuse_constant(word: str):
    raise ValueError(f"{word} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _refuse_what_cannot_be_passed_on(values: Iterable[Any], depth: int) -> None:
    # 1e999 becomes an infinity that cannot be written, 10**400 no float at all.
    if depth == 0:
        raise ValueError("nested too deeply")
    for value in values:
        kind = type(value)
        if (kind is float or kind is int) and not -1e308 < value < 1e308:
            raise ValueError("holds a number beyond all measure")
        if kind is dict:
            _refuse_what_cannot_be_passed_on(value.values(), depth - 1)
        elif kind is list:
            _refuse_what_cannot_be_passed_on(value, depth - 1)
