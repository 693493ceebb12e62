"""ROUGE: rouge-score's own values in English, and values worked out by hand in Korean; BLEU by order."""

import json
import random
import time
from unicodedata import normalize

import evaluate
import numpy as np
import pytest
from conftest import ROOT
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

from league.data.demo.generate import generate_pairs
from league.tasks import rouge
from league.tasks.resampling import interval, p_value


def random_pairs(count: int) -> list[tuple[str, str]]:
    """Return English texts of one to four lines, each beside one that shares some of its words."""
    generator, sentences = random.Random(4), [english for _, english in generate_pairs("talks", "train", 1000, seed=0)]
    pairs = []
    for _ in range(count):
        lines = generator.choices(sentences, k=generator.randint(1, 4))
        words = " ".join(lines).split()
        kept = [word for word in words if generator.random() < 0.7] + generator.choices(sentences)[0].split()
        generator.shuffle(kept)
        cut = generator.randrange(len(kept))
        pairs.append(("\n".join(lines), f"{' '.join(kept[:cut])}\n{' '.join(kept[cut:])}"))
    return pairs


def test_it_is_rouge_score_on_a_thousand_english_pairs():
    pairs, own = random_pairs(1000), RougeScorer(list(rouge.KINDS))
    statistics = rouge.statistics([one for one, _ in pairs], [other for _, other in pairs])
    scores = [own.score(other, one) for one, other in pairs]
    for place, kind in enumerate(rouge.KINDS):
        expected = [round(score[kind].fmeasure, 9) for score in scores]
        digits = statistics[:, 1 + 3 * place : 4 + 3 * place] @ [10**6, 10**3, 1]
        assert digits.tolist() == [round(share * 10**9) for share in expected]
    mean = 100 * sum(score["rougeL"].fmeasure for score in scores) / len(scores)
    assert rouge.value(statistics.sum(0)) == pytest.approx(mean, abs=1e-7)
    assert 0 < mean < 100


# By hand: words in common, or the longest subsequence in common, over the lengths of both: F = 2 x common / (both).
KOREAN = [
    # prediction, reference, ROUGE-1, ROUGE-2, ROUGE-L
    ("민수는 내일 학교에 간다", "민수는 내일 도서관에 간다.", 2 * 3 / 8, 2 * 1 / 6, 2 * 3 / 8),
    ("영희가 빵을 샀다", "빵을 영희가 샀다", 1.0, 0.0, 2 * 2 / 6),
    ("회의는 세 시에 시작한다", "정부는 예산을 늘렸다", 0.0, 0.0, 0.0),
]


def test_korean_is_as_worked_out_by_hand():
    predictions, references, first, second, longest = map(list, zip(*KOREAN, strict=True))
    statistics = rouge.statistics(predictions, references)
    assert rouge.row_values(statistics) == pytest.approx([100 * share for share in longest])
    extras = rouge.extras(predictions, references, statistics)
    assert extras["rouge_1"] == pytest.approx(100 * sum(first) / 3)
    assert extras["rouge_2"] == pytest.approx(100 * sum(second) / 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Der Ärger im Haus: 3,5 %", ["der", "ärger", "im", "haus", "3", "5"]),
        ("한국어 요약, 좋아요!", ["한국어", "요약", "좋아요"]),
        (normalize("NFD", "한글"), ["한글"]),  # as files of a Mac are
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("漢字と kana42", ["漢", "字", "と", "kana42"]),
        ("!?…", []),
    ],
)
def test_words_of_any_script(text, words):
    assert rouge.Words().tokenize(text) == words


def test_the_best_of_several_references_counts_and_rows_may_have_different_numbers():
    predictions = ["the cat sat down", "a dog", "[not] a list"]
    references = [json.dumps(["it rained", "the cat sat"]), "a dog", "[not] a list"]
    alone = rouge.statistics(predictions, ["the cat sat", "a dog", "[not] a list"])
    assert (rouge.statistics(predictions, references) == alone).all()


def test_a_score_without_words_is_nought_and_never_fails():
    statistics = rouge.statistics(["", "…", "words"], ["words", "…", ""])
    assert rouge.value(statistics.sum(0)) == 0
    assert all(value == 0 for value in rouge.extras(["", "…"], ["words", "…"], statistics).values())


def test_interval_and_test_need_nothing_but_the_statistics():
    pairs = random_pairs(200)
    references = [other for _, other in pairs]
    good = rouge.statistics([one for one, _ in pairs], references)
    bad = rouge.statistics([one.split("\n")[0] for one, _ in pairs], references)
    low, high = interval(rouge, good)
    assert low < rouge.value(good.sum(0)) < high
    assert p_value(rouge, good, bad) < 0.01 < p_value(rouge, good, good)
    # Resampling adds up in float32: not a digit is lost.
    many = np.tile(good, (20, 1))
    assert (many.astype(np.float32).sum(0, dtype=np.float32) == many.sum(0)).all()


def test_bleu_by_order_is_sacrebleus():
    pairs = random_pairs(50)
    predictions, references = [one for one, _ in pairs], [json.dumps([other, one[:40]]) for one, other in pairs]
    extras = rouge.extras(predictions, references, rouge.statistics(predictions, references))
    spaced = [" ".join(rouge.Words().tokenize(text)) for text in predictions]
    several = [[" ".join(rouge.Words().tokenize(json.loads(text)[i])) for text in references] for i in range(2)]
    for order in (2, 3, 4):
        own = BLEU(max_ngram_order=order, tokenize="none", smooth_method="none", force=True)
        assert extras[f"bleu_1_to_{order}"] == pytest.approx(own.corpus_score(spaced, several).score)


def test_bleu_of_an_order_alone_is_its_precision():
    extras = rouge.extras(["a b c d"], ["a b c x"], rouge.statistics(["a b c d"], ["a b c x"]))
    assert [extras[f"bleu_{n}"] for n in range(1, 5)] == pytest.approx([75.0, 200 / 3, 50.0, 0.0])


def test_evaluate_loads_it():
    metric = evaluate.load(str(ROOT / "league/tasks/rouge.py"))
    references = [json.dumps(["the cat sat", "it sat"]), "dogs bark"]
    scores = metric.compute(predictions=["the cat sat", "dogs"], references=references)
    assert scores["rouge_l"] == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert set(scores) == {"rouge_1", "rouge_2", "rouge_l", "rouge_lsum"}


def test_a_text_of_a_million_words_is_scored_in_seconds():
    started = time.monotonic()
    statistics = rouge.statistics(["word " * 1_000_000], ["word and word"])
    assert time.monotonic() - started < 10
    assert rouge.value(statistics.sum(0)) > 0
