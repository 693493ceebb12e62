"""Masks: their shares, and that nothing but the seed and a text's place decides them."""

import numpy as np
import pytest

from league.data.batches import MaskCollator, TrainingOrder
from league.data.masking import KEPT, MASKED, NOT_PREDICTED, RANDOM, Masks
from league.tasks.mask import Mask
from league_config import DEMO_READERS

SETTINGS = DEMO_READERS.pretrain.settings
MASK_ID, VOCAB = 4, 500


def masks(seed: int = 1, **settings) -> Masks:
    return Masks(seed, MASK_ID, VOCAB, SETTINGS | settings)


def test_the_shares_hold_over_a_million_positions():
    is_predicted, treatment, instead = masks().draw(1000, np.arange(1000))
    assert is_predicted.mean() == pytest.approx(0.15, abs=0.002)
    for kind, share in ((MASKED, 0.8), (RANDOM, 0.1), (KEPT, 0.1)):
        assert (treatment[is_predicted] == kind).mean() == pytest.approx(share, abs=0.005)
    counts = np.bincount((instead % np.uint64(50)).astype(int).ravel(), minlength=50)
    assert counts.std() / counts.mean() < 0.02  # what stands there at random is any token as often as another


def test_what_is_hidden_is_what_was_drawn_and_special_tokens_never_are():
    generator = np.random.default_rng(0)
    ids = generator.integers(0, VOCAB, size=(64, 40))
    hidden, labels = masks().hide(ids, np.arange(64))
    is_predicted, treatment, _ = masks().draw(40, np.arange(64))
    is_predicted &= ids > MASK_ID
    assert ((labels != NOT_PREDICTED) == is_predicted).all()
    assert (labels[is_predicted] == ids[is_predicted]).all() and (hidden[~is_predicted] == ids[~is_predicted]).all()
    assert (hidden[is_predicted & (treatment == MASKED)] == MASK_ID).all()
    assert (hidden[is_predicted & (treatment == KEPT)] == ids[is_predicted & (treatment == KEPT)]).all()
    at_random = hidden[is_predicted & (treatment == RANDOM)]
    assert len(at_random) > 20 and at_random.min() > MASK_ID and at_random.max() < VOCAB


def test_a_text_is_masked_the_same_in_any_batch_and_at_any_width():
    ids = np.random.default_rng(0).integers(5, VOCAB, size=(8, 30))
    places = np.array([7, 1_000_003, 12, 5, 2**40, 90, 0, 44])
    hidden, labels = masks().hide(ids, places)
    for part in (slice(0, 3), slice(3, 8), slice(2, 3)):
        wide = np.pad(ids[part], ((0, 0), (0, 9)))
        again, again_labels = masks().hide(wide, places[part])
        assert (again[:, :30] == hidden[part]).all() and (again_labels[:, :30] == labels[part]).all()
        assert (again_labels[:, 30:] == NOT_PREDICTED).all()
    assert (masks(seed=2).hide(ids, places)[0] != hidden).any()


class Rows:
    """Tokens of a few texts, as a split has them."""

    def __getitem__(self, i):
        return {"input_ids": np.arange(5, 5 + 20 + i % 3)}

    def lengths(self):
        return np.array([[20 + i % 3 for i in range(32)]])


@pytest.mark.parametrize("is_static", [True, False])
def test_static_masks_come_back_each_epoch_and_dynamic_ones_do_not(is_static):
    order = TrainingOrder(Rows(), batch_size=8, num_steps=8, seed=3)  # two epochs
    collate = MaskCollator(masks(is_static=is_static), pad_token_id=0)
    seen: dict[int, list[tuple]] = {}
    for i in range(len(order)):
        batch = collate([order[i]])
        seen.setdefault(int(order.order[i]), []).append(tuple(batch["input_ids"][0].tolist()))
    assert all(len(texts) == 2 for texts in seen.values())
    same = sum(first == second for first, second in seen.values())
    assert same == 32 if is_static else same < 4


def test_two_processes_and_a_restart_see_the_same_masks():
    order = TrainingOrder(Rows(), batch_size=8, num_steps=8, seed=3)
    collate = MaskCollator(masks(), pad_token_id=0)
    whole = collate([order[i] for i in range(16, 24)])
    halves = [collate([order[i] for i in range(first, 24, 2)]) for first in (16, 17)]
    for first, half in enumerate(halves):
        for name in ("input_ids", "labels"):
            assert (whole[name][first::2] == half[name]).all()


def test_the_league_masks_as_its_rule_book_says():
    task = Mask(DEMO_READERS, "pretrain")
    model = task.new_model(
        {"d_model": 16, "nhead": 2, "num_layers": 1, "d_ff": 16, "dropout": 0.0, "activation": "relu"}, None
    )
    made = task.masks(model.config, seed=9)
    assert made == Masks(9, model.config.mask_token_id, DEMO_READERS.vocab_size, SETTINGS)
