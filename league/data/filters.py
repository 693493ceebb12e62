"""Rows that teach nothing, or the wrong thing: why each is left out of a training split, by the rule book's filters."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

EMPTY, BROKEN = "a text is empty", "broken encoding"  # which every league leaves out
# What a rule book may ask for, and the value's kind.
KINDS = {
    "fewest_words": "of each text",
    "most_words": "of each text",
    "most_tokens": "of each text, as the model counts, which cuts what is longer; 0 has it cut, see Task.tokens",
    "is_shorter": "the last text of a row than the first, as a summary is",
    "repetition": "n, and the share of a text's n-grams that may have come before in it",
    "patterns": "regular expressions that no text may hold",
    "duplicates": "whether a first text may come again, in this split or from validation",
}
MOST_GROUPED = 100  # words of a group
LARGEST = {"fewest_words": 10**9, "most_words": 10**9, "most_tokens": 10**9, "is_shorter": 1, "duplicates": 1}


class Filters:
    """The filters of a corpus; rows are asked about in their order, so that the first of several equals stays."""

    def __init__(self, wanted: dict[str, Any], elsewhere: Iterable[str] = ()):
        if unknown := wanted.keys() - KINDS:
            raise ValueError(f"there is no filter {min(unknown)!r}; there are {', '.join(KINDS)}")
        for name, largest in LARGEST.items():
            if not isinstance(wanted.get(name, 0), int) or not 0 <= wanted.get(name, 0) <= largest:
                raise ValueError(f"{name} {wanted[name]!r:.40}: must be a whole number from 0 to {largest:,}")
        self.wanted = wanted | ({"repetition": repetition_of(wanted["repetition"])} if "repetition" in wanted else {})
        self.patterns = [re.compile(pattern) for pattern in wanted.get("patterns", ())]
        self.seen = set(elsewhere)

    def why_not(self, row: tuple[str, ...]) -> str:
        """Return why a row is left out, or nothing."""
        if not all(row):
            return EMPTY
        if any("\ufffd" in text or "\0" in text for text in row):
            return BROKEN
        return self.wanted and (self._length(row) or self._content(row)) or ""

    def _length(self, row: tuple[str, ...]) -> str:
        sizes = [len(text.split()) for text in row]
        if min(sizes) < self.wanted.get("fewest_words", 0):
            return f"fewer than {self.wanted['fewest_words']} words"
        if max(sizes) > self.wanted.get("most_words", max(sizes)):
            return f"more than {self.wanted['most_words']} words"
        if self.wanted.get("is_shorter") and sizes[-1] >= sizes[0]:
            return "not shorter than its text"
        return ""

    def _content(self, row: tuple[str, ...]) -> str:
        if "repetition" in self.wanted:
            size, share = self.wanted["repetition"]
            if any(repeated_share(text, size) > share for text in row):
                return f"repeats its groups of {size} words"
        for pattern in self.patterns:
            if any(pattern.search(text) for text in row):
                return f"holds {pattern.pattern}"
        if "duplicates" in self.wanted and not self.wanted["duplicates"]:
            if row[0] in self.seen:
                return "comes again"
            self.seen.add(row[0])
        return ""


def repetition_of(wanted: Any) -> tuple[int, float]:
    """Return n and a share, as two values or as a command line has them: 3,0.3."""
    try:
        size, share = wanted.split(",") if isinstance(wanted, str) else wanted
        size, share = int(size), float(share)
        if not (1 <= size <= MOST_GROUPED and 0 <= share <= 1):
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(f"repetition {wanted!r:.40}: must be n and a share, as in 3,0.3") from None
    return size, share


def repeated_share(text: str, size: int) -> float:
    """Return the share of a text's groups of `size` words that have come before in it."""
    words = text.split()
    groups = Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
    return 1 - len(groups) / total if (total := sum(groups.values())) else 0.0
