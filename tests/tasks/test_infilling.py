"""The noise of a denoiser: the league's share is hidden in spans, all else is there, and a text's place decides it."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from league.tasks.infilling import InfillingCollator, Marks, corrupt
from modeling import AingConfig, AingForConditionalGeneration

MARKS = Marks(mask=4, line_end=9, sentence_ends=(7, 8))
BART = {"share": 0.3, "mean_span": 3.0, "permutes": True}
EOS = 2


def noised(ids: list[int], seed: int = 1, **others) -> tuple[list[int], list[bool]]:
    source = np.random.default_rng(seed)
    read, hidden = corrupt(np.array([*ids, EOS]), MARKS, BART | others, source)
    return read.tolist(), hidden.tolist()


texts = st.lists(st.integers(5, 60), max_size=80)


@settings(max_examples=300, deadline=None)
@given(texts, st.integers(0, 1000), st.booleans())
def test_what_is_not_hidden_is_there_once_and_the_share_is_kept(ids, seed, permutes):
    read, hidden = noised(ids, seed, permutes=permutes)
    kept = [token for token, is_hidden in zip(ids, hidden, strict=False) if not is_hidden]
    assert Counter(token for token in read[:-1] if token != MARKS.mask) == Counter(kept)
    assert read[-1] == EOS and not hidden[-1] and len(hidden) == len(ids) + 1
    assert sum(hidden) <= round(0.3 * len(ids)) and (len(ids) < 20 or sum(hidden) == round(0.3 * len(ids)))
    if not permutes:
        assert [token for token in read[:-1] if token != MARKS.mask] == kept


def test_spans_have_poisson_lengths_and_one_mask_each():
    lengths = []
    for seed in range(200):
        read, hidden = noised(list(range(10, 210)), seed, permutes=False)
        assert sum(hidden) == 60
        runs = "".join("x" if one else " " for one in hidden).split()
        lengths += map(len, runs)
        assert read.count(MARKS.mask) >= len(runs)
    assert 2.8 < np.mean(lengths) < 3.6, "Poisson of 3 without its zeros has a mean of 3.16"


def test_masks_of_nothing_occur_too():
    masks = [noised(list(range(10, 110)), seed, permutes=False) for seed in range(100)]
    extra = [read.count(4) - len("".join("x" if one else " " for one in hidden).split()) for read, hidden in masks]
    assert 0 < np.mean(extra) < 2


def test_lines_change_places_whole():
    lines = [[20, 21], [30, 31, 32], [40]]
    ids = [token for line in lines for token in (*line, MARKS.line_end)][:-1]
    orders = set()
    for seed in range(40):
        read, _ = noised(ids, seed, share=0.0)
        parts = " ".join(map(str, read[:-1])).split(f" {MARKS.line_end} ")
        assert sorted(parts) == ["20 21", "30 31 32", "40"]
        orders.add(tuple(parts))
    assert len(orders) == 6


def test_sentences_of_one_line_change_places_with_their_ends():
    orders = {tuple(noised([20, 21, 7, 30, 8, 40, 7], seed, share=0.0)[0]) for seed in range(40)}
    assert (30, 8, 40, 7, 20, 21, 7, EOS) in orders and len(orders) == 6


def test_nothing_of_a_text_without_words_is_an_error():
    assert noised([]) == ([EOS], [False])
    read, hidden = noised([20], share=1.0)
    assert read[-1] == EOS and MARKS.mask in read and hidden == [True, False]


@pytest.fixture(scope="module")
def collate():
    config = AingConfig(vocab_size=300, d_model=8, nhead=2, num_layers=1, d_ff=8)
    return InfillingCollator(AingForConditionalGeneration(config), 5, MARKS, BART)


def test_a_texts_noise_is_its_places_whatever_is_beside_it(collate):
    rows = [{"input_ids": np.arange(10, 40 + 3 * i), "place": i, "row": 0} for i in range(6)]
    alone = [collate([row])["input_ids"][0] for row in rows]
    together = collate(rows)["input_ids"]
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other[: len(one)]) and not other[len(one) :].any()
    again = collate([rows[0] | {"place": 600}])["input_ids"][0]
    assert again.tolist() != alone[0].tolist(), "another epoch has another noise"


def test_labels_are_the_text_itself(collate):
    row = {"input_ids": np.arange(10, 40), "place": 3, "row": 0}
    assert collate([row])["labels"][0].tolist() == list(range(10, 40))
