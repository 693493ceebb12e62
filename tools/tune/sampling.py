"""What is tried next: Optuna's samplers on a league's ranges, and values that the sampler has not tried yet."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from league.rulebook import Range

from .space import inside, is_ordered

# Trials before TPE learns: a search has a dozen of a kind, and would be a random one with Optuna's usual ten.
START_UP = 4
MOST_REFUSED = 50  # samples in a row, of each kind of sampler: chosen, they take less than a second together
GRID_POINTS = 4  # of an interval: chosen, as the choices of the other knobs are three to six

Spans = dict[str, Range | tuple]  # the search range of each knob


@dataclass
class Sampling:
    """Optuna's sampler of a kind, seeded by the search's seed and by how many trials there are."""

    kind: str  # tpe, random or grid
    seed: int
    spans: dict[str, Spans]  # by stage

    def pick(self, stage: str, study: optuna.Study, allows: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """Return parameters whose values are allowed, or None where no sampler offers any."""
        spans = self.spans[stage]
        trials = study.get_trials(deepcopy=False)
        seed = (self.seed * 1_000_003 + len(trials)) % 2**32
        known = [trial for trial in trials if trial.state != TrialState.WAITING]
        for sampler in (self._sampler(spans, seed), RandomSampler(seed=seed)):
            # A sampler that has learned to love what is too slow here would offer nothing else. In memory: what is
            # refused is no trial, and need not be written down.
            copy = optuna.create_study(direction="maximize", sampler=sampler)
            copy.add_trials(known)
            for _ in range(MOST_REFUSED):
                trial = copy.ask(distributions(spans))
                if allows(from_params(spans, trial.params)):
                    return trial.params
                copy.tell(trial, state=TrialState.FAIL)
        return None

    def _sampler(self, spans: Spans, seed: int) -> BaseSampler:
        if self.kind == "random":
            return RandomSampler(seed=seed)
        if self.kind == "grid":
            return _Grid({name: _grid(span) for name, span in spans.items()}, seed)
        return TPESampler(n_startup_trials=START_UP, multivariate=True, seed=seed)


class _Grid(BaseSampler):
    """Any point of a grid: Optuna's own sampler lists all of them first, and the open league has billions."""

    def __init__(self, grid: dict[str, list], seed: int):
        self.grid, self.random = grid, Random(seed)

    def infer_relative_search_space(self, study, trial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study, trial, search_space) -> dict[str, Any]:
        return {}

    def sample_independent(self, study, trial, name: str, distribution: BaseDistribution) -> Any:
        return self.random.choice(self.grid[name])


def distributions(spans: Spans) -> dict[str, BaseDistribution]:
    """Return Optuna's distributions: choices that have an order by their place in it, so that neighbours are near."""

    def distribution(span: Range | tuple) -> BaseDistribution:
        if isinstance(span, Range):
            return FloatDistribution(span.low, span.high, log=span.log)
        return IntDistribution(0, len(span) - 1) if is_ordered(span) else CategoricalDistribution(span)

    return {name: distribution(span) for name, span in spans.items()}


def to_params(spans: Spans, values: dict[str, Any]) -> dict[str, Any]:
    """Return values as Optuna's parameters; those beside the ranges become the nearest within."""

    def param(span: Range | tuple, value: Any) -> Any:
        if isinstance(span, Range):
            return min(span.high, max(span.low, float(value)))
        if is_ordered(span):
            return min(range(len(span)), key=lambda i: abs(span[i] - value))
        return value if value in span else span[0]

    return {name: param(span, values[name]) for name, span in spans.items()}


def from_params(spans: Spans, params: dict[str, Any]) -> dict[str, Any]:
    """Return the values that Optuna's parameters stand for, rounded to what a command line shows."""

    def value(span: Range | tuple, param: Any) -> Any:
        if isinstance(span, Range):
            return float(f"{param:.3g}")
        return span[param] if is_ordered(span) else param

    return {name: value(span, params[name]) for name, span in spans.items()}


def _grid(span: Range | tuple) -> list:
    if not isinstance(span, Range):
        return list(range(len(span))) if is_ordered(span) else list(span)
    points = [inside(span, i / (GRID_POINTS - 1)) for i in range(GRID_POINTS)]
    return [min(span.high, max(span.low, one)) for one in points]
