"""What may be searched: the ranges of a league's TUNE values, points of them, and what cannot be built."""

import math
import shlex
from dataclasses import fields
from typing import Any, get_type_hints

from league.errors import UserError
from league.rulebook import League, Range
from league.tasks.task import task_of
from league.values import as_values
from league_config import ModelHP

MANY = 12  # values: more than the closed leagues have in a stage

Values = dict[str, Any]


def start_values(rules: League, stage: str) -> Values:
    """Return the start values of the rule book."""
    return as_values(rules.tuned(stage)())


def is_ordered(span: Range | tuple) -> bool:
    """Tell whether a range is an interval, or choices that have an order."""
    return isinstance(span, Range) or not isinstance(span[0], str)


def inside(span: Range, share: float) -> float:
    """Return the value at a share of an interval, as it is searched."""
    low, high = (math.log(span.low), math.log(span.high)) if span.log else (span.low, span.high)
    place = low + share * (high - low)
    return math.exp(place) if span.log else place


def point(rules: League, stage: str, share: float) -> Values:
    """Return the values that lie at a share of every range; what has no order keeps its start value."""
    values = start_values(rules, stage)
    for name, span in rules.ranges(stage).items():
        if isinstance(span, Range):
            values[name] = float(f"{inside(span, share):.2g}")
        elif is_ordered(span):
            values[name] = span[int(share * (len(span) - 1) + 0.5)]
    return values


def size(rules: League, share: float, like: Values) -> Values:
    """Return a structure whose sizes lie at a share of their ranges; its intervals (dropout) are those of `like`."""
    intervals = {name: like[name] for name, span in rules.ranges("pretrain").items() if isinstance(span, Range)}
    return point(rules, "pretrain", share) | intervals


def why_not(rules: League, stage: str, values: Values) -> str | None:
    """Return why these values cannot run, or None."""
    try:
        task_of(rules, stage).check(stage, rules.tuned(stage)(**values))
    except UserError as error:
        return str(error)
    return None


def flags(values: Values) -> str:
    """Return values as the flags of a command line, those that are there."""
    return " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in values.items() if value is not None)


def short(rules: League, stage: str, values: Values) -> str:
    """Return values in one short phrase: 256/4/3/1024, dropout 0.1; of many those that are not the start values."""
    hints = get_type_hints(rules.tuned(stage))
    if len(values) > MANY:
        start = start_values(rules, stage)
        always = {"learning_rate", *(item.name for item in fields(ModelHP))}
        values = {name: value for name, value in values.items() if name in always or value != start[name]}
    sizes = [name for name in values if hints[name] is int and (len(hints) <= MANY or hasattr(ModelHP, name))]
    named = [name for name in values if name not in sizes or len(sizes) == 1]
    phrases = [] if len(sizes) == 1 else ["/".join(str(values[name]) for name in sizes)]
    for name in named:
        value = values[name]
        shown = f"{value:.2g}" if isinstance(value, float) else value
        phrases.append(value if isinstance(value, str) else f"{name} {shown}")
    return ", ".join(filter(None, phrases))
