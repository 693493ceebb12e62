"""The part of an entry's report that says what its summaries are worth beside some that need no model."""

from typing import NamedTuple

from league.report.sentences import Sentences
from league.tasks.baselines import BASELINES
from league.tasks.resampling import interval, p_value


class Line(NamedTuple):
    """What a way to summarize reaches on the test set; `chance` of the model's lead over it, if it did not matter."""

    name: str  # of its words in texts.json
    value: float
    interval: tuple[float, float]
    chance: float | None


def lines(sentences: Sentences | None) -> list[Line]:
    """Return the entry's own score, and those of the baselines."""
    if sentences is None:
        return []
    metric, own = sentences.metric, sentences.statistics
    table = [Line("this", sentences.value, interval(metric, own), None)]
    for name, summarize in BASELINES.items():
        statistics = metric.statistics([summarize(text) for text in sentences.sources], sentences.references)
        value = float(metric.value(statistics.sum(0)))
        table.append(Line(name, value, interval(metric, statistics), p_value(metric, own, statistics)))
    return table
