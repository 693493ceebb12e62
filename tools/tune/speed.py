"""How long things take on this machine: a cost model fitted to what was measured, corrected by every trial."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from league.rulebook import League
from league.tasks.task import task_of

from .space import Values

# Unless another source is named: settled on the simulated machines of tests/tools/test_tune_plan.py.
NEAR = 0.7  # in the logarithm of work: how far a measurement speaks for other structures
COLD_TRUST = 0.3  # in a probe's few cold steps, where a trial's are 1
DOUBT = 1.25  # on a stage that only a few cold steps are known of
RECENT = 30  # measurements, about a search of an hour: the machine may have changed since
# Of a validation in full, that a short trial's costs: trial.py says on what it validates, on aing's 1,014 and 250 rows.
SHARE_VALIDATED = {"pretrain": 0.2, "finetune": 0.6}
VALIDATION = 100.0  # steps of training that a full validation costs, before one was measured
LATER_STEP = 2.2  # times a step of stage A that one of stage B takes, before one was measured: aing's talks are longer


@dataclass
class Speed:
    """Seconds by stage and structure: from the nearest measurements, scaled by the work between."""

    rules: League
    steps: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)  # stage: work, s/step, trust
    validations: list[tuple[float, float]] = field(default_factory=list)  # work, seconds in full
    extra: list[float] = field(default_factory=list)  # seconds of a trial besides steps and validation
    _per_steps: dict[tuple[str, float], float] = field(default_factory=dict, init=False, repr=False)

    def learn(self, stage: str, structure: Values, seconds_per_step: float, trust: float = 1.0) -> None:
        """Learn from a measurement of a stage's steps."""
        size = task_of(self.rules, "pretrain").work(structure)
        known = self.steps.setdefault(stage, [])
        known.append((size, seconds_per_step, trust))
        trusted = [one for one in known if one[2] == 1]
        self.steps[stage] = [one for one in known if one[2] < 1] + trusted[-RECENT:]
        self._per_steps.clear()

    def learn_all(self, paces: list[tuple[Values, dict[str, float]]], rows: list[dict[str, Any]]) -> None:
        """Learn from the probes' paces and from the trials of a search."""
        for structure, seconds in paces:
            for stage, pace in seconds.items():
                self.learn(stage, structure, pace, COLD_TRUST)
        for row in rows:
            if row.get("pace"):
                # With another batch size the same examples are other steps; a plan counts in those of the rule book.
                steps = self.rules.steps(row["stage"], row["values"])
                pace = row["pace"] * steps / num_steps(self.rules, row["stage"], 1.0)
                self.learn(row["stage"], row["structure"], pace)
            if row["state"] == "complete" and not row["origin"].endswith("after a kill"):  # of which a part is known
                rest = row["seconds"] - row["steps"] * (row["pace"] or 0) - row["validation_seconds"]
                self.extra.append(max(0.0, rest))
                if row["fidelity"] == 1:
                    self.learn_validation(row["structure"], row["validation_seconds"])

    def learn_validation(self, structure: Values, seconds: float) -> None:
        """Learn from a validation in full."""
        self.validations.append((task_of(self.rules, "pretrain").work(structure), seconds))

    def per_step(self, stage: str, structure: Values) -> float:
        """Return the seconds that a step takes."""
        key = stage, task_of(self.rules, "pretrain").work(structure)
        if key not in self._per_steps:  # a plan asks for the same ones hundreds of times
            self._per_steps[key] = self._per_step(stage, structure)
        return self._per_steps[key]

    def _per_step(self, stage: str, structure: Values) -> float:
        measured = self.steps.get(stage, [])
        if stage == "finetune" and not any(trust == 1 for _, _, trust in measured):
            # Until a fine-tune has run: what the probe says of the two stages' ratio, or that talks are longer.
            probed = dict((size, seconds) for size, seconds, trust in self.steps["pretrain"] if trust < 1)
            ratios = sorted(seconds / probed[size] for size, seconds, _ in measured if size in probed)
            return DOUBT * (ratios[len(ratios) // 2] if ratios else LATER_STEP) * self.per_step("pretrain", structure)
        size = math.log(task_of(self.rules, "pretrain").work(structure))
        measured = _rescaled([(math.log(there), math.log(seconds), trust) for there, seconds, trust in measured])
        # A step grows more slowly than its operations where the machine waits for Python, and never shrinks.
        line = _line(measured)
        near = [
            (math.exp(-abs(size - there) / NEAR) * trust, seconds - line(there)) for there, seconds, trust in measured
        ]
        off = sum(weight * rest for weight, rest in near) / (sum(weight for weight, _ in near) + 0.1)
        return math.exp(line(size) + off)

    def validation(self, structure: Values) -> float:
        """Return the seconds of a validation in full."""
        step = self.per_step("pretrain", structure)
        if not self.validations:
            return VALIDATION * step
        size = task_of(self.rules, "pretrain").work(structure)
        there, seconds = min(self.validations[-6:], key=lambda one: abs(math.log(size / one[0])))
        return seconds * (size / there) ** 0.6

    def overhead(self) -> float:
        """Return the seconds of a trial that go to neither steps nor validation."""
        return sorted(self.extra)[len(self.extra) // 2] if self.extra else 3.0

    def trial(self, stage: str, structure: Values, fidelity: float) -> float:
        """Return the seconds of a trial."""
        steps = num_steps(self.rules, stage, fidelity)
        share = 1.0 if fidelity == 1 else SHARE_VALIDATED[stage]
        return steps * self.per_step(stage, structure) + share * self.validation(structure) + self.overhead()

    def scoring(self, structure: Values) -> float:
        """Return the seconds from the last full trial to the printed score."""
        return 1.2 * self.validation(structure) + self.overhead() + 5.0


def num_steps(rules: League, stage: str, fidelity: float) -> int:
    """Return the steps of a trial."""
    return max(1, round(getattr(rules, stage).arguments["max_steps"] * fidelity))


Point = tuple[float, float, float]  # logarithms of work and of seconds, and trust


def _rescaled(points: list[Point]) -> list[Point]:
    """Shift what the probe measured by how far it was off where trials have run since."""
    probed = [one for one in points if one[2] < 1]
    trusted = [one for one in points if one[2] == 1]
    if not (probed and trusted):
        return points
    line = _line(probed)
    shift = sum(seconds - line(size) for size, seconds, _ in trusted) / len(trusted)
    return [(size, seconds + shift, trust) for size, seconds, trust in probed] + trusted


def _line(points: list[Point]) -> Callable[[float], float]:
    """Return seconds as a weighted line with a slope that makes sense: one point, or equal ones, leave the usual."""
    usual, strength = 0.65, 0.3
    weight = sum(trust for _, _, trust in points)
    x = sum(trust * one for one, _, trust in points) / weight
    y = sum(trust * two for _, two, trust in points) / weight
    spread = sum(trust * (one - x) ** 2 for one, _, trust in points)
    slope = (sum(trust * (one - x) * (two - y) for one, two, trust in points) + strength * usual) / (spread + strength)
    slope = min(1.2, max(0.1, slope))
    return lambda size: y + slope * (size - x)
