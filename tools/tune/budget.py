"""What the plan may spend: the time of a search, what things cost here, and what must be kept for the final entry."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from league.rulebook import League
from league.tasks.task import task_of

from .candidates import Candidates
from .jobs import Tried
from .space import Values
from .speed import Speed

# Unless another source is named, these were settled on simulated machines, which are misjudged by half or twice, heat
# up and pass noise on: tests/tools/test_tune_plan.py holds what they must bring about.
SAFETY = 1.15  # on every estimate that the final entry depends on: with less, searches on those machines end late
FOR_SCORE = 1.3  # on the score's, which nothing can cut short: as much as a validation varies there
FOR_FINETUNE = 1.5  # on the fine-tune's while structures are searched: too little, and the best one becomes no entry
BOLD = 1.05  # on those that only a better one depends on: there is a whole entry to fall back on
FOR_ANOTHER_TASK = 0.5  # of the search, for fine-tunes where stage B has a task of its own: docs/tuning.md tells why
SLACK = 0.01  # of the search, kept besides: chosen, 36 seconds of an hour for what nobody has estimated


@dataclass(frozen=True)
class Preset:
    """How much of the clock a search takes, and how it is spent."""

    share_of_clock: float
    fidelities: tuple[float, ...]  # of a short trial: the first that tells structures apart
    keep_one_in: int  # short trials, that is run in full
    for_finetunes: float  # share of the search


# Shares of the clock as --help names them; the rest was settled on the demo league and stands in docs/tuning.md.
PRESETS = {
    "quick": Preset(0.25, (0.25, 0.5), 4, 0.25),
    "balanced": Preset(0.5, (0.25, 0.5), 3, 0.25),
    "best": Preset(1.0, (0.25, 0.5), 3, 0.25),
}


@dataclass
class Budget:
    """What is known of the time, and of what is left to choose."""

    rules: League
    speed: Speed
    preset: Preset
    seconds: float  # of the whole search
    candidates: dict[str, Candidates]  # what is tried before the sampler picks, by stage
    fixed: dict[str, Values]  # what is taken where a stage is not searched
    only: str | None = None
    exhausted: tuple[str, ...] = ()  # stages for which the sampler finds nothing new
    num_workers: int = 1  # that run trials at the same time
    home: Speed | None = None  # of the machine that scores, where it is another than the one that is planned for
    margin: float = field(default=SAFETY, init=False)  # on every estimate but the score's

    def to_the_score(
        self, structure: Values, has_stage_a: bool, has_stage_b: bool, margin: float | None = None
    ) -> float:
        """Return the seconds to keep for what lies between now and the printed score."""
        seconds = 0.0
        if not has_stage_b:
            seconds += self.speed.trial("finetune", structure, 1.0)
        if not has_stage_a:
            seconds += self.speed.trial("pretrain", structure, 1.0)
        return FOR_SCORE * self.scoring(structure) + (margin or self.margin) * seconds + SLACK * self.seconds

    def scoring(self, structure: Values) -> float:
        """Return the seconds from the last trial to the printed score."""
        return (self.home or self.speed).scoring(structure)

    def kept(self, structure: Values, tried: list[Tried]) -> float:
        """Return the seconds to keep for all after stage A: the fine-tunes, or at least that of the best so far."""
        share = self.preset.for_finetunes if self.rules.has_one_task else FOR_ANOTHER_TASK
        for_finetunes = 0.0 if self.only == "structure" else share * self.seconds
        fulls = self.fulls(tried)
        best = max(fulls, key=lambda one: one.validation, default=None)
        structures = [structure, *([best.structure] if best else [])]
        return max(for_finetunes, *(self.to_the_score(one, True, False, FOR_FINETUNE) for one in structures))

    def has_room(self, left: float) -> bool:
        """Tell whether the start values can become an entry in this time."""
        return self.to_the_score(self.fixed["pretrain"], False, False) <= left

    def cost(self, stage: str, structure: Values, fidelity: float) -> float:
        """Return the seconds of a trial, with those of the one in full that may follow a short one."""
        shares = {fidelity, 1.0}
        return self.margin * sum(self.speed.trial(stage, structure, share) for share in shares)

    def for_structures(self) -> float:
        """Return the seconds of the search that are for structures."""
        return self.seconds - self.kept(self.fixed["pretrain"], [])

    def typical(self) -> Values:
        """Return the largest of the structures to begin with that can become an entry after the first one."""
        points = [values for _, values in self.candidates["pretrain"]] or [self.fixed["pretrain"]]
        room = self.seconds - self.cost("pretrain", points[0], 1.0)
        fit = [one for one in points if self.cost("pretrain", one, 1.0) + self.kept(one, []) <= room]
        return fit[-1] if fit else self.fixed["pretrain"]

    def trained(self, tried: list[Tried]) -> list[Tried]:
        """Return the structures that were trained in full."""
        return [one for one in tried if one.stage == "pretrain" and one.fidelity == 1 and one.state == "complete"]

    def fulls(self, tried: list[Tried]) -> list[Tried]:
        """Return the structures that were trained in full, with the validation that tells how good they are.

        Where stage B has a task of its own it is that of the best entry that stands on a structure: one that names more
        hidden tokens may be no better at labels. Until there is an entry, what stage A has shown must do.
        """
        structures, best = self.trained(tried), {}
        for one in tried:
            if one.is_entry:
                best[one.base] = max(one.validation, best.get(one.base, -math.inf))
        if self.rules.has_one_task or not best:
            return structures
        return [replace(one, validation=best[one.number]) for one in structures if one.number in best]

    def trend(self, trials: list[Tried], restraint: float) -> Callable[[Values], float]:
        """Return the metric as a line over the logarithm of size, flat where little is known."""
        points = [(self.log_work(one.values), one.validation) for one in trials] or [(0.0, 0.0)]
        x, y = (sum(side) / len(points) for side in zip(*points, strict=True))
        slope = sum((one - x) * (two - y) for one, two in points)
        slope /= sum((one - x) ** 2 for one, _ in points) + restraint
        return lambda values: y + slope * (self.log_work(values) - x)

    def log_work(self, values: Values) -> float:
        return math.log(task_of(self.rules, "pretrain").work(values))
