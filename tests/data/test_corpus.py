"""The generated corpus: reproducible, split without leaks, one translation a sentence, and clean."""

import re
import sys
from itertools import islice

import pytest
from conftest import ROOT, run
from sampled import GENDERS, PAIRS, SAMPLE

from league.data.demo import generate as corpus
from league.data.demo.generate import REGISTERS, generate_pairs


def words(text: str) -> list[str]:
    return re.findall(r"[\w-]+", text)


@pytest.mark.parametrize("register", REGISTERS)
def test_same_seed_gives_the_same_pairs_and_another_seed_others(register):
    first = list(generate_pairs(register, "train", 500, seed=1))
    assert first == list(generate_pairs(register, "train", 500, seed=1))
    assert first != list(generate_pairs(register, "train", 500, seed=2))
    assert len(first) == 500


def test_pairs_do_not_depend_on_the_hash_seed():
    program = (
        "from league.data.demo.generate import generate_pairs\n"
        "print([list(generate_pairs(r, 'test', 40, 9)) for r in ('captions', 'talks')])"
    )
    outputs = {run([sys.executable, "-c", program], ROOT, PYTHONHASHSEED=seed).stdout for seed in ("1", "77")}
    assert outputs == {str([list(generate_pairs(register, "test", 40, 9)) for register in REGISTERS]) + "\n"}


@pytest.mark.parametrize("register", REGISTERS)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_fewer_pairs_are_the_beginning_of_more(register, split):
    assert list(generate_pairs(register, split, 60, 4)) == list(generate_pairs(register, split, 150, 4))[:60]


def test_pairs_are_made_as_they_are_taken():
    assert len(list(islice(generate_pairs("talks", "train", 10**12, seed=0), 5))) == 5
    assert list(generate_pairs("captions", "train", 0, seed=0)) == []


@pytest.mark.parametrize("register", REGISTERS)
def test_splits_share_no_sentence_at_any_seed(register):
    train = {german for seed in (0, 8) for german, _ in generate_pairs(register, "train", 15_000, seed)}
    held_out = {
        split: {german for seed in (0, 5) for german, _ in generate_pairs(register, split, 250, seed)}
        for split in ("validation", "test")
    }
    assert not train & held_out["validation"] and not train & held_out["test"]
    assert not held_out["validation"] & held_out["test"]


def test_word_order_variants_stay_in_one_split():
    assert corpus.split_of("den Hund streichelt die Frau.") == corpus.split_of("Die Frau streichelt den Hund.")
    assert {corpus.split_of(german) for german, _ in PAIRS} == {"train"}


def test_one_german_sentence_has_one_translation():
    translations = {}
    for german, english in PAIRS:
        assert translations.setdefault(german, english) == english
    assert len(translations) > 0.99 * len(PAIRS)


@pytest.mark.parametrize(
    "register, shortest, longest, mean", [("captions", 6, 20, (9, 14)), ("talks", 8, 30, (12, 20))]
)
def test_lengths_suit_the_register(register, shortest, longest, mean):
    lengths = [len(german.split()) for german, _ in SAMPLE[register]]
    assert shortest <= min(lengths) and max(lengths) <= longest
    assert mean[0] < sum(lengths) / len(lengths) < mean[1]


def test_each_register_has_words_of_its_own_and_shares_some():
    vocabularies = [{word for german, _ in SAMPLE[register] for word in words(german)} for register in REGISTERS]
    shared = vocabularies[0] & vocabularies[1]
    assert len(shared) > 50 and all(len(vocabulary - shared) > 400 for vocabulary in vocabularies)


def test_word_frequencies_are_far_from_uniform():
    counts = {}
    for german, _ in SAMPLE["captions"]:
        for word in words(german):
            if word in GENDERS:
                counts[word] = counts.get(word, 0) + 1
    ranked = sorted(counts.values(), reverse=True)
    assert ranked[0] > 5 * ranked[len(ranked) // 2]


def test_text_is_clean():
    for pair in PAIRS:
        for text in pair:
            assert text == " ".join(text.split()) and not re.search(r" [,.?]|[,.?]{2}|[^\w ,.?'-]|_|YOUR", text), text
            assert text[0].isupper() and text[-1] in ".?"
        assert pair[0][-1] == pair[1][-1] and (pair[0] + pair[1])[:-1].count(pair[0][-1]) == 1
