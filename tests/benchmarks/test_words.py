"""The mark beside which readers stand: a bag of words knows what single words tell, and no more."""

import math
import random

import play  # noqa: F401  which knows the tiny leagues
import pytest
import torch

from benchmarks import words

TEXTS = [f"{color} {noun} {number}" for number in range(60) for color, noun in (("red", "ball"), ("blue", "sky"))]


@pytest.mark.parametrize("counted", words.COUNTED)
def test_what_a_word_tells_is_learned_and_what_none_tells_is_not(counted):
    bag = words.Bag(words.COUNTED[counted], TEXTS)
    told = [text.split()[0] for text in TEXTS]
    assert words.Model(bag, bag.rows(TEXTS), told, 10.0).label(["a red house", "the blue one"]) == ["red", "blue"]
    dice = random.Random(1)
    tossed = [dice.choice("ab") for _ in TEXTS]
    found = words.Model(bag, bag.rows(TEXTS), tossed, 1.0).label(["a red house"] * 3)
    assert len(set(found)) == 1


def test_rows_have_the_length_one_and_rare_words_say_more():
    bag = words.Bag(words.words_of, TEXTS)
    rows = bag.rows([*TEXTS, "nothing of it"]).to_dense()
    lengths = rows.norm(dim=1)
    assert torch.allclose(lengths[:-1], torch.ones(len(TEXTS))) and lengths[-1] == 0
    assert bag.weights[bag.places["7"]] > bag.weights[bag.places["red"]] > 1
    assert "red ball" in bag.places and "ball 7" not in bag.places, "once is too seldom"


def test_its_gradient_is_nought_where_it_ends():
    bag = words.Bag(words.words_of, TEXTS)
    rows, labels = bag.rows(TEXTS), [str(i % 3) for i in range(len(TEXTS))]
    model = words.Model(bag, rows, labels, 3.0)
    shares = (torch.sparse.mm(rows, model.weights) + model.bias).softmax(1)
    wanted = torch.nn.functional.one_hot(torch.tensor([int(label) for label in labels]), 3)
    slope = 3.0 * torch.sparse.mm(rows.transpose(0, 1), shares - wanted) + model.weights
    assert slope.abs().max() < 1e-2 * math.sqrt(len(TEXTS))
