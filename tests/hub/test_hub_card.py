"""The card of an entry on the Hub, and its results."""

from dataclasses import asdict

import huggingface_hub
import pytest
import yaml
from msgspec.structs import replace

from league.hub.card import _licence, eval_results, model_card
from league.record.shape import BrokenRule
from league.rulebook import Generated
from league.tasks.task import task_of
from league_config import AING, DEMO_READERS, LEAGUES
from modeling import train_tokenizer

pytest_plugins = "hub_entry"


def from_the_hub(record):
    """Return the record as if its league were on the Hub's data."""
    record.league.fixed, record.league.name = AING.fixed(), "aing"
    parts = {"captions": "multi30k", "talks": "iwslt2017"}
    data = {}
    for name, facts in record.data.items():
        corpus, _, split = name.partition(".")
        data[f"{parts[corpus]}.{split}"] = replace(facts, origin="hub")
    return replace(record, data=data)


def test_the_card_says_what_is_known(record):
    data = huggingface_hub.ModelCard(model_card(record, "club/mine")).data
    assert (data.language, data.library_name, data.pipeline_tag) == (["de", "en"], "transformers", "translation")
    assert data.get("datasets") is None
    results = {result.metric_type: result.metric_value for result in data.eval_results}
    assert results == {"bleu": round(record.score.value, 2), "chrf": round(record.score.extras["chrf"], 2)}
    text = model_card(record, "club/mine")
    for name in ("d_model", "nhead", "learning_rate", "lr_scheduler_type"):
        assert f"| {name} | {record.asked[name]} |" in text
    assert "Verdict: official" in text and "`tiny` league, version 1, with seed 1" in text
    assert record.score.signature in text


def test_the_card_of_the_real_league_names_its_data(record):
    text = model_card(from_the_hub(record), "club/mine")
    data = huggingface_hub.ModelCard(text).data
    assert data.datasets == ["bentrevett/multi30k", "IWSLT/iwslt2017"]
    assert {result.dataset_type for result in data.eval_results} == {"bentrevett/multi30k"}
    assert "non-commercial research" in text and "CC BY-NC-ND 3.0" in text


@pytest.mark.parametrize("league", LEAGUES.values(), ids=LEAGUES.keys())
def test_a_licence_is_known_of_all_data_and_of_each_part_of_a_mixture(league):
    for stage in (league.pretrain, league.finetune):
        origin = stage.corpus.origin
        licences = _licence(asdict(stage.corpus), "generated" if isinstance(origin, Generated) else "hub").split("; ")
        assert "not known" not in licences
        assert len(licences) == len({part.name for part in getattr(origin, "parts", (stage.corpus,))})


def test_the_card_owns_up_to_what_is_open_and_stays_a_table(record):
    rule = BrokenRule("fixed.batch_size", 64, "a | b <script>alert(1)</script>")
    text = model_card(replace(record, official=False, broken_rules=[rule]), "club/mine")
    assert "Verdict: open, not ranked" in text and "batch_size" in text and "<script" not in text


def test_results_are_given_where_the_test_set_lies_on_the_hub_and_nowhere_else(record):
    assert eval_results(record, "club/mine") == {}
    real = from_the_hub(record)
    ((path, content),) = eval_results(real, "club/mine").items()
    (entry,) = huggingface_hub.parse_eval_result_entries(yaml.safe_load(content))
    assert path == ".eval_results/multi30k.yaml"
    assert (entry.dataset_id, entry.task_id) == ("bentrevett/multi30k", "translation_de_en")
    assert entry.value == round(record.score.value, 2) and "club/mine" in entry.source_url
    real.data["multi30k.test"].origin = "files"
    assert eval_results(real, "club/mine") == {}
    assert "datasets" not in huggingface_hub.ModelCard(model_card(record, "club/mine")).data.to_dict()


def test_a_masked_models_example_has_something_to_fill(record):
    words = task_of(DEMO_READERS, "pretrain").hub_words()
    assert "<mask>" in words.example
    tokenizer = train_tokenizer(["a dog runs and a cat sleeps"] * 50, 300, 16, masks=True)
    assert words.options == ", split_special_tokens=False"
    assert tokenizer.mask_token_id in tokenizer([words.example], split_special_tokens=False)["input_ids"][0]
    assert tokenizer.mask_token_id not in tokenizer([words.example])["input_ids"][0]
