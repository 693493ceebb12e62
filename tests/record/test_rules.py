"""The verdict: a sound record is official, and every change of a FIXED value is found and named."""

import copy
import json
import shutil
from dataclasses import replace
from itertools import islice

import pytest
import torch
from play import TINY, play
from played_copy import a_copy, record_of  # noqa: F401
from torch.optim.lr_scheduler import LambdaLR
from transformers import Seq2SeqTrainingArguments, get_scheduler

import league_config
from league.data import corpora as data
from league.record import rules
from league.record.rules import broken_rules, scheduled_rate
from league.record.shape import as_record
from league.rulebook import fingerprint
from league.run import stage as training
from league.tasks import decoding
from league.tasks.task import task_of
from modeling import AingConfig, AingForConditionalGeneration


@pytest.fixture
def record(played) -> dict:
    return json.loads((played / "runs" / "one" / "record.json").read_text())


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path


def changed_at(value: dict, path: tuple, new) -> dict:
    changed = copy.deepcopy(value)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return changed


def rules_broken(record: dict) -> set[str]:
    return {broken.rule for broken in broken_rules(as_record(record))}


def test_a_sound_record_is_official(record):
    assert broken_rules(as_record(record)) == record["broken_rules"] == [] and record["official"]


def test_every_fixed_value_is_watched(record):
    for path in leaves(TINY.fixed()):
        changed = changed_at(record, ("league", "fixed", *path), "changed")
        assert f"fixed.{'.'.join(path)}" in rules_broken(changed)


def test_a_value_that_no_rule_book_knows_is_found(record):
    changed = changed_at(record, ("league", "fixed", "training", "adam_turbo"), True)
    assert "fixed.training.adam_turbo" in rules_broken(changed)


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_effective_values_are_judged_not_what_was_asked_for(record, stage):
    effective = record["stages"][stage]["effective"]
    assert len(effective) > 15
    for name in effective:
        for wrong in (77, None, [effective[name], 77], "77"):
            changed = changed_at(record, ("stages", stage, "effective", name), wrong)
            assert rules_broken(changed) == {f"{stage}.{name}"}
        missing = copy.deepcopy(record)
        del missing["stages"][stage]["effective"][name]
        assert rules_broken(missing) == {f"{stage}.{name}"}
    changed = changed_at(record, ("stages", stage, "effective", "moe_experts"), 8)
    assert rules_broken(changed) == {f"{stage}.moe_experts"}


@pytest.mark.parametrize("name", ["d_model", "nhead", "num_layers", "d_ff", "dropout", "seed"])
def test_what_was_asked_for_and_what_was_trained_must_agree(record, name):
    assert rules_broken(changed_at(record, ("asked", name), 3)) >= {f"pretrain.{name}", f"finetune.{name}"}


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("data", "talks.train", "used"), 150, "data.talks.train.used"),
        (("data", "talks.train", "sha256"), "0" * 64, "league.fingerprint"),
        (("data", "captions.test", "origin"), "files", "data.captions.test.origin"),
        (("stages", "finetune", "steps"), 9, "finetune.steps"),
        (("stages", "finetune", "precision"), "int8", "finetune.precision"),
        (("stages", "finetune", "started_from", "model.safetensors"), "0" * 64, "finetune.started_from"),
        (("stages", "finetune", "started_from"), None, "finetune.started_from"),
        (("score", "decoding", "num_beams"), 8, "score.decoding.num_beams"),
        (("score", "decoding", "no_repeat_ngram_size"), 3, "score.decoding.no_repeat_ngram_size"),
        (("score", "weights", "model.safetensors"), "0" * 64, "score.weights.model.safetensors"),
        (("score", "precision"), "bf16", "score.precision"),
        (("score", "rows"), 24, "score.rows"),
        (("score", "signature"), "nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:2.6.0", "score.metric"),
        (("clock", "spent", "pretrain"), 4.0, "clock.minutes"),  # which is more than the minutes in all
        (("clock", "spent"), {"pretrain": 0.0, "finetune": 0.0}, "clock.spent.score"),
        (("league", "fingerprint"), "0" * 16, "league.fingerprint"),
        (("league", "version"), 99, "league"),
        (("asked", "league"), "demo", "asked.league"),
        (("asked", "turbo"), 1, "asked.turbo"),
        (("stages", "finetune", "sha256", "tokenizer.json"), "0" * 64, "finetune.tokenizer"),
        (("stages", "finetune", "curve", 0, "step"), 11, "finetune.curve"),
    ],
)  # fmt: skip
def test_each_rule(record, path, value, rule):
    assert any(broken.startswith(rule) for broken in rules_broken(changed_at(record, path, value)))


def test_more_time_than_there_is_is_found_where_the_parts_agree(record):
    record["clock"] |= {"minutes": 5.2, "spent": {"pretrain": 5.0, "finetune": 0.1, "score": 0.1}}
    assert rules_broken(record) == {"clock.minutes"}


def test_practice_is_not_ranked_where_a_game_is_asked_for(record, monkeypatch):
    book = replace(TINY, needs_game=True)
    monkeypatch.setitem(league_config.LEAGUES, "tiny", book)
    record["league"]["fixed"] = book.fixed()
    record["league"]["fingerprint"] = fingerprint(book.fixed(), as_record(record).data_digests())
    assert rules_broken(record) == {"game"}
    for minutes, broken in ((4.0, set()), (5.5, {"game.minutes"})):
        record["game"] = {"name": "day", "id": "0" * 12, "minutes": minutes, "entries": 2, "test_openings": 1}
        assert rules_broken(record) == broken


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_missing_part_is_found(record, stage):
    del record["stages"][stage]
    assert stage in rules_broken(record)


@pytest.mark.parametrize("split", ["captions.train", "captions.validation", "talks.train", "captions.test"])
def test_missing_and_foreign_data_are_found(record, split):
    report = record["data"].pop(split)
    assert f"data.{split}" in rules_broken(record)
    record["data"] |= {split: report, "europarl.train": report}
    assert "data.europarl.train" in rules_broken(record)


def test_contents_that_are_pinned_must_be_those(record, monkeypatch):
    monkeypatch.setattr(rules, "published", lambda *_: {"fixed": TINY.fixed(), "data": {"talks.train": "0" * 64}})
    assert rules_broken(record) == {"data.talks.train.sha256"}


def test_a_learning_rate_off_the_schedule_is_found(record):
    for stage in ("pretrain", "finetune"):
        for i in range(len(record["stages"][stage]["curve"])):
            changed = copy.deepcopy(record)
            changed["stages"][stage]["curve"][i]["learning_rate"] += 1e-6
            (broken,) = rules_broken(changed)
            assert f"{stage}.learning_rate" in broken


def test_steps_that_fp16_skips_hold_the_schedule_up_and_never_push_it_on(record):
    facts = record["stages"]["pretrain"]
    arguments = TINY.pretrain.arguments

    def with_skips(precision: str, skips: list[int]) -> set[str]:
        facts["precision"] = precision
        for point, skipped in zip(facts["curve"], skips, strict=False):
            point["learning_rate"] = scheduled_rate(arguments, max(1, point["step"] - skipped))
        return rules_broken(record)

    some = [0, 1, 1, 2] + [3] * 30
    assert with_skips("fp16", some) == set() != with_skips("bf16", some)
    ahead, back, leap = [0] * 17 + [-2] * 40, [0] * 15 + [1, 2, 2, 0, 0, 0], [0] * 16 + [5] * 40
    assert all(with_skips("fp16", skips) for skips in (ahead, back, leap))


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant_with_warmup", "inverse_sqrt", "warmup_stable_decay"])
@pytest.mark.parametrize("warmup", [0, 7, 0.1])
def test_schedules_are_the_librarys(kind, warmup):
    more = {"lr_scheduler_kwargs": {"num_decay_steps": 20, "decay_type": "linear"}} if kind[0] == "w" else {}
    arguments = {"learning_rate": 0.01, "lr_scheduler_type": kind, "warmup_steps": warmup, "max_steps": 60, **more}
    args = Seq2SeqTrainingArguments(output_dir="unused", use_cpu=True, **arguments)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    schedule = get_scheduler(
        kind, optimizer, args.get_warmup_steps(60), 60, scheduler_specific_kwargs=more.get("lr_scheduler_kwargs")
    )
    assert isinstance(schedule, LambdaLR)
    for step in range(1, 61):
        assert scheduled_rate(arguments, step) == pytest.approx(schedule.get_last_lr()[0], rel=1e-9, abs=1e-15)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("structure", [(32, 2, 1, 64), (48, 4, 3, 100), (64, 8, 2, 32)])
def test_the_number_of_parameters_follows_from_the_structure(structure):
    values = dict(zip(("d_model", "nhead", "num_layers", "d_ff"), structure, strict=True))
    model = AingForConditionalGeneration(AingConfig(vocab_size=77, **values))
    assert task_of(replace(TINY, vocab_size=77)).num_parameters(values) == model.num_parameters()


def patched(module, name, change):
    """Return a way to change the code: what `module.name` returns goes through `change`."""
    original = getattr(module, name)
    return lambda monkeypatch: monkeypatch.setattr(module, name, lambda *args, **kw: change(original(*args, **kw)))


def in_arguments(**values):
    return patched(training, "fixed_arguments", lambda arguments: arguments | values)


def with_decoding(config, **values):
    config.update(**values)
    return config


COSINE = ["--lr_scheduler_type", "cosine"]


@pytest.mark.parametrize(
    ("change", "flags", "rule"),
    [
        (in_arguments(optim="adafactor"), [], "finetune.optimizer"),
        (in_arguments(adam_beta1=0.5), [], "finetune.adam_beta1"),
        (in_arguments(adam_beta2=0.5), [], "finetune.adam_beta2"),
        (in_arguments(adam_epsilon=0.5), [], "finetune.adam_epsilon"),
        (in_arguments(max_grad_norm=9.0), [], "finetune.max_grad_norm"),
        (in_arguments(max_steps=12), [], "finetune.max_steps"),
        (in_arguments(per_device_train_batch_size=8), [], "finetune.batch_size"),
        (in_arguments(gradient_accumulation_steps=2), [], "finetune.batch_size"),
        (in_arguments(seed=7), [], "finetune.seed"),
        (in_arguments(lr_scheduler_kwargs={"num_cycles": 3.5}), COSINE, "finetune.learning_rate at step 10"),
        (patched(data, "_generate", lambda pairs: islice(pairs, 190)), [], "data.talks.train.used"),
    ],
)
def test_a_change_in_the_code_shows_in_the_record(played, tmp_path, monkeypatch, change, flags, rule):
    """Fine-tune with one line of the code changed: the record tells, whatever was asked for."""
    (tmp_path / "runs").mkdir()
    shutil.copytree(played / "runs" / "one", tmp_path / "runs" / "one")
    monkeypatch.chdir(tmp_path)
    change(monkeypatch)
    play("train_finetune", "--entry", "two", "--pretrained", "one", "--warmup_steps", "2", *flags)
    after = record_of(tmp_path, "two")
    assert rule in rules_broken(after) and rules_broken(after) == {broken["rule"] for broken in after["broken_rules"]}


def test_another_search_in_the_code_shows_in_the_record(here, monkeypatch):
    patched(decoding, "decoding_config", lambda config: with_decoding(config, num_beams=2, top_k=3))(monkeypatch)
    play("evaluate_bleu", "--entry", "one", "--again")
    after = record_of(here)
    assert rules_broken(after) == {"score.decoding.num_beams", "score.decoding.top_k"}
    assert {broken["rule"] for broken in after["broken_rules"]} == rules_broken(after)


def test_a_generation_config_that_was_changed_on_disk_changes_no_search(here):
    path = here / "runs" / "one" / "finetune" / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_beams": 1, "no_repeat_ngram_size": 2}))
    before = (here / "runs" / "one" / "translations.txt").read_bytes()
    play("evaluate_bleu", "--entry", "one", "--again")
    assert (here / "runs" / "one" / "translations.txt").read_bytes() == before
    after = record_of(here)
    assert rules_broken(after) == {"score.weights.generation_config.json"}


def test_a_record_without_a_score_breaks_no_rule_and_is_not_official_either(here):
    play("train_finetune", "--entry", "two", "--pretrained", "one", "--warmup_steps", "2")
    after = record_of(here, "two")
    assert after["broken_rules"] == [] and not after["official"]
