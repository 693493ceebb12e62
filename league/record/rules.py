"""The verdict: a pure function from a record to the rules that it breaks. What is not TUNE must equal the rule book."""

import json
import math
from collections.abc import Iterator
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from league.errors import UserError
from league.values import check_finetune_hp
from league_config import FinetuneHP, ModelHP, fingerprint

PUBLISHED = Path(__file__).with_name("rulebooks.json")
STRUCTURE = tuple(item.name for item in fields(ModelHP))
SCHEDULE = tuple(item.name for item in fields(FinetuneHP))
OPTIMIZERS = {"adamw_torch_fused": "AdamW, fused"}
MOST_SKIPPED = 25  # steps of a stage
SIGNATURES = {"bleu": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"}


def published(name: str, version: int) -> dict[str, Any] | None:
    """Return a league version as it was published, `fixed` and `data`, whatever league_config.py says today."""
    return _rule_books(PUBLISHED, PUBLISHED.stat().st_mtime_ns).get(f"{name} {version}")


@lru_cache(1)
def _rule_books(path: Path, _: int) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def broken_rules(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each broken rule with what it expected and what was found."""
    league = record["league"]
    book = published(league["name"], league["version"])
    if book is None:
        return [_broken("league", "a published rule book", f"{league['name']} {league['version']}")]
    fixed = book["fixed"]
    broken = _differences("fixed", fixed, league["fixed"])
    broken += _differences("asked.league", league["name"], record["asked"]["league"])
    broken += _in_data(record, fixed, book["data"])
    for name in ("pretrain", "finetune"):
        if name in record["stages"]:
            broken += broken_in_stage(name, record, fixed)
        elif "score" in record:
            broken.append(_broken(name, "a complete stage", None))
    if "score" in record:
        broken += _in_score(record, fixed)
    return broken + _in_clock(record, fixed)


def verdict_problems(record: dict[str, Any]) -> Iterator[str]:
    """Hold what a record says of itself against the rules."""
    broken, told = broken_rules(record), record["broken_rules"]
    for rule in broken:
        if rule not in told:
            yield f"breaks a rule that it does not own up to: {describe(rule)}"
    for rule in told:
        if rule not in broken:
            yield f"names a rule that it does not break: {describe(rule)}"
    if record["official"] != (not broken):
        yield f"calls itself {'official' if record['official'] else 'open'}, and is not"


def clock_problems(spent: dict[str, float], record: dict[str, Any]) -> Iterator[str]:
    """Hold the seconds of a clock's file against what a record says."""
    told = record["clock"]["spent"]
    for name in sorted({*spent, *told}):
        minutes = spent.get(name, 0.0) / 60
        if abs(minutes - told.get(name, 0.0)) > 0.02:
            yield f"{name:.60} took {minutes:.2f} minutes by clock.json, {told.get(name, 0.0):.2f} by the record"


def describe(broken: dict[str, Any]) -> str:
    """Return a broken rule in words."""
    return f"{broken['rule']}: expected {broken['expected']!r:.100}, found {broken['found']!r:.100}"


def _in_data(record: dict[str, Any], fixed: dict[str, Any], pinned: dict[str, str]) -> list[dict[str, Any]]:
    # Contents equal what was published; where nothing was, they come from where the league says that its data lie.
    data = record["data"]
    digests = {name: report["sha256"] for name, report in data.items()}
    broken = _differences(
        "league.fingerprint", fingerprint(record["league"]["fixed"], digests), record["league"]["fingerprint"]
    )
    needed = set()
    for stage in (fixed["pretrain"], fixed["finetune"]):
        corpus = stage["corpus"]
        needed |= {f"{corpus['name']}.train", f"{corpus['name']}.validation"}
        report = data.get(f"{corpus['name']}.train")
        if report and report["used"] != corpus["num_train_pairs"]:
            broken.append(_broken(f"data.{corpus['name']}.train.used", corpus["num_train_pairs"], report["used"]))
    if "score" in record:
        needed.add(f"{fixed['pretrain']['corpus']['name']}.test")
        broken += [_broken(f"data.{name}", "in the record", None) for name in sorted(needed - set(data))]
    allowed = needed | {f"{fixed['pretrain']['corpus']['name']}.test"}
    for name, report in data.items():
        if name not in allowed:
            broken.append(_broken(f"data.{name}", "not used", "used"))
        elif name in pinned:
            broken += _differences(f"data.{name}.sha256", pinned[name], report["sha256"])
        elif report["origin"] == "files":
            broken.append(_broken(f"data.{name}.origin", "the league's own source", "files of --data_dir"))
    return broken


def broken_in_stage(name: str, record: dict[str, Any], fixed: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold what was in effect, read back from the trained objects, against the rule book and what was asked for."""
    facts, asked = record["stages"][name], record["asked"]
    tuned = {key: asked.get(key) for key in SCHEDULE} if name == "finetune" else {}
    arguments = fixed["training"] | tuned | fixed[name]["arguments"]
    structure = {key: asked.get(key) for key in STRUCTURE}
    expected = structure | {
        "vocab_size": fixed["vocab_size"],
        "max_length": fixed["max_length"],
        "num_parameters": count_parameters(**structure, vocab_size=fixed["vocab_size"]),
        "optimizer": OPTIMIZERS.get(arguments["optim"], arguments["optim"]),
        "weight_decay": sorted({0.0, arguments["weight_decay"] or 0.0}),
        "batch_size": fixed["batch_size"],
        "seed": asked.get("seed"),
        **{key: arguments[key] for key in ("adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm", "max_steps")},
        **{key: arguments[key] for key in ("learning_rate", "lr_scheduler_type", "warmup_steps")},
        "label_smoothing_factor": arguments["label_smoothing_factor"],
    }
    broken = _differences(name, expected, facts["effective"])
    if facts["steps"] != arguments["max_steps"]:
        broken.append(_broken(f"{name}.steps", arguments["max_steps"], facts["steps"]))
    can_run = name != "finetune" or _can_run(tuned, arguments["max_steps"])
    if not can_run:
        broken.append(_broken(f"asked of {name}", "values that the script takes", tuned))
    broken += _off_schedule(name, facts, arguments) if can_run else []
    if facts["precision"] not in ("bf16", "fp16", "fp32"):
        broken.append(_broken(f"{name}.precision", "bf16, fp16 or fp32", facts["precision"]))
    if name == "finetune" and "pretrain" in record["stages"]:
        broken += _differences(f"{name}.started_from", record["stages"]["pretrain"]["sha256"], facts["started_from"])
        before, after = (record["stages"][stage]["sha256"].get("tokenizer.json") for stage in ("pretrain", "finetune"))
        broken += _differences(f"{name}.tokenizer", before, after)
    return broken


def _off_schedule(name: str, facts: dict[str, Any], arguments: dict[str, Any]) -> list[dict[str, Any]]:
    # In fp16 a step whose gradients overflow is skipped, and the schedule stands still for it.
    broken, skipped, before, most_skipped = [], 0, 0, MOST_SKIPPED if facts["precision"] == "fp16" else 0
    for point in facts["curve"]:
        step, rate = point["step"], point["learning_rate"]
        if not 1 <= step <= arguments["max_steps"]:
            broken.append(_broken(f"{name}.curve", f"steps 1 to {arguments['max_steps']}", step))
            continue
        for lag in range(skipped, min(most_skipped, step - 1, skipped + step - before) + 1):
            if math.isclose(rate, scheduled_rate(arguments, step - lag), rel_tol=1e-6, abs_tol=1e-12):
                skipped = lag
                break
        else:
            broken.append(_broken(f"{name}.learning_rate at step {step}", scheduled_rate(arguments, step), rate))
        before = step
    return broken


def _can_run(tuned: dict[str, Any], max_steps: int) -> bool:
    try:
        check_finetune_hp(FinetuneHP(**tuned), max_steps)
    except (UserError, TypeError):  # a value is missing
        return False
    return True


def count_parameters(d_model: int, num_layers: int, d_ff: int, vocab_size: int, **_: Any) -> int | None:
    """Return the size of a model, from its structure alone."""
    if not all(isinstance(value, int) for value in (d_model, num_layers, d_ff, vocab_size)):
        return None
    attention, norm = 4 * (d_model + 1) * d_model, 2 * d_model
    feed_forward = (d_model + 1) * d_ff + (d_ff + 1) * d_model
    encoder_layer = attention + feed_forward + 2 * norm
    decoder_layer = 2 * attention + feed_forward + 3 * norm
    return vocab_size * d_model + num_layers * (encoder_layer + decoder_layer) + 2 * norm


def scheduled_rate(arguments: dict[str, Any], step: int) -> float:
    """Return the learning rate that `step` (the first is 1) is taken with."""
    peak, kind, total = arguments["learning_rate"], arguments["lr_scheduler_type"], arguments["max_steps"]
    warmup, done = arguments["warmup_steps"], step - 1
    warmup = math.ceil(warmup * total) if warmup < 1 else int(warmup)
    if kind == "inverse_sqrt":  # without warm-up the library counts from 10,000
        scale = warmup or 10_000
        return peak * (done / warmup if done < warmup else (scale / (done + scale - warmup)) ** 0.5)
    if done < warmup:
        return peak * done / warmup
    if kind == "constant_with_warmup":
        return peak
    decay = total - warmup
    if kind == "warmup_stable_decay":
        decay = arguments["lr_scheduler_kwargs"]["num_decay_steps"]
    progress = min(1.0, max(0.0, (done - (total - decay)) / max(1, decay)))
    return peak * (0.5 + 0.5 * math.cos(math.pi * progress) if kind == "cosine" else 1.0 - progress)


def _in_score(record: dict[str, Any], fixed: dict[str, Any]) -> list[dict[str, Any]]:
    score, stages = record["score"], record["stages"]
    test = record["data"].get(f"{fixed['pretrain']['corpus']['name']}.test", {})
    also = {"max_length": fixed["max_length"], "do_sample": False}
    broken = _differences("score.decoding", fixed["decoding"] | also, score["decoding"])
    broken += _differences("score.precision", "fp32", score["precision"])
    broken += _differences("score.weights", stages.get("finetune", {}).get("sha256"), score["weights"])
    broken += _differences("score.sentences", test.get("rows"), score["sentences"])
    signature = score["bleu_signature"].rpartition("|version:")[0]
    return broken + _differences("score.metric", SIGNATURES.get(fixed["metric"]), signature)


def _in_clock(record: dict[str, Any], fixed: dict[str, Any]) -> list[dict[str, Any]]:
    clock = record["clock"]
    broken = []
    if clock["minutes"] > fixed["minutes"]:
        broken.append(_broken("clock.minutes", fixed["minutes"], clock["minutes"]))
    if not math.isclose(sum(clock["spent"].values()), clock["minutes"], abs_tol=0.02 * (1 + len(clock["spent"]))):
        broken.append(_broken("clock.minutes", round(sum(clock["spent"].values()), 2), clock["minutes"]))
    done = [*record["stages"], *(["score"] if "score" in record else [])]
    return broken + [_broken(f"clock.spent.{name}", "time", None) for name in done if name not in clock["spent"]]


def _differences(path: str, expected: Any, found: Any) -> list[dict[str, Any]]:
    if isinstance(expected, dict) and isinstance(found, dict):
        if expected == found and repr(expected) == repr({key: found[key] for key in expected}):  # as nearly always
            return []
        keys = [*expected, *(key for key in found if key not in expected)]
        return [broken for key in keys for broken in _differences(f"{path}.{key}", expected.get(key), found.get(key))]
    # JSON's 1, 1.0 and true are three things that Python calls equal.
    same = expected == found and isinstance(expected, bool) == isinstance(found, bool)
    return [] if same else [_broken(path, expected, found)]


def _broken(rule: str, expected: Any, found: Any) -> dict[str, Any]:
    return {"rule": rule, "expected": expected, "found": found}
