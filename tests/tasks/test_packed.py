"""Packed weights compute what the layers compute, as long as they are asked to; batches side by side change nothing."""

import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import librarys, make_batch, make_model
from torch import nn

from league.tasks import packed as packing
from league.tasks import predicting
from league.tasks.packed import PackedLinear, packed
from league.tasks.predicting import in_batches, side_by_side


@pytest.fixture(autouse=True)
def on_an_amd(monkeypatch):
    """Pack on any processor whose torch can."""
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise") or not torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no packed products")
    monkeypatch.setattr(packing, "suits_processor", lambda: True)


@pytest.mark.parametrize("rows", [(1,), (3, 5), (200,), (2, 7, 4)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_computes_the_same_product(rows, bias):
    torch.manual_seed(0)
    layer, x = nn.Linear(48, 96, bias=bias), torch.randn(*rows, 48)
    expected = layer(x)
    with torch.inference_mode(), packed(layer):
        assert type(layer) is PackedLinear
        assert torch.allclose(layer(x), expected, rtol=1e-5, atol=1e-5)


def test_a_model_is_as_it_was_afterwards_also_after_an_error():
    model = make_model(1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ZeroDivisionError), packed(model):
        assert all(type(layer) is PackedLinear for layer in model.modules() if isinstance(layer, nn.Linear))
        assert model.state_dict().keys() == before.keys()
        raise ZeroDivisionError
    assert not any(isinstance(layer, PackedLinear) for layer in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(hasattr(layer, "packed_weight") for layer in model.modules())


def test_weights_that_changed_are_packed_again():
    layer, x = nn.Linear(16, 16), torch.randn(4, 16)
    for _ in range(2):
        nn.init.normal_(layer.weight)
        expected = layer(x)
        with torch.inference_mode(), packed(layer):
            assert torch.allclose(layer(x), expected, atol=1e-4)


def test_whoever_needs_gradients_gets_them_from_the_ordinary_layer():
    layer, x = nn.Linear(16, 16), torch.randn(4, 16)
    with packed(layer):
        layer(x).sum().backward()
    assert layer.weight.grad is not None


def test_nothing_is_packed_where_it_does_not_pay(monkeypatch):
    monkeypatch.setattr(packing, "suits_processor", lambda: False)
    layer = nn.Linear(16, 16)
    with packed(layer):
        assert type(layer) is nn.Linear
    monkeypatch.setattr(packing, "suits_processor", lambda: True)
    with packed(layer.double()):
        assert type(layer) is nn.Linear


@given(
    seed=st.integers(0, 50),
    num_sentences=st.integers(1, 9),
    num_beams=st.integers(2, 6),
    max_length=st.integers(2, 45),
    length_penalty=st.sampled_from([1.0, 0.0, 0.6, 2.0]),
    early_stopping=st.sampled_from([False, True, "never"]),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_finds_what_the_library_finds_with_the_same_products(seed, num_sentences, **search):
    model, batch = make_model(seed), make_batch(seed, num_sentences)
    with torch.inference_mode(), packed(model):
        found = model.generate(**batch, **search, do_sample=False)
        assert torch.equal(found, librarys(model, **batch, **search, do_sample=False))


# Side by side


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(predicting, "has_gpu", lambda: False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_batches_side_by_side_share_the_threads_and_keep_their_order(two_threads):
    seen, meeting = [], threading.Barrier(2)

    def compute(batch):
        if batch[0] < 2:
            meeting.wait(60)  # which no batch passes alone
        seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled()))
        return [number * 10 for number in batch]

    batches = [[0], [1], [2, 3], [4]]
    assert list(side_by_side(compute, batches)) == [[0], [10], [20, 30], [40]]
    assert set(seen) == {(1, True)} and torch.get_num_threads() == 2


def test_one_thread_computes_one_batch_after_the_other(two_threads):
    torch.set_num_threads(1)
    names = [threading.current_thread().name]
    list(side_by_side(lambda batch: names.append(threading.current_thread().name) or batch, [[0], [1]]))
    assert len({*names}) == 1


def test_an_error_in_a_batch_reaches_the_caller_and_ends_the_rest(two_threads):
    computed = []

    def compute(batch):
        computed.append(batch)
        raise MemoryError

    with pytest.raises(MemoryError):
        list(side_by_side(compute, [[number] for number in range(100)]))
    assert len(computed) < 100 and torch.get_num_threads() == 2


def test_predictions_are_those_of_one_batch_at_a_time(two_threads):
    model = make_model(3)
    rows = [list(range(4, 5 + number % 9)) for number in range(40)]

    def search(batch):
        length = max(len(rows[i]) for i in batch)
        ids = torch.tensor([rows[i] + [0] * (length - len(rows[i])) for i in batch])
        found = model.generate(ids, attention_mask=(ids != 0).long(), num_beams=3, max_length=20, do_sample=False)
        return [line.tolist() for line in found]

    together = in_batches(rows, 4, search)
    torch.set_num_threads(1)
    assert together == in_batches(rows, 4, search)
