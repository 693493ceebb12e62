"""R-Drop (Liang et al., 2021): two passes of a batch under other dropout, whose predictions are drawn to each other."""

from functools import partial
from typing import Any

import torch

from league.tasks.loss import IGNORED, LossOfLogits, SmoothedLoss


def drawn_together(scores: torch.Tensor, targets: torch.Tensor, epsilon: float, alpha: float) -> torch.Tensor:
    """Turn the scores of both passes into the gradient of their loss; return the loss, summed over those that count."""
    scores = scores.view(len(targets), 2, -1)  # N 2 V
    exact = scores.float() if scores.dtype != torch.float32 else scores
    index = targets.clamp(min=0)[:, None, None].expand(-1, 2, 1)
    wanted, mean, highest = exact.gather(2, index).squeeze(2), exact.mean(2), exact.amax(2)  # each N 2
    apart = exact[:, 0] - exact[:, 1]  # N V; their logarithms are so far apart, but for a constant that falls out below
    probabilities = torch.softmax(exact, dim=2, out=exact)
    log_sum = highest - probabilities.amax(2).log()
    losses = (log_sum - (1 - epsilon) * wanted - epsilon * mean).mean(1)
    expected = torch.bmm(probabilities, apart[..., None])  # N 2 1
    losses += alpha / 4 * (expected[:, 0] - expected[:, 1]).squeeze(1)  # what they diverge, in both directions
    # By the scores of a pass: half of what the smoothed loss gives, and a quarter of alpha of
    # p (log p - log q - what this is in the mean) + p - q, where p are its probabilities and q the other's.
    quarter, spread = alpha / 4, epsilon / 2 / scores.shape[2]
    one, other = probabilities.unbind(1)
    apart.mul_(quarter)
    level = 0.5 + quarter
    first = torch.rsub(other, -spread, alpha=quarter).addcmul_(one, apart + (level - quarter * expected[:, 0]))
    second = torch.rsub(one, -spread, alpha=quarter).addcmul_(other, (level + quarter * expected[:, 1]) - apart)
    column = index[:, 0]  # N 1
    for number, gradient in enumerate((first, second)):
        gradient.scatter_(1, column, gradient.gather(1, column) - (1 - epsilon) / 2)
        scores[:, number].copy_(gradient)
    return losses.masked_fill(targets == IGNORED, 0.0).sum()


class RDropLoss(SmoothedLoss):
    """The mean of two passes' smoothed losses, and `alpha` / 4 of what they diverge: half of what the paper adds up.

    A batch holds its pairs twice, the second time after all of the first.
    """

    def __init__(self, model, args, alpha: float):
        super().__init__(model, args)
        self.alpha = alpha

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
        hidden = torch.stack(outputs["last_hidden_state"].flatten(0, 1).chunk(2), 1).flatten(0, 1)  # 2 N D
        targets = labels.chunk(2)[0].flatten()
        replace = partial(drawn_together, epsilon=self.epsilon, alpha=self.alpha)
        total = LossOfLogits.apply(hidden, self.weight, targets, replace, self.dtype)
        return 2 * total / (labels.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)
