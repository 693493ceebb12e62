"""The sentences of a report score as SacreBLEU says, and differ where they differ."""

import numpy as np
import pytest
import sacrebleu

from league.report.sentences import Sentences, difference
from league.tasks import bleu

REFERENCES = ["A dog runs through the snow.", "Two men sit.", "A girl is reading a red book in the park.", "Yes."] * 8
HYPOTHESES = ["A dog runs through snow.", "Two men sit.", "A boy reads.", "No."] * 8
SENTENCES = Sentences([f"{'Wort ' * (place % 9)}Ende" for place in range(32)], REFERENCES, HYPOTHESES, bleu)


def test_sentences_score_as_sacrebleu_says():
    expected = [
        sacrebleu.sentence_bleu(one, [other], use_effective_order=True).score
        for one, other in zip(HYPOTHESES, REFERENCES, strict=True)
    ]
    assert SENTENCES.scores.tolist() == pytest.approx(expected)
    assert SENTENCES.value == pytest.approx(sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score)


def test_the_best_come_first_and_the_longer_of_equals():
    ranked = SENTENCES.ranked()
    assert HYPOTHESES[ranked[0]] == "Two men sit." and sorted(ranked) == list(range(32))
    assert np.all(np.diff(SENTENCES.scores[ranked]) <= 0)
    equal = Sentences(["x"] * 3, ["Yes .", "Two men are sitting there .", "No one ."], ["", "", ""], bleu)
    assert equal.ranked() == [1, 2, 0]


def test_buckets_hold_every_sentence_once_and_their_own_bleu():
    buckets = SENTENCES.by_length()
    assert 2 <= len(buckets) <= 6
    assert sum(bucket.num_sentences for bucket in buckets) == 32
    for before, after in zip(buckets, buckets[1:], strict=False):
        assert before.longest < after.shortest
    for bucket in buckets:
        inside = [i for i in range(32) if bucket.shortest <= i % 9 + 1 <= bucket.longest]
        told = sacrebleu.corpus_bleu([HYPOTHESES[i] for i in inside], [[REFERENCES[i] for i in inside]])
        assert bucket.num_sentences == len(inside)
        assert bucket.value == pytest.approx(told.score)
        assert bucket.interval[0] <= bucket.value <= bucket.interval[1]


@pytest.mark.parametrize("num", [1, 3])
def test_few_or_empty_sentences_are_one_bucket(num):
    (bucket,) = Sentences([""] * num, ["A dog."] * num, [""] * num, bleu).by_length()
    assert (bucket.num_sentences, bucket.span, bucket.value) == (num, "0", 0.0)


def test_the_difference_marks_what_the_other_side_lacks():
    hypothesis, reference = difference("A dog runs in snow", "A big dog runs through snow")
    assert [word for word, is_lacking in hypothesis if is_lacking] == ["in"]
    assert [word for word, is_lacking in reference if is_lacking] == ["big", "through"]
    assert difference("same words", "same words")[0] == [("same", False), ("words", False)]
    assert difference("", "") == ([], [])


def test_a_difference_of_endless_lines_is_quick():
    hypothesis, reference = difference("a b " * 50_000, "b a " * 50_000)
    assert max(len(hypothesis), len(reference)) <= 80
