"""Translating: every sentence exactly once, in order, whatever it holds; the score is SacreBLEU's."""

import dataclasses
import functools
from types import SimpleNamespace

import evaluate
import pytest
import sacrebleu
from conftest import ROOT, SMALL
from hypothesis import given, settings
from hypothesis import strategies as st
from play import TINY, play

from league.data.corpora import load_split
from league.data.tokens import encode
from league.record.shape import read_record
from league.tasks.predicting import predict
from league.tasks.scoring import score
from league.tasks.task import task_of
from league_config import AING
from modeling import AingForConditionalGeneration

SEARCH = dataclasses.replace(TINY, max_length=20, decoding={**TINY.decoding, "num_beams": 2})
BY_FOUR, BY_ONE = (
    task_of(dataclasses.replace(SEARCH, decoding={**SEARCH.decoding, "batch_size": size})) for size in (4, 1)
)
SENTENCES = ["Ein Mann.", "", "Die Frau im Park liest " * 30, "😀 \u00a0", "Ein Mann.", "Zwei Hunde rennen."]


@pytest.fixture(scope="module")
def trained(played):
    model, tokenizer = task_of(TINY).load_checkpoint(played / "runs" / "one" / "finetune")
    task_of(SEARCH).prepare(model)
    return model, tokenizer


def test_each_sentence_gets_its_own_translation_whatever_the_batches(trained):
    model, tokenizer = trained
    alone = [predict(BY_ONE, model, tokenizer, [text])[0] for text in SENTENCES]
    assert predict(BY_FOUR, model, tokenizer, SENTENCES) == alone
    assert predict(BY_FOUR, model, tokenizer, SENTENCES[::-1]) == alone[::-1]


def test_nothing_to_translate_is_nothing(trained):
    assert predict(BY_FOUR, *trained, []) == []


@given(texts=st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=80), max_size=5))
@settings(max_examples=30, deadline=None)
def test_ids_are_cut_to_the_limit_and_end_with_eos(trained, texts):
    _, tokenizer = trained
    for ids, was_cut in encode(tokenizer, texts, 10):
        assert 1 <= len(ids) <= 10 and ids[-1] == tokenizer.eos_token_id
        assert tokenizer.eos_token_id not in ids[:-1]
        assert not was_cut or len(ids) == 10


def test_a_validation_translates_and_computes_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    forward = AingForConditionalGeneration.forward

    @functools.wraps(forward)
    def only_in_training(self, *args, **kwargs):
        assert self.training, "a loss on the references, which nobody reads"
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(AingForConditionalGeneration, "forward", only_in_training)
    play("train_pretrain", "--entry", "one", *SMALL)
    model, tokenizer = task_of(TINY).load_checkpoint(tmp_path / "runs/one/pretrain")
    task_of(TINY).prepare(model)
    record = read_record(tmp_path / "runs/one/record.json")
    for stage in (TINY.pretrain, TINY.finetune):
        split = load_split(TINY, stage.corpus, "validation", None)
        texts = predict(task_of(TINY), model, tokenizer, list(split.sources))
        bleu = sacrebleu.corpus_bleu(texts, [list(split.targets)]).score
        assert record.stages["pretrain"].validation[stage.corpus.domain] == round(bleu, 2)


def test_score_is_sacrebleus_with_its_interval():
    hypotheses = ["A man is riding a horse.", "Two dogs run in the park.", "A woman reads."] * 10
    references = ["A man rides a horse.", "Two dogs run through the park.", "A woman is reading a book."] * 10
    result = score(TINY, hypotheses, references)
    assert result["value"] == sacrebleu.corpus_bleu(hypotheses, [references]).score
    assert result["extras"]["chrf"] == sacrebleu.corpus_chrf(hypotheses, [references]).score
    low, high = result["interval"]
    assert low < result["value"] < high
    assert result == score(TINY, hypotheses, references), "the bootstrap is seeded"


def test_validation_bleu_loads_without_network_and_equals_sacrebleu(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    metric = evaluate.load(str(ROOT / "league" / "tasks" / "bleu.py"))
    hypotheses, references = ["A man rides.", "Two dogs in a park run."], ["A man rides.", "Two dogs run in a park."]
    assert metric.compute(predictions=hypotheses, references=references) == {
        "bleu": sacrebleu.corpus_bleu(hypotheses, [references]).score
    }


def test_a_translation_is_a_line_whatever_a_model_writes(monkeypatch):
    monkeypatch.setattr("league.tasks.decoding.search", lambda _, rows: [[SimpleNamespace(ids=row)] for row in rows])
    tokenizer = SimpleNamespace(batch_decode=lambda ids, skip_special_tokens: ["one\ntwo", "three"])
    assert task_of(AING).predict_rows(None, tokenizer, [[1], [2]]) == ["one two", "three"]
