"""R-Drop (Liang et al., 2021): two passes of a batch under other dropout, whose predictions are drawn to each other."""

from typing import Any

import torch

from league.tasks.loss import IGNORED, ROWS_IN_CACHE, SmoothedLoss


class TwiceSmoothedCrossEntropy(torch.autograd.Function):
    """The sum over all positions; the gradient is made along with it, so that few logits exist at a time."""

    @staticmethod
    def forward(ctx, hidden, weight, targets, settings):
        epsilon, alpha, dtype = settings
        lower, weight = hidden.to(dtype), weight.to(dtype)  # 2 N D
        total = hidden.new_zeros((), dtype=torch.float32)
        hidden_gradient, weight_gradient = torch.empty_like(lower), torch.zeros_like(weight, dtype=torch.float32)
        num_rows = ROWS_IN_CACHE if hidden.device.type == "cpu" else lower.shape[1]
        parts = (lower.split(num_rows, 1), targets.split(num_rows), hidden_gradient.split(num_rows, 1))
        for block, target, gradient in zip(*parts, strict=True):
            losses, scores_gradient = _losses((block @ weight.T).float(), target, epsilon, alpha)
            total += losses.sum()
            scores_gradient = scores_gradient.to(dtype)  # 2 N V
            gradient.copy_(scores_gradient @ weight)
            weight_gradient += scores_gradient.flatten(0, 1).T @ block.flatten(0, 1)
        ctx.save_for_backward(hidden_gradient, weight_gradient)
        return total

    @staticmethod
    def backward(ctx, scale):
        hidden_gradient, weight_gradient = ctx.saved_tensors
        return hidden_gradient.to(scale.dtype) * scale, weight_gradient * scale, None, None


def _losses(scores: torch.Tensor, target: torch.Tensor, epsilon: float, alpha: float):
    """Return the loss of each position and its gradient by the scores, 2 N V: zero where there is no target."""
    logs = torch.log_softmax(scores, dim=2, out=scores)
    probabilities = logs.exp()
    index = target.clamp(min=0).expand(2, -1)[..., None]  # 2 N 1
    apart, less = logs[0] - logs[1], probabilities[0] - probabilities[1]
    divergence = (less * apart).sum(1)  # in both directions
    losses = -((1 - epsilon) * logs.gather(2, index)[..., 0] + epsilon * logs.mean(2)).mean(0) + alpha / 4 * divergence
    signed = torch.stack((apart, -apart))
    there = (probabilities * signed).sum(2, keepdim=True)
    gradient = signed.sub_(there).mul_(probabilities)
    gradient[0].add_(less)
    gradient[1].sub_(less)
    gradient.mul_(alpha / 4).add_(probabilities, alpha=0.5).sub_(epsilon / 2 / scores.shape[2])
    gradient.scatter_add_(2, index, torch.full_like(index, -(1 - epsilon) / 2, dtype=gradient.dtype))
    is_padding = target == IGNORED
    return losses.masked_fill(is_padding, 0.0), gradient.masked_fill_(is_padding[None, :, None], 0.0)


class RDropLoss(SmoothedLoss):
    """The mean of two passes' smoothed losses, and `alpha` / 4 of what they diverge: half of what the paper adds up.

    A batch holds its pairs twice, the second time after all of the first.
    """

    def __init__(self, model, args, alpha: float):
        super().__init__(model, args)
        self.alpha = alpha

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
        hidden = outputs["last_hidden_state"].unflatten(0, (2, -1)).flatten(1, 2)  # 2 N D
        targets = labels.chunk(2)[0].flatten()
        settings = self.epsilon, self.alpha, self.dtype
        total = TwiceSmoothedCrossEntropy.apply(hidden, self.weight, targets, settings)
        return 2 * total / (labels.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)
