"""The verdict in words: what a broken rule of a record means to the one who reads it."""

from typing import Any

from league.record.shape import BrokenRule, ScoreFacts
from league.values import readable

MOST_LETTERS = 80  # of a value


def short(value: Any) -> str:
    """Return a value as one reads it, whoever wrote it."""
    if isinstance(value, bool) or value is None:
        return {None: "nothing", True: "yes", False: "no"}[value]
    if isinstance(value, int) and abs(value) < 10**15:
        return f"{value:,}"
    text = f"{value:.5g}" if isinstance(value, int) else readable(value, 5)
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"


def listed(workers: dict[str, int]) -> str:
    """Return the workers of a search in words: 2 × this device + that one."""
    return " + ".join(f"{number} × {kind}" if number > 1 else kind for kind, number in workers.items())


def in_words(broken: BrokenRule) -> str:
    """Return a broken rule as a sentence."""
    rule, expected, found = broken.rule, short(broken.expected), short(broken.found)
    head, _, rest = rule.partition(".")
    if head == "fixed":
        return f"The fixed value {rest} is {found}; the rule book says {expected}."
    numbers = all(isinstance(side, (int, float)) for side in (broken.expected, broken.found))
    if rule == "clock.minutes" and numbers:
        if broken.found > broken.expected:
            return f"The clock stands at {found} minutes; no more than {expected} can be."
        return f"The clock stands at {found} minutes, and its parts come to {expected}."
    if rule == "game.minutes":
        return f"The game's clock stands at {found} minutes; a game has {expected}."
    if rule == "game":
        return "It was played as practice; this league counts entries of a game alone."
    if head == "data":
        return _about_data(rest, expected, found)
    if rule.endswith(".steps"):
        return f"The {head} stage ended after {found} of {expected} steps."
    if rule == "league":
        return f"There is no published rule book for {found}."
    return f"{rule}: expected {expected}, found {found}."


def figures(score: ScoreFacts) -> str:
    """Return a score and what else was measured, as screens show it."""
    low, high = score.interval
    extras = {name.replace("_", " "): value for name, value in score.extras.items() if isinstance(value, float)}
    further = [f", {name} {value:.2f}" for name, value in extras.items()]
    return f"{score.metric.upper()} {score.value:.2f} (95 % interval {low:.2f} to {high:.2f}){''.join(further)}"


def _about_data(rule: str, expected: str, found: str) -> str:
    split, _, what = rule.rpartition(".")
    if what == "origin":
        return f"{split} was read from {found}, not from {expected}."
    if what == "used":
        return f"{found} rows of {split} were used; the league asks for {expected}."
    if what == "sha256":
        return f"{split} holds other rows than the league's."
    return f"data.{rule}: expected {expected}, found {found}."
