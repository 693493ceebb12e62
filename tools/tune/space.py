"""What may be searched: the ranges of league_config.py, the values to begin with, and what cannot be built."""

import math
from dataclasses import asdict, fields
from typing import Any, get_args, get_type_hints

from league.errors import UserError
from league.values import as_values, check_finetune_hp, check_model_hp
from league_config import FinetuneHP, League, ModelHP, Range

MIDDLE = 0.5  # of every range of a structure
KNOWN = 2  # entries whose values are tried early
KINDS = {"pretrain": ModelHP, "finetune": FinetuneHP}


def ranges(stage: str) -> dict[str, Range | tuple]:
    """Return the search range of each knob of a stage."""
    hints = get_type_hints(KINDS[stage], include_extras=True)
    return {item.name: get_args(hints[item.name])[1] for item in fields(KINDS[stage])}


def start_values(stage: str) -> dict[str, Any]:
    """Return the start values of league_config.py."""
    return as_values(KINDS[stage]())


def point(stage: str, share: float) -> dict[str, Any]:
    """Return the values that lie at a share of every range; what has no order keeps its start value."""
    values = {}
    for name, span in ranges(stage).items():
        if isinstance(span, Range):
            low, high = (math.log(span.low), math.log(span.high)) if span.log else (span.low, span.high)
            place = low + share * (high - low)
            values[name] = float(f"{math.exp(place) if span.log else place:.2g}")
        elif isinstance(span[0], str):
            values[name] = start_values(stage)[name]
        else:
            values[name] = span[int(share * (len(span) - 1) + 0.5)]
    return values


def first_candidates(stage: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what is tried before the sampler has anything to learn from: a name for each, and its values."""
    if stage == "pretrain":
        dropout = {"dropout": start_values(stage)["dropout"]}
        points = {"middle of the sizes": point(stage, MIDDLE) | dropout, "larger sizes": point(stage, 0.7) | dropout}
    else:
        points = {"lower part of the ranges": point(stage, 0.25), "middle of the ranges": point(stage, 0.5)}
    return [("baseline", start_values(stage)), *points.items()]


def gentle_first(candidates: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Return fine-tunes by their learning rate: the gentle ones forget least."""
    return sorted(candidates, key=lambda one: one[1]["learning_rate"])


def known_entries(stage: str, rules: League, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the values of the two entries beside `name` that did best on the validation captions."""
    from league.record.shape import read_record
    from league.run.entry import RUNS

    found = []
    for path in RUNS.glob("*/record.json"):
        try:
            record = read_record(path)
        except (UserError, FileNotFoundError):
            continue
        facts = record["stages"].get("finetune")
        if not facts or path.parent.name == name or record["league"]["fixed"] != rules.fixed():
            continue
        values = {item.name: record["asked"].get(item.name) for item in fields(KINDS[stage])}
        if None not in values.values() and why_not(stage, values, rules) is None:
            bleu = facts["validation_bleu"].get(rules.pretrain.corpus.domain, 0.0)
            found.append((bleu, f"known entry {path.parent.name}", values))
    return [(origin, values) for _, origin, values in sorted(found, key=lambda one: (-one[0], one[1]))[:KNOWN]]


def why_not(stage: str, values: dict[str, Any], rules: League) -> str | None:
    """Return why these values cannot run, or None."""
    try:
        if stage == "pretrain":
            check_model_hp(ModelHP(**values))
        else:
            check_finetune_hp(FinetuneHP(**values), rules.finetune.arguments["max_steps"])
    except UserError as error:
        return str(error)
    return None


def flags(values: dict[str, Any]) -> str:
    """Return values as the flags of a command line."""
    return " ".join(f"--{name} {value}" for name, value in values.items())


def short(stage: str, values: dict[str, Any]) -> str:
    """Return values in one short phrase: 256/4/3/1024, dropout 0.1."""
    values = asdict(KINDS[stage](**values))
    if stage == "pretrain":
        return "{d_model}/{nhead}/{num_layers}/{d_ff}, dropout {dropout:.2g}".format(**values)
    form = "lr {learning_rate:.2g} {lr_scheduler_type}, warm-up {warmup_steps:g}, decay {weight_decay:.2g}"
    return f"{form}, smoothing {{label_smoothing_factor:.2g}}".format(**values)
