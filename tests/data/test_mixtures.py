"""Plain text: a column of its own, several corpora in one, and a file on the Hub that is divided."""

import json
from dataclasses import replace

import pytest

from league.data.corpora import load_split
from league.data.readers import split_of
from league.errors import UserError
from league.rulebook import Corpus, HubFiles, Mixture, Part
from league.tasks.task import task_of
from league_config import DEMO_READERS, QUESTIONS_KO, TWEETS

NOWHERE = HubFiles("nobody/nothing", "main", {})
MIXED = Corpus(
    "text",
    "text",
    30,
    Mixture((Part("letters", "text", 20, NOWHERE), Part("films", "en", 10, NOWHERE))),
    num_validation_pairs=8,
)
LEAGUE = replace(DEMO_READERS, batch_size=4)


@pytest.fixture
def folder(tmp_path):
    for name in ("letters", "films"):
        (tmp_path / name).mkdir()
    for split, count in (("train", 25), ("validation", 6)):
        rows = [{"text": f"letter  {split} {i}", "label": "a"} for i in range(count)]
        (tmp_path / "letters" / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        films = [f"film {split} {i}" for i in range(count)]
        (tmp_path / "films" / f"{split}.en").write_text("\n".join(films) + "\n")
    return tmp_path


def test_a_mixture_takes_of_each_part_what_the_rule_book_says(folder):
    split = load_split(LEAGUE, MIXED, "train", str(folder), ("text",))
    texts = list(split.texts("text"))
    assert [text.split()[0] for text in texts] == ["letter"] * 20 + ["film"] * 10
    assert split.name == "text.train" and split.report["used"] == 30 and split.report["rows"] == 50
    assert texts == list(load_split(LEAGUE, MIXED, "train", str(folder), ("text",)).texts("text"))
    validation = load_split(LEAGUE, MIXED, "validation", str(folder), ("text",))
    assert [text.split()[0] for text in validation.texts("text")] == ["letter"] * 4 + ["film"] * 4


def test_what_a_part_lacks_is_taken_as_far_as_it_goes(folder):
    (folder / "films" / "train.en").write_text("one film\nanother\nmore\nand more\n")
    assert load_split(LEAGUE, MIXED, "train", str(folder), ("text",)).report["used"] == 24


def test_a_part_that_is_missing_is_named(folder):
    (folder / "films" / "train.en").unlink()
    with pytest.raises(UserError, match="films/train.en"):
        load_split(LEAGUE, MIXED, "train", str(folder), ("text",))


def test_a_corpus_without_a_place_on_the_hub_asks_for_its_files():
    with pytest.raises(UserError, match="chatbot_ko has no place on the Hub yet: give its files with --data_dir"):
        task_of(QUESTIONS_KO).load_split(QUESTIONS_KO.finetune.corpus, "train", None)


def test_plain_text_is_a_line_each(folder):
    (folder / "letters" / "train.txt").write_text("\n".join(f"line {i}" for i in range(9)) + "\n")
    corpus = Corpus("letters", "letters", 100, NOWHERE)
    assert list(load_split(LEAGUE, corpus, "train", str(folder), ("text",)).texts("text"))[:2] == ["line 0", "line 1"]


def label(folder, corpus, rows, split="train"):
    (folder / corpus.name).mkdir(exist_ok=True)
    path = folder / corpus.name / f"{split}.jsonl"
    path.write_text("\n".join(json.dumps({"text": text, "target": target}) for text, target in rows) + "\n")


ROWS = [(f"text number {i}", i % 2) for i in range(80)]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([*ROWS, ("odd", 2)], "row 81 of those used: the label '2' is not one of 0, 1"),
        ([*ROWS, ("odd", "yes")], "the label 'yes' is not one of 0, 1"),
        ([(text, 1) for text, _ in ROWS], "has one label alone"),
        ([(text, None) for text, _ in ROWS], "holds 0 usable rows"),
    ],
)
def test_labels_that_nothing_can_be_learnt_from_are_refused(tmp_path, rows, told):
    label(tmp_path, TWEETS.finetune.corpus, rows)
    with pytest.raises(UserError, match=told):
        task_of(TWEETS).load_split(TWEETS.finetune.corpus, "train", str(tmp_path))


def test_a_missing_column_is_named(tmp_path):
    folder = tmp_path / TWEETS.finetune.corpus.name
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"text": "a", "label": 1}\n')
    with pytest.raises(UserError, match="has the columns text, label; wanted text and target"):
        task_of(TWEETS).load_split(TWEETS.finetune.corpus, "train", str(tmp_path))


def test_what_is_lacking_or_repeated_is_said(tmp_path):
    corpus, task = TWEETS.finetune.corpus, task_of(TWEETS)
    label(tmp_path, corpus, [*ROWS, ("", 1)])
    label(tmp_path, corpus, [("text number 3", 1), ("new", 1)], "validation")
    train, validation = (task.load_split(corpus, split, str(tmp_path)) for split in ("train", "validation"))
    first, second = task.about(train, validation)
    assert first.endswith("no disaster 40, disaster 40") and train.report["dropped_one_sided"] == 1
    assert "none is no disaster" in second and "1 of the texts are in the training split, too" in second


def test_a_file_is_divided_by_its_texts_alone():
    origin = TWEETS.finetune.corpus.origin
    splits = [split_of(f"a text {i}", origin) for i in range(4000)]
    for name, share in {**origin.shares, "train": 1 - sum(origin.shares.values())}.items():
        assert splits.count(name) / 4000 == pytest.approx(share, abs=0.02)
    assert splits == [split_of(f"a text {i}", origin) for i in range(4000)]
    assert splits != [split_of(f"a text {i}", replace(origin, seed=1)) for i in range(4000)]
