"""Steps as CUDA graphs: what can be said of them where there is no GPU. The rest is in tests/games/test_gpu.py."""

from types import SimpleNamespace

import pytest
import torch

from league.data.batches import PairCollator
from league.run.graphs import WIDTHS, use_graphs, widened
from league.tasks.loss import MaskedLoss, SmoothedLoss
from modeling import AingConfig, AingForConditionalGeneration

ARGUMENTS = SimpleNamespace(label_smoothing_factor=0.1, bf16=False, fp16=False)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    config = AingConfig(vocab_size=300, d_model=32, nhead=2, num_layers=1, d_ff=64, dropout=0.0)
    return AingForConditionalGeneration(config).train()


def test_a_wider_batch_has_the_same_loss(model):
    generator = torch.Generator().manual_seed(2)
    pairs = [
        {name: torch.randint(4, 300, (size,), generator=generator).numpy() for name in ("input_ids", "labels")}
        for size in (3, 9, 11)
    ]
    batch = PairCollator(model)(pairs)
    wide = widened(batch, model.config.pad_token_id)
    assert {tensor.shape[1] for tensor in wide.values()} == {16} and 16 in WIDTHS
    loss, losses = SmoothedLoss(model, ARGUMENTS), []
    for inputs in (dict(batch), dict(wide)):
        labels = inputs.pop("labels")
        losses.append(loss(model(**inputs), labels).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_there_are_few_widths_and_none_is_too_narrow():
    widths = {}
    for length in range(1, 1025):
        widths[length] = widened({"input_ids": torch.ones(2, length)}, 0)["input_ids"].shape[1]
        assert length <= widths[length] <= max(8, 2 * length)
    assert len(set(widths.values())) <= 24


@pytest.mark.parametrize("loss", [SmoothedLoss, MaskedLoss])
def test_a_cpu_trains_as_ever(model, loss):
    args = SimpleNamespace(world_size=1, gradient_accumulation_steps=1, device=torch.device("cpu"))
    accelerator = SimpleNamespace(scaler=None)
    trainer = SimpleNamespace(
        args=args,
        accelerator=accelerator,
        model=model,
        compute_loss_func=loss(model, ARGUMENTS),
        training_step="its own",
    )
    use_graphs(trainer)
    assert trainer.training_step == "its own"
