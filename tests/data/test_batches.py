"""The order and shape of batches."""

from types import SimpleNamespace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from league.data.batches import PairCollator, TrainingOrder, length_grouped_order
from league.data.tokens import tokenize_split
from modeling.modeling_aing import shift_right

pytest_plugins = "splits"

# ---- order


@settings(deadline=None, max_examples=30)
@given(st.integers(70, 700), st.integers(1, 64), st.integers(1, 40), st.integers(0, 2**31 - 1))
def test_an_order_has_the_right_length_and_no_pair_twice_in_an_epoch(num_pairs, batch_size, num_batches, seed):
    lengths = np.random.default_rng(seed).integers(1, 128, (2, num_pairs))
    order = length_grouped_order(lengths, batch_size, num_batches, seed)
    assert len(order) == batch_size * num_batches and 0 <= order.min() and order.max() < num_pairs
    whole = num_pairs // batch_size * batch_size
    for first in range(0, len(order), whole):
        epoch = order[first : first + whole]
        assert len(np.unique(epoch)) == len(epoch)


def test_an_order_is_a_function_of_its_seed_alone():
    lengths = np.random.default_rng(0).integers(1, 128, (2, 500))
    order = length_grouped_order(lengths, 8, 200, 7)
    np.random.seed(3)
    torch.manual_seed(3)
    assert (length_grouped_order(lengths, 8, 200, 7) == order).all()
    assert (length_grouped_order(lengths, 8, 200, 8) != order).any()
    assert (order[:496] != order[496:992]).any()  # a new order in each epoch


def test_a_longer_run_begins_like_a_shorter_one():
    lengths = np.random.default_rng(0).integers(1, 128, (2, 500))
    order = length_grouped_order(lengths, 8, 300, 7)
    assert (length_grouped_order(lengths, 8, 100, 7) == order[:800]).all()


def padding(order, lengths, batch_size) -> float:
    batches = lengths[:, order].reshape(len(lengths), -1, batch_size)
    return 1 - batches.sum() / (batches.max(axis=2).sum() * batch_size)


def test_batches_are_padded_far_less_than_random_ones():
    """Translations are about as long as what they translate: neither side may hold much padding."""
    numbers = np.random.default_rng(0)
    sources = numbers.integers(5, 60, 6400)
    lengths = np.stack((sources, np.maximum(2, (sources * numbers.normal(1.1, 0.2, 6400)).astype(int))))
    order = length_grouped_order(lengths, 64, 100, 1)
    by_target = np.concatenate([part[np.lexsort(lengths[:, part])] for part in np.split(np.arange(6400), 2)])
    assert padding(order, lengths, 64) < 0.7 * padding(by_target, lengths, 64)
    assert padding(order, lengths, 64) < 0.3 * padding(np.random.default_rng(1).permutation(6400), lengths, 64)


def test_short_and_long_batches_are_mixed():
    lengths = np.random.default_rng(0).integers(5, 60, (2, 6400))
    means = lengths[1, length_grouped_order(lengths, 64, 100, 1)].reshape(100, 64).mean(axis=1)
    assert abs(np.corrcoef(np.arange(100), means)[0, 1]) < 0.4


def test_the_training_order_counts_its_tokens(split, tokenizer, tmp_path):
    tokens = tokenize_split(split, tokenizer, 16, tmp_path / "cache")
    order = TrainingOrder(tokens, 64, 5, seed=1)
    assert len(order) == 5 * 64
    seen = [order[i] for i in range(2 * 64)]
    assert order.num_tokens(2) == sum(len(pair["input_ids"]) + len(pair["labels"]) for pair in seen)


# ---- batches


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.lists(st.integers(4, 99), max_size=9)] * 2), min_size=1, max_size=5))
def test_a_batch_is_padded_masked_and_shifted(rows):
    model = SimpleNamespace(
        config=SimpleNamespace(pad_token_id=0),
        prepare_decoder_input_ids_from_labels=lambda labels: shift_right(labels, 0, 1),
    )
    pairs = [{"input_ids": np.array([*source, 2]), "labels": np.array([*target, 2])} for source, target in rows]
    batch = PairCollator(model)(pairs)
    assert len({tuple(batch[key].shape) for key in ("input_ids", "attention_mask")}) == 1
    for i, (source, target) in enumerate(rows):
        assert batch["input_ids"][i][batch["attention_mask"][i] == 1].tolist() == [*source, 2]
        assert not batch["input_ids"][i][batch["attention_mask"][i] == 0].any()
        labels = batch["labels"][i].tolist()
        assert labels == [*target, 2] + [-100] * (len(labels) - len(target) - 1)
        fed = batch["decoder_input_ids"][i].tolist()
        assert fed[: len(target) + 1] == [1, *target]
        assert all(token == 0 for token, label in zip(fed, labels, strict=True) if label == -100 and token != 2)
        assert fed[1:] == [0 if label == -100 else label for label in labels[:-1]]
