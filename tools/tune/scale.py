"""Where the values of a knob lie on a chart's axis."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from league.values import readable

from .reading import Study, trials_of

MOST_LETTERS, WIDTH = 24, 12  # of a value on an axis, and of one line of it


def in_lines(value: Any) -> str:
    """Return a value for an axis, broken where a long name may be."""
    lines = textwrap.wrap(readable(value)[:MOST_LETTERS].replace("_", "_ "), WIDTH)
    return "\n".join(lines).replace("_ ", "_")


class Scale:
    """Where the values of one knob lie on its axis, from 0 to 1: choices evenly, an interval as it is searched."""

    def __init__(self, spec: dict[str, Any], seen: list[Any]):
        self.log = spec.get("log", False)
        self.levels = None
        if "choices" in spec:
            self.levels = list(dict.fromkeys([*spec["choices"], *seen]))
            if not any(isinstance(level, str) for level in self.levels):
                self.levels.sort()
            return
        inside = [value for value in seen if value > 0 or not self.log]
        self.low, self.high = min([spec["low"], *inside]), max([spec["high"], *inside])

    def position(self, value: Any) -> float:
        if self.levels is not None:
            return self.levels.index(value) / max(1, len(self.levels) - 1)
        low, high, value = self.low, self.high, max(value, self.low)
        if self.log:
            low, high, value = np.log10([low, high, value])
        return float((value - low) / (high - low or 1.0))

    def ticks(self) -> tuple[list[float], list[str]]:
        if self.levels is not None:
            values = self.levels
        elif self.log:
            powers = range(int(np.ceil(np.log10(self.low) - 1e-9)), int(np.floor(np.log10(self.high) + 1e-9)) + 1)
            values = [10.0**power for power in powers] or [self.low, self.high]
        else:
            locator = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])
            values = [tick for tick in locator.tick_values(self.low, self.high) if self.low <= tick <= self.high]
        return [self.position(value) for value in values], [in_lines(value) for value in values]


def scale_of(study: Study, stage: str, knob: str) -> Scale:
    return Scale(study["knobs"][stage][knob], [trial["values"][knob] for trial in trials_of(study, stage)])
