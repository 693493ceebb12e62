"""What the plan, the study and the search hand to each other: a trial as it was run, and the next one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def worth_of(trial: Mapping[str, Any]) -> float | None:
    """Return what a trial is judged by: its validation, or the change in it where there is one."""
    return trial["validation"] if trial.get("change") is None else trial["change"]


@dataclass(frozen=True)
class Tried:
    """A trial as the plan sees it."""

    number: int
    stage: str
    values: dict[str, Any]
    structure: dict[str, Any]
    fidelity: float
    state: str  # running, complete, cut, diverged or failed
    validation: float | None = None
    change: float | None = None  # of a fine-tune in the task of stage A, to the validation that it started from
    promoted_from: int | None = None
    base: int | None = None  # the trial of stage A that a fine-tune started from

    @property
    def counts(self) -> bool:
        return self.state in ("running", "complete")

    @property
    def is_lost(self) -> bool:
        """Tell whether the same values would come to nothing again."""
        return self.state in ("diverged", "failed")

    @property
    def is_entry(self) -> bool:
        """Tell whether it is a whole entry: a fine-tune in full."""
        return (self.stage, self.fidelity, self.state) == ("finetune", 1, "complete")

    @property
    def worth(self) -> float:
        return worth_of(vars(self))


@dataclass(frozen=True)
class Job:
    """The next trial: its values, or None where the sampler picks them, and the seconds after which it is given up."""

    stage: str
    fidelity: float
    origin: str
    seconds: float
    values: dict[str, Any] | None = None
    base: Tried | None = None  # the trial of stage A that a fine-tune starts from
    promoted_from: int | None = None
    affordable: float = math.inf  # seconds that a sampled structure may take, short and in full together


class Wait:
    """Another worker is at what everything else depends on."""
