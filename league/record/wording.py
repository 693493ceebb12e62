"""The verdict in words: what a broken rule of a record means to the one who reads it."""

from typing import Any

MOST_LETTERS = 80  # of a value


def shown(value: Any) -> str:
    """Return a value as one reads it, whoever wrote it."""
    if isinstance(value, bool) or value is None:
        return {None: "nothing", True: "yes", False: "no"}[value]
    if isinstance(value, int) and abs(value) < 10**15:
        return f"{value:,}"
    text = f"{value:.5g}" if isinstance(value, (int, float)) else str(value)
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"


def in_words(broken: dict[str, Any]) -> str:
    """Return a broken rule as a sentence."""
    rule, expected, found = broken["rule"], shown(broken["expected"]), shown(broken["found"])
    head, _, rest = rule.partition(".")
    if head == "fixed":
        return f"The fixed value {rest} is {found}; the rule book says {expected}."
    numbers = all(isinstance(broken[side], (int, float)) for side in ("expected", "found"))
    if rule == "clock.minutes" and numbers:
        if broken["found"] > broken["expected"]:
            return f"The clock stands at {found} minutes; no more than {expected} can be."
        return f"The clock stands at {found} minutes, and its parts come to {expected}."
    if head == "data":
        return _about_data(rest, expected, found)
    if rule.endswith(".steps"):
        return f"The {head} stage ended after {found} of {expected} steps."
    if rule == "league":
        return f"There is no published rule book for {found}."
    return f"{rule}: expected {expected}, found {found}."


def _about_data(rule: str, expected: str, found: str) -> str:
    split, _, what = rule.rpartition(".")
    if what == "origin":
        return f"{split} was read from {found}, not from {expected}."
    if what == "used":
        return f"{found} pairs of {split} were used; the league asks for {expected}."
    if what == "sha256":
        return f"{split} holds other pairs than the league's."
    return f"data.{rule}: expected {expected}, found {found}."
