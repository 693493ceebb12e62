"""The score of predictions, as a record keeps it."""

from collections.abc import Sequence
from typing import Any

from league.rulebook import League
from league.tasks.metric import metric_of
from league.tasks.resampling import interval


def score(rules: League, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """Score predictions by their league's metric, with the 95 % interval and the metric's further figures."""
    metric = metric_of(rules)
    statistics = metric.statistics(predictions, references)
    return {
        "metric": metric.NAME,
        "value": metric.value(statistics.sum(0)).item(),
        "interval": interval(metric, statistics),
        "signature": metric.signature(),
        "rows": len(predictions),
        "extras": metric.extras(predictions, references, statistics),
    }
