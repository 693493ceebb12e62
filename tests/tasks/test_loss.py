"""The loss: the library's label smoother, to rounding, in value and gradient, without its logits."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import Seq2SeqTrainingArguments
from transformers.trainer_pt_utils import LabelSmoother

from league.tasks import loss
from league.tasks.loss import IGNORED, LossOfLogits, MaskedLoss, SmoothedLoss, smoothed_cross_entropy
from modeling import AingConfig, AingForConditionalGeneration

VOCAB, WIDTH = 500, 16


def make_problem(num_positions: int, scale: float = 1.0):
    generator = torch.Generator().manual_seed(num_positions)
    hidden = scale * torch.randn(num_positions, WIDTH, generator=generator)
    weight = torch.randn(VOCAB, WIDTH, generator=generator)
    targets = torch.randint(VOCAB, (num_positions,), generator=generator)
    targets[torch.rand(num_positions, generator=generator) < 0.3] = IGNORED
    targets[0] = 7
    return hidden.requires_grad_(), weight.requires_grad_(), targets


def librarys(hidden, weight, targets, epsilon: float) -> torch.Tensor:
    return LabelSmoother(epsilon)({"logits": hidden @ weight.T}, targets) * targets.ne(IGNORED).sum()


def ours(hidden, weight, targets, epsilon: float, dtype=torch.float32) -> torch.Tensor:
    return LossOfLogits.apply(hidden, weight, targets, partial(smoothed_cross_entropy, epsilon=epsilon), dtype)


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("num_positions", [1, 130, 700])
@pytest.mark.parametrize("rows", [64, 2048])
def test_equals_the_librarys_smoother(monkeypatch, epsilon, num_positions, rows):
    monkeypatch.setattr(loss, "ROWS", rows)
    problem = make_problem(num_positions)
    expected = librarys(*problem, epsilon)
    expected_gradients = torch.autograd.grad(3 * expected, problem[:2])
    found = ours(*problem, epsilon)
    gradients = torch.autograd.grad(3 * found, problem[:2])
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        assert relative(gradient, wanted) < 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_part_of_a_batch_without_a_target_weighs_nothing(dtype):
    """Of few short lines no token may be hidden: the others of the batch have what there is to learn."""
    hidden, weight, targets = make_problem(6)
    nothing = ours(hidden[:0], weight, targets[:0], 0.1, dtype)
    assert nothing.item() == 0
    assert all(gradient.eq(0).all() for gradient in torch.autograd.grad(nothing, (hidden, weight)))
    model = SimpleNamespace(lm_head=SimpleNamespace(weight=weight))
    args = SimpleNamespace(label_smoothing_factor=0.0, bf16=dtype == torch.bfloat16, fp16=False)
    labels = torch.full((2, 3), IGNORED)
    found = MaskedLoss(model, args)({"last_hidden_state": hidden.view(2, 3, WIDTH)}, labels, torch.tensor(4))
    found.backward()
    assert found.item() == 0 and weight.grad.eq(0).all()


def test_half_precision_costs_rounding_only():
    problem = make_problem(300)
    exact = librarys(*problem, 0.1)
    found = ours(*problem, 0.1, torch.bfloat16)
    assert found.item() == pytest.approx(exact.item(), rel=5e-3)
    for gradient, wanted in zip(
        torch.autograd.grad(found, problem[:2]), torch.autograd.grad(exact, problem[:2]), strict=True
    ):
        assert gradient.dtype == torch.float32 and relative(gradient, wanted) < 0.02


def test_scores_far_apart_do_not_overflow():
    problem = make_problem(50, scale=300.0)
    found = ours(*problem, 0.1)
    assert found.item() == pytest.approx(librarys(*problem, 0.1).item(), rel=1e-5)
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(found, problem[:2]))


def make_model():
    torch.manual_seed(0)
    return AingForConditionalGeneration(
        AingConfig(vocab_size=VOCAB, d_model=WIDTH, nhead=2, num_layers=1, d_ff=32, dropout=0.0)
    )


def make_batch():
    generator = torch.Generator().manual_seed(1)
    input_ids = torch.randint(4, VOCAB, (8, 40), generator=generator)
    labels = torch.randint(4, VOCAB, (8, 40), generator=generator)
    labels[::2, 30:] = IGNORED
    return {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}, labels


def make_arguments(tmp_path, **values) -> Seq2SeqTrainingArguments:
    return Seq2SeqTrainingArguments(output_dir=str(tmp_path), use_cpu=True, label_smoothing_factor=0.1, **values)


def test_a_model_in_training_leaves_its_logits_to_the_loss(tmp_path):
    model, (batch, labels) = make_model(), make_batch()
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(labels)
    expected = LabelSmoother(0.1)(model(**batch, decoder_input_ids=decoder_input_ids), labels)
    smoothed = SmoothedLoss(model, make_arguments(tmp_path))
    outputs = model.train()(**batch, decoder_input_ids=decoder_input_ids)
    assert "logits" not in outputs
    assert torch.allclose(smoothed(outputs, labels), expected)
    assert torch.allclose(smoothed(outputs, labels, num_items_in_batch=10), expected * labels.ne(IGNORED).sum() / 10)
    assert model.eval()(**batch, decoder_input_ids=decoder_input_ids).logits.shape == (8, 40, VOCAB)
    assert model.train()(**batch, labels=labels).logits.shape == (8, 40, VOCAB)


class Sizes(TorchDispatchMode):
    """Notes the operations and the most float32 values that one of them returns."""

    def __init__(self):
        super().__init__()
        self.most, self.num_operations = 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.num_operations += 1
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32:
                self.most = max(self.most, tensor.numel())
        return result


def test_probabilities_never_exist_for_more_positions_than_a_cache_holds(tmp_path):
    """A guard without a stopwatch: what made the library's smoother slow was float32 tensors of this size."""
    model, (batch, labels) = make_model().train(), make_batch()
    smoothed = SmoothedLoss(model, make_arguments(tmp_path, bf16=True))
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(labels)
    with Sizes() as sizes:
        smoothed(model(**batch, decoder_input_ids=decoder_input_ids), labels).backward()
    assert labels.numel() > 2 * loss.ROWS_IN_CACHE
    assert sizes.most <= loss.ROWS_IN_CACHE * VOCAB


def test_a_training_step_takes_no_more_operations_than_it_did(tmp_path):
    """A guard without a stopwatch: small models wait for Python, operation by operation."""
    torch.manual_seed(0)
    config = AingConfig(vocab_size=VOCAB, d_model=32, nhead=2, num_layers=2, d_ff=32)
    model = AingForConditionalGeneration(config).train()
    model.set_attn_implementation("eager")
    batch, labels = make_batch()
    smoothed = SmoothedLoss(model, make_arguments(tmp_path, bf16=True))
    decoder_input_ids = model.prepare_decoder_input_ids_from_labels(labels)
    with Sizes() as sizes, torch.autocast("cpu", torch.bfloat16):
        smoothed(model(**batch, decoder_input_ids=decoder_input_ids), labels).backward()
    assert 500 < sizes.num_operations < 2000
