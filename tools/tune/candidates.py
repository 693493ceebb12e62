"""What is tried before the sampler picks: start values, what did well before, and points of the ranges."""

import math

from league.errors import UserError
from league.record.folder import RUNS
from league.record.shape import read_record
from league.rulebook import League
from league.untrusted import as_type

from .space import Values, point, size, start_values, why_not

# Shares of the ranges that a search begins with: chosen, and what searches reached with them stands in docs/tuning.md.
MIDDLE, LARGER, LOWER, HIGH_RATE = 0.5, 0.7, 0.25, 0.9
KNOWN = 2  # entries whose values are tried early: chosen, as each costs a trial of a search that has a dozen

Candidates = list[tuple[str, Values]]  # where the values come from, and they themselves


def candidates_of(rules: League, fixed: dict[str, Values], name: str) -> dict[str, Candidates]:
    """Return by stage what the search for an entry `name` tries first; `fixed` are the values that it was given."""
    candidates = {}
    for stage, values in fixed.items():
        baseline, *points = first_candidates(rules, stage)
        given = [] if values == baseline[1] else [("given by --from", values)]
        wanted = [*given, baseline, *known_entries(rules, stage, name), *points]
        candidates[stage] = [one for one in wanted if why_not(rules, stage, one[1]) is None]
    return candidates


def first_candidates(rules: League, stage: str) -> Candidates:
    """Return what is tried before the sampler has anything to learn from."""
    start = start_values(rules, stage)
    if stage == "pretrain":
        points = {"middle of the sizes": size(rules, MIDDLE, start), "larger sizes": size(rules, LARGER, start)}
    elif not rules.has_one_task and "learning_rate" in rules.ranges(stage):
        points = {
            "a high rate": start | {"learning_rate": rate_at(rules, HIGH_RATE)},
            "the highest rate": start | {"learning_rate": rate_at(rules, 1.0)},
            "middle of the ranges, at a high rate": point(rules, stage, MIDDLE)
            | {"learning_rate": rate_at(rules, LARGER)},
        }
    else:
        points = {
            "lower part of the ranges": point(rules, stage, LOWER),
            "middle of the ranges": point(rules, stage, MIDDLE),
        }
    return [("baseline", start), *points.items()]


def rate_at(rules: League, share: float) -> float:
    """Return the learning rate at a share of its range."""
    return point(rules, "finetune", share)["learning_rate"]


def promising_first(rules: League, candidates: Candidates) -> Candidates:
    """Return fine-tunes by their learning rate; without one they stay in their order.

    Where both stages have one task, the gentle ones forget least. Where stage B has a task of its own there is nothing
    to forget and all to learn: high rates come first, the very highest not before one that is less of a gamble.
    """
    high = 0.0 if rules.has_one_task else rate_at(rules, HIGH_RATE)

    def distance(one: tuple[str, Values]) -> float:
        rate = one[1].get("learning_rate", 0.0)
        return abs(math.log(rate / high)) if high and rate else rate

    return sorted(candidates, key=distance)


def safest(rules: League, candidates: Candidates) -> Values:
    """Return what is fine-tuned before anything is known: where it may forget, at the lowest rate there is."""
    values = promising_first(rules, candidates)[0][1]
    may_forget = rules.has_one_task and "learning_rate" in values
    return values | ({"learning_rate": rate_at(rules, 0.0)} if may_forget else {})


def known_entries(rules: League, stage: str, name: str) -> Candidates:
    """Return the values of the two entries beside `name` that did best on the validation of stage A's domain."""
    entries = []
    for path in RUNS.glob("*/record.json"):
        try:
            record = read_record(path)
        except (UserError, FileNotFoundError):
            continue
        facts = record.stages.get("finetune")
        if not facts or path.parent.name == name or record.league.fixed != rules.fixed():
            continue
        values = {knob: record.asked.get(knob) for knob in rules.ranges(stage)}
        try:
            as_type(rules.tuned(stage), values)
        except ValueError:  # whoever wrote it
            continue
        if why_not(rules, stage, values) is None:
            validation = facts.validation.get(rules.validated("finetune")[0].domain, 0.0)
            entries.append((validation, f"known entry {path.parent.name}", values))
    return [(origin, values) for _, origin, values in sorted(entries, key=lambda one: (-one[0], one[1]))[:KNOWN]]
