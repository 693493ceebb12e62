"""The loss: label-smoothed cross-entropy, equal to the library's smoother, from hidden states instead of logits."""

from functools import partial
from typing import Any

import torch
from torch.nn import functional as F
from transformers.trainer_pt_utils import LabelSmoother

IGNORED = LabelSmoother.ignore_index
ROWS = 2048  # positions whose logits exist at a time
ROWS_IN_CACHE = 128  # of these, so many at a time in float32, where a CPU's cache holds them


class LossOfLogits(torch.autograd.Function):
    """The sum over all positions; the gradient is made along with it, in the place of the logits.

    `replace(scores, targets)` turns scores into their gradient and returns the loss. A position that was passed several
    times has as many rows, one after the other, and its scores side by side.
    """

    @staticmethod
    def forward(ctx, hidden, weight, targets, replace, dtype: torch.dtype):
        lower, weight = hidden.to(dtype), weight.to(dtype)
        total = hidden.new_zeros((), dtype=torch.float32)
        if not len(targets):  # few short rows, of whose tokens none is hidden
            ctx.save_for_backward(torch.zeros_like(lower), torch.zeros_like(weight, dtype=torch.float32))
            return total
        passes = len(lower) // len(targets)
        hidden_gradient, weight_gradient = torch.empty_like(lower), None
        num_rows = ROWS // passes * passes
        blocks = zip(lower.split(num_rows), targets.split(ROWS // passes), hidden_gradient.split(num_rows), strict=True)
        for block, target, gradient in blocks:
            scores = block @ weight.T  # P N V
            each = scores.view(len(target), -1)  # N P V
            few = ROWS_IN_CACHE // passes if scores.device.type == "cpu" else ROWS
            for part in zip(each.split(few), target.split(few), strict=True):
                total += replace(*part)
            _clear(each, target == IGNORED)
            torch.mm(scores, weight, out=gradient)
            part = scores.T @ block  # V D
            weight_gradient = part.float() if weight_gradient is None else weight_gradient.add_(part)
        ctx.save_for_backward(hidden_gradient, weight_gradient)
        return total

    @staticmethod
    def backward(ctx, scale):
        hidden_gradient, weight_gradient = ctx.saved_tensors
        return hidden_gradient.to(scale.dtype) * scale, weight_gradient * scale, None, None, None


def _clear(scores: torch.Tensor, where: torch.Tensor) -> None:
    if scores.device.type == "cuda":  # where nobody waits to learn how many there are
        scores.masked_fill_(where[:, None], 0.0)
    else:
        scores.index_fill_(0, where.nonzero().squeeze(1), 0.0)


def smoothed_cross_entropy(scores: torch.Tensor, targets: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Turn the scores of positions into the gradient of their loss; return the loss, summed over those that count."""
    exact = scores.float() if scores.dtype != torch.float32 else scores
    index = targets.clamp(min=0)[:, None]
    wanted, mean, highest = exact.gather(1, index).squeeze(1), exact.mean(1), exact.amax(1)
    probabilities = torch.softmax(exact, dim=1, out=exact)
    # What all were divided by, from the highest: its probability is never too small for a logarithm.
    log_sum = highest - probabilities.amax(1).log()
    losses = log_sum - (1 - epsilon) * wanted - epsilon * mean
    gradient = probabilities.sub_(epsilon / scores.shape[1])
    gradient.scatter_(1, index, gradient.gather(1, index) - (1 - epsilon))
    scores.copy_(gradient)
    return losses.masked_fill(targets == IGNORED, 0.0).sum()


class SmoothedLoss:
    """The Trainer's `compute_loss_func`: what its label smoother computes, at a fraction of the time and memory."""

    has_fixed_shapes = True  # those of the batch decide all that is computed

    def __init__(self, model, args):
        self.epsilon = args.label_smoothing_factor
        self.dtype = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else torch.float32
        self.weight = model.lm_head.weight
        model.leaves_logits_to_loss = True

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
        hidden, targets = self.rows(outputs["last_hidden_state"], labels)
        replace = partial(smoothed_cross_entropy, epsilon=self.epsilon)
        total = LossOfLogits.apply(hidden, self.weight, targets, replace, self.dtype)
        return total / (labels.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)

    @staticmethod
    def rows(hidden: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the positions as rows, those without a target, too, where they are padding alone."""
        return hidden.flatten(0, 1), labels.flatten()


class MaskedLoss(SmoothedLoss):
    """The same of a masked language model, in which most positions have no target: they get no logits."""

    has_fixed_shapes = False

    @staticmethod
    def rows(hidden: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = (labels.flatten() != IGNORED).nonzero().squeeze(1)
        return hidden.flatten(0, 1).index_select(0, chosen), labels.flatten().index_select(0, chosen)


class LogitsLoss:
    """The label-smoothed cross-entropy of any model, from the logits that it returns for each label."""

    has_fixed_shapes = False  # whose code is not ours

    def __init__(self, args):
        self.epsilon = args.label_smoothing_factor

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
        logits, labels = outputs["logits"].float().flatten(0, -2), labels.flatten()  # N V
        total = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum", label_smoothing=self.epsilon)
        return total / (labels.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)


class LabelLoss(LogitsLoss):
    """The same of our classifier, which has a label for each text."""

    has_fixed_shapes = True
