"""The translator: the score's own hypotheses, a line for each line whatever it holds."""

import json
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from play import TINY
from transformers import GenerationMixin
from translating import LONG

from league.data.tokens import encode
from league.errors import UserError
from league.tasks.splitting import split_line
from league.translate import engines
from league.translate.translator import Hypothesis, Translator, find_checkpoint, find_rules
from modeling import AingForConditionalGeneration

pytest_plugins = "translating"

# What it finds


def test_it_finds_what_the_score_was_given_for(translator, played, sources):
    scored = (played / "runs" / "one" / "translations.txt").read_text(encoding="utf-8").split("\n")
    found = translator.translate(sources)
    whole = [i for i, (_, was_cut) in enumerate(encode(translator.tokenizer, sources, TINY.max_length)) if not was_cut]
    assert len(whole) > 15
    assert [found[i] for i in whole] == [scored[i] for i in whole]
    assert translator.translate(sources[whole[0]]) == scored[whole[0]]


def test_scores_are_the_librarys(translator, sources, monkeypatch):
    ours = translator.search(sources, num_beams=3, n_best=2)
    plain = AingForConditionalGeneration.generate
    monkeypatch.setattr(AingForConditionalGeneration, "_beam_search", GenerationMixin._beam_search)
    monkeypatch.setattr(
        AingForConditionalGeneration, "generate", lambda self, **given: plain(self, **given | {"output_scores": True})
    )
    theirs = translator.search(sources, num_beams=3, n_best=2)
    assert [[one.text for one in each] for each in ours] == [[one.text for one in each] for each in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert [one.score for one in mine] == pytest.approx([one.score for one in other], rel=1e-4)
        assert mine[0].score >= mine[1].score


@torch.inference_mode()
def test_a_greedy_score_is_the_mean_log_probability(translator, sources):
    (found,) = translator.engine.search([[5, 6, 7, 2]], 1, 1, lambda count: None)
    (one,) = found
    inputs = torch.tensor([[1, *one.ids[:-1]]])
    logits = translator.model(input_ids=torch.tensor([[5, 6, 7, 2]]), decoder_input_ids=inputs).logits[0]
    steps = logits.log_softmax(-1).gather(1, torch.tensor(one.ids)[:, None])
    assert one.score == pytest.approx(steps.mean().item(), rel=1e-4)
    assert [logits[i].argmax().item() for i in range(len(one.ids))] == one.ids


def test_more_beams_take_smaller_batches(translator, monkeypatch):
    sizes = []
    search = engines.search
    monkeypatch.setattr(engines, "search", lambda _, rows, *rest: sizes.append(len(rows)) or search(_, rows, *rest))
    translator.search(["Ein Mann."] * 60, num_beams=8)
    assert sizes == [25, 25, 10]


# Any text


@given(texts=st.lists(st.text(max_size=60), max_size=6))
@settings(max_examples=25, deadline=None)
def test_each_text_gets_its_translations(translator, texts):
    found = translator.search(texts, num_beams=2, n_best=2)
    assert [len(each) for each in found] == [2] * len(texts)
    for text, each in zip(texts, found, strict=True):
        assert text.strip() or each == [Hypothesis("", 0.0)] * 2


def test_neighbours_change_nothing(translator, sources):
    strange = ["", "\u2028", "a\0b", "😀" * 30, "\ud800", " \u00a0 ", LONG]
    alone = [translator.translate(text) for text in strange]
    mixed = [text for pair in zip(strange, sources, strict=False) for text in pair]
    assert translator.translate(mixed)[::2] == alone
    assert alone[0] == alone[1] == alone[5] == ""


def test_a_line_that_is_too_long_is_translated_in_parts(translator):
    before = translator.num_long
    (found,) = translator.search([LONG], n_best=2)
    sentence = translator.search([LONG[:61]], n_best=2)[0]
    assert translator.num_long == before + 1
    assert [one.text for one in found] == [" ".join([one.text] * 12) for one in sentence]
    assert [one.score for one in found] == pytest.approx([one.score for one in sentence], rel=1e-4)


@given(
    text=st.text(alphabet=st.sampled_from("abÄ😀1 .,;!?\n\u2028”"), max_size=300),
    limit=st.integers(6, 40),
)
@settings(deadline=None)
def test_parts_fit_and_lose_nothing(text, limit):
    def count(texts):
        return [len(text.encode()) + 2 for text in texts]

    parts = split_line(text, limit, count)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert max(count(parts)) <= limit


def test_sentences_stand_alone_and_clauses_stay_together_as_far_as_they_fit():
    def count(texts):
        return [len(text.split()) for text in texts]

    assert split_line("Er kam am 3. Mai. Sie, z. B. sie, nicht! Oder?", 6, count) == [
        "Er kam am 3. Mai.",
        "Sie, z. B. sie, nicht!",
        "Oder?",
    ]
    assert split_line("eins, zwei, drei, vier fünf sechs sieben acht", 3, count) == [
        "eins, zwei, drei,",
        "vier fünf sechs",
        "sieben acht",
    ]


# What it is given


def test_every_form_of_a_checkpoint_is_found(played, tmp_path, monkeypatch):
    entry = played / "runs" / "one"
    assert find_checkpoint(entry) == find_checkpoint(entry / "finetune") == entry / "finetune"
    shutil.copytree(entry / "pretrain", tmp_path / "half" / "pretrain")
    assert find_checkpoint(tmp_path / "half") == tmp_path / "half" / "pretrain"
    monkeypatch.setattr("league.hub.transfer.fetch", lambda name: ("fetched", name))
    assert find_checkpoint("someone/some-model") == ("fetched", "someone/some-model")
    monkeypatch.chdir(played)
    for wrong in ("runs/nothing", "nothing", "/no/where", "a/b/c", "x" * 5000, "runs"):
        with pytest.raises(UserError):
            find_checkpoint(wrong)


def test_rules_come_from_the_record_or_within_bounds_from_the_config(played, tmp_path):
    assert find_rules(played / "runs" / "one" / "finetune") == TINY
    folder = tmp_path / "bare"
    shutil.copytree(played / "runs" / "one" / "finetune", folder)
    rules = find_rules(folder)
    assert (rules.vocab_size, rules.max_length, rules.decoding) == (TINY.vocab_size, TINY.max_length, TINY.decoding)
    assert isinstance(Translator(folder).translate("Ein Mann."), str)
    config = json.loads((folder / "config.json").read_text())
    for value in (10**9, -1, "48", None, True):
        (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": value}))
        with pytest.raises(UserError, match="max_position_embeddings"):
            Translator(folder)


def test_code_beside_the_weights_is_not_run(played, tmp_path):
    folder = tmp_path / "evil"
    shutil.copytree(played / "runs" / "one" / "finetune", folder)
    for path in folder.glob("*.py"):
        path.write_text(f"open({str(tmp_path / 'was_run')!r}, 'w')\n")
    assert Translator(folder).translate(["Ein Mann."])
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"num_beams": 0}, {"num_beams": 65}, {"num_beams": 2, "n_best": 3}, {"n_best": 0}],
    ids=str,
)
def test_a_search_that_cannot_be_is_refused(translator, wrong):
    with pytest.raises(UserError, match="must be between"):
        translator.search(["Ein Mann."], **wrong)


def test_an_engine_that_is_not_there_is_refused(played):
    for wrong in ({"engine": "marian"}, {"compute_type": "int8"}, {"engine": "ctranslate2", "compute_type": "int3"}):
        with pytest.raises(UserError, match="--engine|--compute_type"):
            Translator(played / "runs" / "one", **wrong)
