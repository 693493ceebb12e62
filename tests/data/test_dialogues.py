"""The generated dialogues: clean, split without leaks, and no summary without reading the whole text."""

import random
import re

import pytest

from league.data.demo.dialogues import Dialogues
from league.data.demo.generate import generate_pairs
from league.tasks import rouge

ROWS = list(generate_pairs("dialogues", "train", 1500, seed=3))
TURN = re.compile(r"([A-Z][a-z]+): \S.*[.?!]")
DAYS = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day(?: \w+)?"


def rouge_l(predictions: list[str], summaries: list[str]) -> float:
    return float(rouge.value(rouge.statistics(predictions, summaries).sum(0)))


def test_each_line_is_a_turn_of_one_of_two_speakers():
    for document, summary in ROWS:
        speakers = [TURN.fullmatch(line)[1] for line in document.split("\n")]
        assert len(set(speakers)) == 2 and set(speakers) <= set(re.findall(r"[A-Z]\w+", summary))
        assert not re.search(r"[{}]|  ", document + summary)


def test_splits_share_no_summary_and_a_seed_gives_the_same_rows():
    assert ROWS[:300] == list(generate_pairs("dialogues", "train", 300, seed=3))
    summaries = {
        split: {row[1] for row in generate_pairs("dialogues", split, 400, seed=3)} for split in ("test", "train")
    }
    assert not summaries["test"] & {summary for _, summary in ROWS} and len(summaries["test"]) > 395
    assert not summaries["test"] & summaries["train"]


def test_unlabelled_conversations_are_documents_of_their_own():
    rows = list(generate_pairs("conversations", "train", 300, seed=3))
    assert all(len(row) == 1 and TURN.match(row[0]) for row in rows)
    assert not {document for (document,) in rows} & {document for document, _ in ROWS}


def test_the_summary_is_in_the_text_and_its_beginning_is_not_enough():
    summaries = [summary for _, summary in ROWS]
    for count in range(1, 6):
        lead = ["\n".join(document.split("\n")[:count]) for document, _ in ROWS]
        assert rouge_l(lead, summaries) < 30
    for document, summary in ROWS:
        agreed = re.findall(rf"will [a-z ]+ (on {DAYS}) and meet (.+)\.", summary)
        assert all(part.lower() in document.lower() for found in agreed for part in found)


def test_four_turns_in_a_row_rarely_tell_what_was_settled():
    told = 0
    for document, summary in ROWS[:500]:
        wanted = set(re.findall(r"\w{4,}", summary.lower())) - {"will", "meet", "because"}
        lines = document.lower().split("\n")
        parts = [" ".join(lines[i : i + 4]) for i in range(max(1, len(lines) - 3))]
        told += any(wanted <= set(re.findall(r"\w+", part)) for part in parts)
    assert told < 0.25 * 500


def test_what_is_said_first_is_often_dropped():
    first = [re.search(DAYS, document)[0] for document, _ in ROWS]
    last = [re.findall(DAYS, summary) for _, summary in ROWS]
    differs = [day not in settled for day, settled in zip(first, last, strict=True)]
    assert sum(differs) > 0.5 * len(ROWS)


@pytest.mark.parametrize("seed", range(3))
def test_errands_are_of_those_who_took_them(seed):
    generator = Dialogues(random.Random(seed))
    for _ in range(200):
        document, summary = generator.sentence()
        for name, task in re.findall(r"(\w+): I will (\w[^.]+)\.", document):
            if not task.startswith(("see to", "do that")):
                assert re.search(rf"{name} will [^,]*{task}", summary), (document, summary)
