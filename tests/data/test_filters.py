"""Filters of a training split: each drops what it is for, says why, and counts it; what is judged stays whole."""

import dataclasses
import json

import pytest

from league.data.corpora import dropped, load_split
from league.data.filters import Filters, repeated_share
from league.errors import UserError
from league.record.shape import DataFacts
from league_config import DEMO, DEMO_SUMMARIES

LONG = "we talk about many different things here today"


@pytest.mark.parametrize(
    ("wanted", "row", "why"),
    [
        ({}, ("a text", ""), "a text is empty"),
        ({}, ("a \ufffd text", "x"), "broken encoding"),
        ({}, (LONG, LONG), ""),
        ({"fewest_words": 2}, (LONG, "one"), "fewer than 2 words"),
        ({"most_words": 5}, (LONG, "one"), "more than 5 words"),
        ({"is_shorter": True}, ("two words", "two words"), "not shorter than its text"),
        ({"is_shorter": True}, (LONG, "two words"), ""),
        ({"repetition": (2, 0.4)}, ("so it is so it is so it is", "x"), "repeats its groups of 2 words"),
        ({"repetition": (2, 0.4)}, (LONG, "x"), ""),
        ({"repetition": "2,0.4"}, ("so it is so it is so it is", "x"), "repeats its groups of 2 words"),
        ({"patterns": [r"https?://"]}, ("see http://x now", "x"), "holds https?://"),
    ],
)
def test_a_filter_says_why_it_leaves_a_row_out(wanted, row, why):
    assert Filters(wanted).why_not(row) == why


def test_of_equal_texts_the_first_stays_and_none_is_in_validation():
    filters = Filters({"duplicates": False}, elsewhere=["of validation"])
    rows = [("one", "a"), ("two", "a"), ("one", "b"), ("of validation", "a")]
    assert [filters.why_not(row) for row in rows] == ["", "", "comes again", "comes again"]


def test_repetition_is_a_share():
    assert repeated_share("a b c d", 2) == 0 and repeated_share("a", 2) == 0
    assert repeated_share("a b a b", 2) == pytest.approx(1 / 3)


@pytest.fixture
def folder(tmp_path):
    rows = [{"document": f"{LONG} {i}", "summary": f"many things {i}"} for i in range(60)]
    rows += [
        rows[3],
        {"document": "short", "summary": "this is longer than its text"},
        {"document": "x", "summary": ""},
    ]
    (tmp_path / "dialogues").mkdir()
    for split, some in {"train": rows, "validation": [rows[7], rows[0] | {"summary": ""}]}.items():
        text = "".join(json.dumps(row) + "\n" for row in some)
        (tmp_path / "dialogues" / f"{split}.jsonl").write_text(text)
    return str(tmp_path)


def corpus_with(**filters):
    return dataclasses.replace(DEMO_SUMMARIES.finetune.corpus, filters=filters)


def test_a_split_is_filtered_before_it_is_sampled_and_says_so(folder):
    corpus = dataclasses.replace(corpus_with(duplicates=False, is_shorter=True), num_train_pairs=40)
    split = load_split(DEMO_SUMMARIES, corpus, "train", folder)
    counts = {"rows": 63, "used": 40, "dropped_one_sided": 1, "dropped_by_filters": 4}
    assert split.report | counts == split.report
    assert DataFacts(**split.report).dropped_by_filters == 4
    found = dropped(DEMO_SUMMARIES, corpus, folder, ("document", "summary"))
    assert {why: len(texts) for why, texts in found.items()} == {
        "comes again": 3,
        "not shorter than its text": 1,
        "a text is empty": 1,
    }
    assert load_split(DEMO_SUMMARIES, corpus, "validation", folder).report["used"] == 2, "what judges stays whole"


@pytest.mark.parametrize("filters", [{"longest": 3}, {"patterns": ["("]}])
def test_filters_that_cannot_be_are_refused_in_a_line(folder, filters):
    with pytest.raises(UserError, match="the filters of dialogues: "):
        load_split(DEMO_SUMMARIES, corpus_with(**filters), "train", folder)


def test_a_rule_book_without_filters_is_as_ever():
    assert "filters" not in DEMO.fixed()["pretrain"]["corpus"]
    filtered = dataclasses.replace(DEMO_SUMMARIES.finetune, corpus=corpus_with(duplicates=False))
    assert dataclasses.replace(DEMO_SUMMARIES, finetune=filtered).fixed()["finetune"]["corpus"]["filters"]
