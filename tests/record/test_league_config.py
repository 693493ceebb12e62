"""The rule books: one home for each value, no value that nobody reads, a fingerprint that tells."""

import ast
import dataclasses
import json
import re
import sys
from typing import get_type_hints

import pytest
from conftest import ROOT
from transformers import Seq2SeqTrainingArguments

from league.data.filters import KINDS
from league.proof.noise import noise_of
from league.record.rules import PUBLISHED
from league.rulebook import FILTERS, Range, fingerprint
from league_config import (
    AING,
    DEMO,
    FT_HP,
    LEAGUES,
    MODEL_HP,
    FilteredSummaryHP,
    FinetuneHP,
    ModelHP,
    SummaryFinetuneHP,
)
from modeling import AingConfig


def names_of(kind) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


ARGUMENTS = names_of(Seq2SeqTrainingArguments)


def test_tune_names_are_the_librarys_own():
    assert names_of(ModelHP) <= names_of(AingConfig)
    assert names_of(FinetuneHP) <= ARGUMENTS


@pytest.mark.parametrize("hp", [MODEL_HP, FT_HP])
def test_start_values_lie_in_their_search_ranges(hp):
    for name, hint in get_type_hints(type(hp), include_extras=True).items():
        searched, help_text = hint.__metadata__
        value = getattr(hp, name)
        assert searched.low <= value <= searched.high if isinstance(searched, Range) else value in searched
        assert help_text


@pytest.mark.parametrize("league", LEAGUES.values(), ids=lambda league: league.name)
def test_fixed_arguments_exist_and_none_is_tuned_in_the_finetune(league):
    tuned = names_of(FinetuneHP)
    for stage in (league.pretrain, league.finetune):
        assert set(league.training) | set(stage.arguments) <= ARGUMENTS
        assert not set(league.training) & set(stage.arguments)
    assert not tuned & (set(league.training) | set(league.finetune.arguments))
    if league.pretrain.arguments:  # else stage A is a checkpoint of the Hub
        assert tuned <= set(league.pretrain.arguments), "stage A must fix all that stage B tunes"


@pytest.mark.parametrize("league", [AING, DEMO], ids=lambda league: league.name)
def test_rule_books_equal_what_was_published(league):
    published = json.loads(PUBLISHED.read_text())[f"{league.name} {league.version}"]
    assert league.fixed() == published["fixed"], (
        "a FIXED value changed: that is a new league version, published beside the old one"
    )


def test_the_second_version_of_aing_differs_from_the_first_in_the_revision_alone():
    published = json.loads(PUBLISHED.read_text())
    first, second = (published[f"aing {version}"]["fixed"] for version in (1, 2))
    assert first["pretrain"]["corpus"]["origin"].pop("revision") == "main"
    assert re.fullmatch("[0-9a-f]{40}", second["pretrain"]["corpus"]["origin"].pop("revision"))
    assert {**first, "version": 2} == second
    assert published["aing 1"]["data"] == published["aing 2"]["data"]
    assert noise_of("aing", 1) == noise_of("aing", 2) is not None


def test_another_batch_size_makes_other_steps_of_as_many_examples():
    league = LEAGUES["demo-summaries"]
    examples = league.batch_size * league.finetune.arguments["max_steps"]
    for size in get_type_hints(league.tuned("finetune"), include_extras=True)["batch_size"].__metadata__[0]:
        played = league.as_tuned({"batch_size": size})
        assert played.batch_size * played.finetune.arguments["max_steps"] == examples
        assert played.as_tuned({"batch_size": size}) == played
        assert played.pretrain == league.pretrain
    assert league.as_tuned({"batch_size": league.tuned("finetune").batch_size}).fixed() == league.fixed()
    assert AING.as_tuned({"batch_size": 8}) is AING


@pytest.mark.parametrize("name", ["demo-summaries", "dialogues", "news-ko"])
def test_the_second_version_of_the_summaries_differs_from_the_first_in_what_is_tuned_alone(name):
    published = json.loads(PUBLISHED.read_text())
    first, second = (published[f"{name} {version}"]["fixed"] for version in (1, 2))
    assert second == LEAGUES[name].fixed()
    assert set(second["finetune"].pop("tuned")) - set(first["finetune"].pop("tuned")) == {"batch_size"}
    assert {**first, "version": 2} == second
    assert published[f"{name} 1"]["data"] == published[f"{name} 2"]["data"]


def test_fingerprint_changes_with_every_fixed_value_and_with_the_data():
    def mark(league, data):
        return fingerprint(league.fixed(), data)

    data = {"multi30k.train": "a", "iwslt2017.train": "b"}
    fingerprints = {mark(AING, data), mark(AING, {**data, "multi30k.train": "c"})}
    variants = [
        dataclasses.replace(AING, name="other"),
        dataclasses.replace(AING, version=99),
        dataclasses.replace(AING, source="fr"),
        dataclasses.replace(AING, target="fr"),
        dataclasses.replace(AING, metric="chrf"),
        dataclasses.replace(AING, task="summarize"),
        dataclasses.replace(AING, scored_on="finetune"),
        dataclasses.replace(AING, needs_game=True),
        dataclasses.replace(AING, finetune=dataclasses.replace(AING.finetune, task="summarize")),
        dataclasses.replace(AING, finetune=dataclasses.replace(AING.finetune, metric="chrf")),
        dataclasses.replace(AING, finetune=dataclasses.replace(AING.finetune, settings={"labels": "a"})),
        dataclasses.replace(AING, sample_seed=1),
        dataclasses.replace(AING, vocab_size=1),
        dataclasses.replace(AING, max_length=1),
        dataclasses.replace(AING, batch_size=1),
        dataclasses.replace(AING, minutes=1),
        dataclasses.replace(AING, pretrain=AING.finetune),
        dataclasses.replace(AING, finetune=AING.pretrain),
        *(dataclasses.replace(AING, training={**AING.training, name: 0}) for name in AING.training),
        *(dataclasses.replace(AING, decoding={**AING.decoding, name: -1}) for name in AING.decoding),
    ]
    changed = {field.name for variant in variants for field in dataclasses.fields(AING)
               if getattr(variant, field.name) != getattr(AING, field.name)}  # fmt: skip
    assert changed == {field.name for field in dataclasses.fields(AING)}, "a new field needs its variant here"
    fingerprints |= {mark(variant, data) for variant in variants}
    assert len(fingerprints) == len(variants) + 2
    assert mark(AING, data) == mark(dataclasses.replace(AING), dict(reversed(data.items())))


def test_rule_book_needs_the_standard_library_alone():
    for name in ("league_config.py", "league/rulebook.py"):
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        assert imported <= {"league.rulebook", *sys.stdlib_module_names}


def test_each_tuned_value_stands_on_one_line():
    for line in (ROOT / "league_config.py").read_text(encoding="utf-8").splitlines():
        name = line.strip().split(":")[0]
        if name in names_of(ModelHP) | names_of(FinetuneHP) and "Annotated" in line:
            assert re.search(r"\] = [\w.\"-]+$", line), line


def test_tune_blocks_stand_at_the_top():
    text = (ROOT / "league_config.py").read_text(encoding="utf-8")
    assert text.index("🔧 TUNE MODEL_HP") < text.index("🔧 TUNE FT_HP") < text.index("FIXED from here on")
    assert text[: text.index("🔧 TUNE MODEL_HP")].count("\n") < 25


def test_each_filter_that_an_entry_may_choose_is_one_of_the_corpus():
    chosen = names_of(FilteredSummaryHP) - names_of(SummaryFinetuneHP)
    assert chosen == set(FILTERS) <= KINDS.keys()
