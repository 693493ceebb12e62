"""The translator with CTranslate2: it finds the same, and its model is converted once."""

import shutil
import sys
from dataclasses import replace

import pytest
import torch
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st
from translating import LONG

from league.errors import UserError
from league.translate import engines
from league.translate import export as conversion
from league.translate.translator import Translator

pytest_plugins = "translating"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HOME", str(tmp_path_factory.mktemp("home")))
        yield patch


@pytest.fixture(scope="module")
def fast(played, cache):
    pytest.importorskip("ctranslate2")
    return Translator(played / "runs" / "one", "ctranslate2")


@pytest.mark.parametrize("num_beams", [1, 2, 4])
def test_ctranslate2_finds_the_same(translator, fast, sources, num_beams):
    texts = [*sources, "", LONG]
    ours = translator.search(texts, num_beams, n_best=num_beams)
    theirs = fast.search(texts, num_beams, n_best=num_beams)
    for one, other in zip(ours, theirs, strict=True):
        assert [each.text for each in other] == [each.text for each in one]
        assert [each.score for each in other] == pytest.approx([each.score for each in one], rel=1e-4)


def test_what_depends_on_the_stop_is_left_to_the_model(translator, fast, sources, monkeypatch):
    monkeypatch.setattr(engines, "depends_on_stop", lambda ended, num_beams, n_best: True)
    seen = []
    own = engines.TorchEngine.search
    monkeypatch.setattr(
        engines.TorchEngine, "search", lambda self, rows, *more: seen.append(len(rows)) or own(self, rows, *more)
    )
    ticks = []
    rows, _ = fast._encode(sources)
    found = fast.engine.search(rows, 4, 2, ticks.append)
    assert found == translator.engine.search(rows, 4, 2, lambda count: None)
    assert seen[0] == len(rows) == sum(ticks)


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 1000)), max_size=20, unique_by=lambda end: end[1]),
    st.integers(2, 4),
    st.data(),
)
def test_what_does_not_depend_on_the_stop_is_the_same_wherever_it_comes(ends, num_beams, data):
    n_best = data.draw(st.integers(1, num_beams))
    ended = [("x" * length, -worse / 100) for length, worse in sorted(ends, key=lambda end: end[1])]
    if engines.depends_on_stop(ended, num_beams, n_best):
        return
    for stop in range(1, 13):
        there = [end for end in ended if len(end[0]) <= stop]
        if len(there) >= num_beams:
            assert there[:n_best] == ended[:n_best]


def test_the_model_keeps_its_threads(fast):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        Translator(fast.checkpoint, "ctranslate2")
        assert torch.get_num_threads() == 3, "CTranslate2 shares them, and would leave one"
    finally:
        torch.set_num_threads(before)


def test_int8_costs_little(translator, fast, played, sources):
    rough = Translator(played / "runs" / "one", "ctranslate2", "int8")
    exact, other = ([each[0].score for each in one.search(sources)] for one in (fast, rough))
    assert exact != other and other == pytest.approx(exact, rel=0.1)


def test_a_checkpoint_is_converted_once_and_anew_when_it_changes(fast, played, tmp_path, monkeypatch):
    made = []
    specification = conversion.specification
    monkeypatch.setattr(conversion, "specification", lambda *given: made.append(1) or specification(*given))
    Translator(played / "runs" / "one", "ctranslate2")
    assert made == []
    shutil.copytree(played / "runs" / "one" / "pretrain", tmp_path / "other")
    before = sorted(path.name for path in (tmp_path / "other").iterdir())
    Translator(tmp_path / "other", "ctranslate2")
    assert made == [1]
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == before, "the checkpoint is as it was"


def test_where_the_converted_model_cannot_be_kept_one_line_says_so(played, tmp_path, monkeypatch):
    pytest.importorskip("ctranslate2")
    (tmp_path / "home").write_text("a file")
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    with pytest.raises(UserError, match="cannot write the converted model"):
        Translator(played / "runs" / "one", "ctranslate2")


def test_where_ctranslate2_is_missing_one_line_says_so(played, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(UserError, match="pip install ctranslate2"):
        Translator(played / "runs" / "one", "ctranslate2")


def test_it_writes_no_more_than_the_league_s_search_may(fast, sources, monkeypatch):
    rules = fast.rules
    short = replace(rules, decoding=rules.decoding | {"max_length": 4})
    rows = fast.task.encode(fast.tokenizer, sources[:8])
    most = {}
    for name, book in (("usual", rules), ("short", short)):
        monkeypatch.setattr(fast.engine, "rules", book)
        found = fast.engine.search(rows, 4, 1, lambda _: None)
        most[name] = max(len(best.ids) for best, *_ in found)
    assert most["short"] <= 4 < most["usual"]
