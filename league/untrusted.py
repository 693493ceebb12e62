"""JSON that anyone may have written, read without trust in its size, depth or numbers, and checked by a type."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

MAX_BYTES = 2_000_000  # a record has some 20,000; nothing longer is read
MAX_DEPTH = 20
MAX_ITEMS = 10_000  # of a list whose length is free
MOST_LETTERS = 200  # of a reason: a stranger's field may have any name

# Without control characters and halves of surrogate pairs, which upset terminals.
PLAIN = r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]"
Name = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
Key = Annotated[str, Meta(pattern=r"\A\w[\w. -]{0,79}\Z")]
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Text = Annotated[str, Meta(pattern=rf"\A{PLAIN}{{0,300}}\Z")]
Count = Annotated[int, Meta(ge=0, lt=2**53)]
Number = Annotated[float, Meta(gt=-1e15, lt=1e15)]
Scalar = Annotated[int, Meta(gt=-(2**53), lt=2**53)] | Number | Text  # a value of a command line

T = TypeVar("T")


def read_as(kind: type[T], path: Path, max_bytes: int = MAX_BYTES) -> T:
    """Read a file as a value of a type; a ValueError or an OSError says what is wrong with it."""
    return as_type(kind, read_json(path, max_bytes))


def as_type(kind: type[T], value: Any) -> T:
    """Return a JSON value as one of a type; a ValueError says in one line what is wrong with it."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        reason = str(error).replace("$.", "").replace(" - at `$`", "")
        raise ValueError(reason if len(reason) <= MOST_LETTERS else reason[:MOST_LETTERS] + "…") from None


_is_plain = re.compile(PLAIN + "*").fullmatch


def demand_plain_texts(value: Any) -> None:
    """Refuse a JSON value that holds a text, however deep, which upsets a terminal."""
    if isinstance(value, str) and not _is_plain(value):
        raise ValueError("holds a text with control characters")
    if isinstance(value, dict):
        demand_plain_texts(list(value))
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            demand_plain_texts(item)


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


# Not msgspec's own decoder: where a key comes twice it checks both values, and the last one counts.
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
