"""The verdict: a pure function from a record to the rules that it breaks. What is not TUNE must equal the rule book."""

import json
import math
from collections.abc import Iterator
from dataclasses import fields, make_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from league.errors import UserError
from league.record.game import game_of
from league.record.shape import BrokenRule, Record, StageFacts
from league.rulebook import FILTERS, GIVEN, Corpus, League, Stage, fingerprint
from league.tasks.metric import metric_of
from league.tasks.task import task_of
from league_config import LEAGUES

PUBLISHED = Path(__file__).with_name("rulebooks.json")
OPTIMIZERS = {"adamw_torch_fused": "AdamW, fused", "adafactor": "Adafactor, not fused", "sgd": "SGD, not fused"}
OPTIMIZERS |= {"rmsprop": "RMSprop, not fused", "adagrad": "Adagrad, not fused"}
ADAM = ("adam_beta1", "adam_beta2", "adam_epsilon")
PRECISIONS = ("bf16", "fp16", "fp32")
MOST_SKIPPED = 25  # steps of a stage in fp16: its scaler begins at 2**16, halves with each, and so is at 1 after 16


def published(name: str, version: int) -> dict[str, Any] | None:
    """Return a league version as it was published, `fixed` and `data`, whatever league_config.py says today."""
    return _rule_books(PUBLISHED, PUBLISHED.stat().st_mtime_ns).get(f"{name} {version}")


@lru_cache(1)
def _rule_books(path: Path, _: int) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def names_tuned(rules: League, stage: str) -> tuple[str, ...]:
    """Return the names of the values that are TUNE in a stage."""
    return tuple(item.name for item in fields(rules.tuned(stage)))


def values_asked(record: Record, rules: League, stage: str) -> dict[str, Any]:
    """Return the TUNE values of a stage that is to be played again."""
    names = names_tuned(rules, stage)
    if missing := [name for name in names if name not in record.asked]:
        raise UserError(f"{record.entry}: its record does not say {', '.join(missing)}, and cannot be played again.")
    return {name: record.asked[name] for name in names}


def rules_of(fixed: dict[str, Any]) -> League:
    """Return a rule book as a league, whatever league_config.py says today."""
    return _rules(json.dumps(fixed))


@lru_cache(16)
def _rules(fixed: str) -> League:
    values = json.loads(fixed)
    known = LEAGUES.get(values["name"])
    if known and known.fixed() == values:
        return known
    for name in ("pretrain", "finetune"):  # with origins as plain values, which no rule looks into
        stage = values[name]
        starts = {item.name: item.default for item in fields(known.tuned(name))} if known else {}
        names = stage.get("tuned")
        tuned = names if names is None else make_dataclass("Tuned", [(one, Any, starts.get(one, 0)) for one in names])
        values[name] = Stage(**(stage | {"corpus": Corpus(**stage["corpus"]), "tuned": tuned}))
    return League(**values)


def broken_rules(record: Record) -> list[BrokenRule]:
    """Return each broken rule with what it expected and what was found."""
    league = record.league
    book = published(league.name, league.version)
    if book is None:
        return [BrokenRule("league", "a published rule book", f"{league.name} {league.version}")]
    rules = rules_of(book["fixed"])
    broken = _differences("fixed", book["fixed"], league.fixed)
    broken += _differences("asked.league", league.name, record.asked["league"])
    known = {"league", "seed", *names_tuned(rules, "pretrain"), *names_tuned(rules, "finetune")}
    broken += [BrokenRule(f"asked.{name}", None, value) for name, value in record.asked.items() if name not in known]
    broken += _in_data(record, rules, book["data"])
    for name in ("pretrain", "finetune"):
        if name in record.stages:
            broken += broken_in_stage(name, record, rules)
        elif record.score:
            broken.append(BrokenRule(name, "a complete stage", None))
    if "pretrain" in record.stages and GIVEN in book["data"]:
        found = record.stages["pretrain"].sha256.get(GIVEN)
        broken += _differences(f"pretrain.{GIVEN}", book["data"][GIVEN], found)
    if record.score:
        broken += _in_score(record, rules)
    return broken + _in_clock(record, rules) + _in_game(record, rules)


def clock_problems(spent: dict[str, float], record: Record) -> Iterator[str]:
    """Hold the seconds of a clock's file against what a record says."""
    recorded = record.clock.spent
    for name in sorted({*spent, *recorded}):
        minutes = spent.get(name, 0.0) / 60
        if abs(minutes - recorded.get(name, 0.0)) > 0.02:
            yield f"{name:.60} took {minutes:.2f} minutes by clock.json, {recorded.get(name, 0.0):.2f} by the record"


def _in_data(record: Record, rules: League, pinned: dict[str, str]) -> list[BrokenRule]:
    # Contents equal what was published; where nothing was, they come from where the league says that its data lie.
    data, league, rules = record.data, record.league, rules.as_tuned(record.asked)
    broken = _differences("league.fingerprint", fingerprint(league.fixed, record.data_digests()), league.fingerprint)
    needed, test = set(), f"{rules.test_corpus.name}.test"
    for corpus in (rules.pretrain.corpus, rules.finetune.corpus):
        needed |= {f"{corpus.name}.train", f"{corpus.name}.validation"}
        train, asked = data.get(f"{corpus.name}.train"), corpus.num_train_pairs + corpus.num_other_pairs
        are_fewer = train and train.used < asked and rules.tunes(*FILTERS)  # as its filters leave
        if train and train.used != asked and not are_fewer:
            broken.append(BrokenRule(f"data.{corpus.name}.train.used", asked, train.used))
    needed.add(test)
    if record.score:
        broken += [BrokenRule(f"data.{name}", "in the record", None) for name in sorted(needed - set(data))]
    for name, facts in data.items():
        if name not in needed:
            broken.append(BrokenRule(f"data.{name}", "not used", "used"))
        elif name in pinned:
            broken += _differences(f"data.{name}.sha256", pinned[name], facts.sha256)
        elif facts.origin == "files":
            broken.append(BrokenRule(f"data.{name}.origin", "the league's own source", "files of --data_dir"))
    return broken


def broken_in_stage(name: str, record: Record, rules: League) -> list[BrokenRule]:
    """Hold what was in effect, read back from the trained objects, against the rule book and what was asked for."""
    facts, asked = record.stages[name], record.asked
    rules = rules.as_tuned(asked, name)
    task = task_of(rules, name)
    tuned = {key: asked.get(key) for key in names_tuned(rules, name)}
    before = {key: asked.get(key) for key in names_tuned(rules, "pretrain")}
    if name == "pretrain" and task.is_given:
        broken = _differences(name, task.expected_structure(before), facts.effective)
        return broken + _differences(f"{name}.steps", 0, facts.steps)
    arguments = rules.training | (tuned if name == "finetune" else {}) | getattr(rules, name).arguments
    decay, is_adam = arguments["weight_decay"], str(arguments["optim"]).startswith("adam")
    expected = task.expected_structure(before | tuned) | {
        "num_parameters": facts.effective.get("num_parameters")  # of which a rule book need not know the size
        if task.is_given and task.num_parameters({}) is None
        else task.num_parameters(before | tuned),
        "optimizer": OPTIMIZERS.get(arguments["optim"], arguments["optim"]),
        "weight_decay": [0.0, decay] if decay else [0.0],
        "batch_size": rules.batch_size,
        "seed": asked.get("seed"),
        **{key: arguments[key] if is_adam else 0 for key in ADAM},
        **{key: arguments[key] for key in ("max_grad_norm", "max_steps", "learning_rate", "lr_scheduler_type")},
        "warmup_steps": arguments["warmup_steps"],
        "label_smoothing_factor": arguments["label_smoothing_factor"],
    }
    broken = _differences(name, expected, facts.effective)
    broken += _differences(f"{name}.steps", arguments["max_steps"], facts.steps)
    can_run = _can_run(task, name, rules, tuned)
    if not can_run:
        broken.append(BrokenRule(f"asked of {name}", "values that the script takes", tuned))
    broken += _off_schedule(name, facts, arguments) if can_run else []
    if facts.precision not in PRECISIONS:
        broken.append(BrokenRule(f"{name}.precision", "bf16, fp16 or fp32", facts.precision))
    if name == "finetune" and "pretrain" in record.stages:
        before = record.stages["pretrain"].sha256
        broken += _differences(f"{name}.started_from", before, facts.started_from)
        tokenizer = "tokenizer.json"
        if not task.is_given:
            broken += _differences(f"{name}.tokenizer", before.get(tokenizer), facts.sha256.get(tokenizer))
    return broken


def _off_schedule(name: str, facts: StageFacts, arguments: dict[str, Any]) -> list[BrokenRule]:
    # In fp16 a step whose gradients overflow is skipped, and the schedule stands still for it.
    broken, skipped, before, most_skipped = [], 0, 0, MOST_SKIPPED if facts.precision == "fp16" else 0
    for point in facts.curve:
        step, rate = point.step, point.learning_rate
        if not 1 <= step <= arguments["max_steps"]:
            broken.append(BrokenRule(f"{name}.curve", f"steps 1 to {arguments['max_steps']}", step))
            continue
        for lag in range(skipped, min(most_skipped, step - 1, skipped + step - before) + 1):
            if math.isclose(rate, scheduled_rate(arguments, step - lag), rel_tol=1e-6, abs_tol=1e-12):
                skipped = lag
                break
        else:
            broken.append(BrokenRule(f"{name}.learning_rate at step {step}", scheduled_rate(arguments, step), rate))
        before = step
    return broken


def _can_run(task, name: str, rules: League, tuned: dict[str, Any]) -> bool:
    try:
        task.check(name, rules.tuned(name)(**tuned))
    except (UserError, TypeError):  # a value is missing, or of another type
        return False
    return True


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


def _in_score(record: Record, rules: League) -> list[BrokenRule]:
    score, finetuned, rules = record.score, record.stages.get("finetune"), rules.as_tuned(record.asked)
    test = record.data.get(f"{rules.test_corpus.name}.test")
    broken = _differences("score.decoding", task_of(rules).expected_decoding(), score.decoding)
    broken += _differences("score.precision", "fp32", score.precision)
    broken += _differences("score.weights", finetuned and finetuned.sha256, score.weights)
    broken += _differences("score.rows", test and test.rows, score.rows)
    metric = metric_of(rules)
    broken += _differences("score.metric", metric.NAME, score.metric)
    return broken + _differences("score.metric", *map(_without_version, (metric.signature(), score.signature)))


def _without_version(signature: str) -> str:
    return signature.partition("|version:")[0]


def _in_clock(record: Record, rules: League) -> list[BrokenRule]:
    clock, broken = record.clock, []
    if clock.minutes > rules.minutes:
        broken.append(BrokenRule("clock.minutes", rules.minutes, clock.minutes))
    parts = sum(clock.spent.values())
    if not math.isclose(parts, clock.minutes, abs_tol=0.02 * (1 + len(clock.spent))):
        broken.append(BrokenRule("clock.minutes", round(parts, 2), clock.minutes))
    done = [*record.stages, *(["score"] if record.score else [])]
    return broken + [BrokenRule(f"clock.spent.{name}", "time", None) for name in done if name not in clock.spent]


def _in_game(record: Record, rules: League) -> list[BrokenRule]:
    game = game_of(record)
    if game is None:
        return [BrokenRule("game", "a game", "practice")] if rules.needs_game else []
    return [BrokenRule("game.minutes", rules.minutes, game.minutes)] if game.minutes > rules.minutes else []


def _differences(path: str, expected: Any, found: Any) -> list[BrokenRule]:
    if isinstance(expected, dict) and isinstance(found, dict):
        if expected == found and repr(expected) == repr({key: found[key] for key in expected}):  # as nearly always
            return []
        keys = [*expected, *(key for key in found if key not in expected)]
        return [broken for key in keys for broken in _differences(f"{path}.{key}", expected.get(key), found.get(key))]
    # JSON's 1, 1.0 and true are three things that Python calls equal.
    same = expected == found and isinstance(expected, bool) == isinstance(found, bool)
    return [] if same else [BrokenRule(path, expected, found)]
