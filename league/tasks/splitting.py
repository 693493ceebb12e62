"""Texts that are too long for the model, in parts: sentences, else clauses, else words, else pieces of words."""

import re
from collections.abc import Callable, Iterator

# Not behind numbers and single letters: "am 3. Mai", "z. B.".
SENTENCES = re.compile(r"""(?:(?<=[^\W\d]{2}[.!?…])|(?<=[.!?…]["'»«“”’)]))\s+""")
CLAUSES = re.compile(r"(?<=[,;:–—])\s+")
WORDS = re.compile(r"\s+")
Count = Callable[[list[str]], list[int]]


def split_line(line: str, limit: int, count: Count) -> list[str]:
    """Return the parts of a line, none of more than `limit` tokens, as `count` tells how many texts have."""
    # A character has at most four bytes, and a byte is at most a token; the space before a word may be one, too.
    letters = re.compile(rf"(?s).{{1,{max(1, (limit - 2) // 4)}}}")
    levels = (
        SENTENCES.split,
        lambda text: _pack(CLAUSES.split(text), limit, count),
        lambda text: _pack(WORDS.split(text), limit, count),
        letters.findall,
    )
    parts = [line.strip()]
    for divide in levels:
        sizes = count(parts)
        parts = [
            one for part, size in zip(parts, sizes, strict=True) for one in (divide(part) if size > limit else [part])
        ]
    return parts


def windows_of(text: str, limit: int, count: Count) -> list[str]:
    """Return the windows of a text, of as many lines as fit, or of sentences where it is one line or a line is long."""

    sizes: dict[str, int] = {}

    def count_once(texts: list[str]) -> list[int]:
        if new := [one for one in dict.fromkeys(texts) if one not in sizes]:
            sizes.update(zip(new, count(new), strict=True))
        return [sizes[one] + 1 for one in texts]  # with the border to the next

    lines = [part for line in text.split("\n") for part in split_line(line, limit, count_once)]
    return list(_pack(lines, limit, count_once, "\n" if "\n" in text else " "))


def _pack(pieces: list[str], limit: int, count: Count, border: str = " ") -> Iterator[str]:
    """Join neighbours as long as they fit."""
    packed, taken = [], 0
    for piece, size in zip(pieces, count(pieces), strict=True):
        if packed and taken + size > limit:
            yield border.join(packed)
            packed, taken = [], 0
        packed.append(piece)
        taken += size
    yield border.join(packed)
