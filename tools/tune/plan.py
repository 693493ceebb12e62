"""The plan: what is worth trying next in the time that is left, so that the score is out before it ends.

A pure function of what was tried, of the time left and of what things cost here. Two searches follow one another, by
successive halving: structures on stage A, then fine-tunes of the best structure. A short trial has the whole schedule
compressed into a part of its steps; the best of every few are run in full, and the best of those is the final entry.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from league_config import League, Range

from .space import MIDDLE, gentle_first, point, ranges, short
from .speed import Speed, num_steps, operations

SAFETY = 1.15  # on every estimate that the final entry depends on
FOR_SCORE = 1.3  # on the score's, which nothing can cut short
BOLD = 1.05  # on those that only a better one depends on: there is a whole entry to fall back on
FEW = 8  # structures in full, that there must be time for before short trials pay
TELLING = 5.0  # points of the metric: below, all models babble, and the best is so by chance
HOPELESS = 5.0  # points below the best: structures of that size are not looked at any more
FIRST_BY = 0.5  # of the search: when there should be a whole entry of the better of two structures
BELOW_MIDDLE = (0.4, 0.3)  # of the ranges of a structure, where there is no time for the middle
CHEAP = 0.2  # of the search: what a first whole entry may cost that a better structure will replace
RENEWED_AFTER = 2.5  # times what a fine-tune in full costs: when there may be a better one
SLACK = 0.01  # of the search, kept besides
CLOSE = 0.3  # points: nearer structures are equal, and the cheaper one is taken


@dataclass(frozen=True)
class Preset:
    """How much of the clock a search takes, and how it is spent."""

    share_of_clock: float
    fidelities: tuple[float, ...]  # of a short trial: the first that tells structures apart
    keep_one_in: int  # short trials, that is run in full
    for_finetunes: float  # share of the search


PRESETS = {
    "quick": Preset(0.25, (0.25, 0.5), 4, 0.25),
    "balanced": Preset(0.5, (0.25, 0.5), 3, 0.25),
    "best": Preset(1.0, (0.25, 0.5), 3, 0.25),
}


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
    change: float | None = None  # of a fine-tune, to the validation of the checkpoint that it started from
    promoted_from: int | None = None
    base: int | None = None  # the trial of stage A that a fine-tune started from

    @property
    def counts(self) -> bool:
        return self.state in ("running", "complete")

    @property
    def is_entry(self) -> bool:
        """Tell whether it is a whole entry: a fine-tune in full."""
        return (self.stage, self.fidelity, self.state) == ("finetune", 1, "complete")

    @property
    def worth(self) -> float:
        return self.validation if self.stage == "pretrain" else self.change


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
    """Another process has begun what everything else depends on."""


@dataclass
class Planner:
    """Decides what comes next."""

    rules: League
    speed: Speed
    preset: Preset
    seconds: float  # of the whole search
    candidates: dict[str, list[tuple[str, dict[str, Any]]]]  # what is tried before the sampler picks, by stage
    fixed: dict[str, dict[str, Any]]  # what is taken where a stage is not searched
    only: str | None = None
    exhausted: tuple[str, ...] = ()  # stages for which the sampler finds nothing new
    margin: float = field(default=SAFETY, init=False)  # on every estimate but the score's

    def decide(self, tried: list[Tried], left: float) -> Job | Wait | None:
        """Return the next trial, or None when it is time for the final entry."""
        self.margin = BOLD if any(one.is_entry for one in tried) else SAFETY
        if not self.is_tuning(tried):
            structures = [one for one in tried if one.stage == "pretrain"]
            job = self._structure_job(structures, left)
            other = job.values if isinstance(job, Job) and job.values else self._typical()
            if job := self._renewal(other, tried, left) or job:
                return job
        return self._finetune_job(tried, left)

    def is_tuning(self, tried: list[Tried]) -> bool:
        """Tell whether the search has turned from structures to fine-tunes."""
        return any(one.stage == "finetune" and one.fidelity < 1 for one in tried)

    # What the final entry still needs.

    def to_the_score(self, structure: dict[str, Any], has_stage_a: bool, has_stage_b: bool) -> float:
        """Return the seconds to keep for what lies between now and the printed score."""
        seconds = 0.0
        if not has_stage_b:
            seconds += self.speed.trial("finetune", structure, 1.0)
        if not has_stage_a:
            seconds += self.speed.trial("pretrain", structure, 1.0)
        return FOR_SCORE * self.speed.scoring(structure) + self.margin * seconds + SLACK * self.seconds

    def _kept(self, structure: dict[str, Any], tried: list[Tried]) -> float:
        # For everything after stage A: the search for a fine-tune, or at least one in full, also of the best so far.
        share = 0.0 if self.only == "structure" else self.preset.for_finetunes * self.seconds
        fulls = self._fulls(tried)
        best = max(fulls, key=lambda one: one.validation, default=None)
        structures = [structure, *([best.structure] if best else [])]
        return max(share, *(self.to_the_score(one, True, False) for one in structures))

    # Structures.

    def _structure_job(self, tried: list[Tried], left: float) -> Job | Wait | None:
        fulls = [one for one in tried if one.fidelity == 1 and one.counts]
        job = None
        # A machine that hardly manages the start values should not spend its time on comparing.
        has_time = fulls or self._has_room(0.5 * left)
        if self.only != "finetune" and has_time:
            job = self._search_job("pretrain", tried, lambda values: left - self._kept(values, tried), None)
        if job or any(one.state == "complete" for one in fulls):
            return job
        if fulls:
            return Wait()
        if any(one.fidelity == 1 and one.state == "cut" for one in tried) and not self._has_room(left):
            return None
        shorts = sorted((one for one in tried if one.state == "complete"), key=lambda one: -one.validation)
        fit = (one for one in shorts if self.to_the_score(one.values, False, False) <= left)
        best = next(fit, None)
        values, number = (best.values, best.number) if best else (self.fixed["pretrain"], None)
        # All depends on it: it is begun even if it seems not to fit, and nothing is saved by giving up early.
        seconds = left - self.speed.scoring(values)
        return Job("pretrain", 1.0, "promoted" if best else "baseline", seconds, values, promoted_from=number)

    def _has_room(self, left: float) -> bool:
        return self.to_the_score(self.fixed["pretrain"], False, False) <= left

    def _renewal(self, other: dict[str, Any], tried: list[Tried], left: float) -> Job | None:
        """Return a fine-tune of the best structure so far, now and then: there should be a whole entry early.

        `other` is the structure that would come next.
        """
        base = self.base(tried, left)
        if base is None or self.only or any(one.base == base.number for one in tried):
            return None
        cost = self.margin * self.speed.trial("finetune", base.structure, 1.0)
        tunes = [one for one in tried if one.stage == "finetune"]
        first = next(one.number for one in tried if one.stage == "pretrain" and one.fidelity == 1)
        has_one = any(one.base != first for one in tunes)
        if not has_one and self._would_be_late(cost, other, tried, left):
            room = left - self.to_the_score(base.structure, True, True)  # there may be no better one to fine-tune
        else:
            last = max((one.number for one in tunes), default=-1)
            since = sum(self.speed.trial(one.stage, one.structure, one.fidelity) for one in tried if one.number > last)
            if self.margin * since < RENEWED_AFTER * cost:
                return None
            room = left - self._kept(base.structure, tried)
        if cost > room:
            return None
        known = [one for one in tried if one.stage == "finetune" and one.state == "complete"]
        values = max(known, key=lambda one: one.change).values if known else self._gentle()
        return Job("finetune", 1.0, "a whole entry early", room, values, base)

    def _would_be_late(self, cost: float, other: dict[str, Any], tried: list[Tried], left: float) -> bool:
        """Tell whether the first whole entry would come late with one more structure before it."""
        another, by = self.cost("pretrain", other, 1.0), self.seconds - left
        if len(self._fulls(tried)) > 1:
            return by + another + cost > FIRST_BY * self.seconds
        # The first structure has nothing beside it yet: it is fine-tuned at once only where that costs little.
        is_late = by + another + self.margin * self.speed.trial("finetune", other, 1.0) > FIRST_BY * self.seconds
        return is_late and cost <= CHEAP * self.seconds

    def _gentle(self) -> dict[str, Any]:
        """Return a fine-tune that keeps what stage A has learned: nobody knows yet which one gains anything."""
        values, span = gentle_first(self.candidates["finetune"])[0][1], ranges("finetune")["learning_rate"]
        return values | {"learning_rate": span.low if isinstance(span, Range) else min(span)}

    # Fine-tunes.

    def _finetune_job(self, tried: list[Tried], left: float) -> Job | Wait | None:
        base = self.base(tried, left)
        if base is None:
            return None
        mine = [one for one in tried if one.stage == "finetune"]
        if self.only == "structure":
            return None  # the entry itself trains it
        room = left - self.to_the_score(base.structure, True, True)
        if job := self._search_job("finetune", mine, lambda _: room, base):
            return job
        fulls = [one for one in mine if one.fidelity == 1 and one.counts]
        if any(one.state == "complete" for one in fulls):
            return None
        if fulls:
            return Wait()
        if self.margin * self.speed.trial("finetune", base.structure, 1.0) > left - self.speed.scoring(base.structure):
            return None  # the entry itself trains it, and is stopped in time where a trial would be given up
        shorts = sorted((one for one in mine if one.state == "complete"), key=lambda one: -one.change)
        values, number = (shorts[0].values, shorts[0].number) if shorts else (self.fixed["finetune"], None)
        origin = "untried" if number is None else "promoted"
        return Job("finetune", 1.0, origin, left - self.speed.scoring(base.structure), values, base, number)

    def base(self, tried: list[Tried], left: float) -> Tried | None:
        """Return the structure to fine-tune: the best in full, or one as good as it that leaves more time."""
        fulls = sorted(self._fulls(tried), key=lambda one: -one.validation)
        tunes = [one for one in tried if one.is_entry]
        if tunes:  # a worse structure than has been fine-tuned already could not win
            best = max(one.validation for one in fulls if one.number in {tune.base for tune in tunes})
            fulls = [one for one in fulls if one.validation >= best]
        fits = [one for one in fulls if self.to_the_score(one.structure, True, False) <= left] or fulls[-1:]
        close = [one for one in fits if one.validation > fits[0].validation - CLOSE]
        return min(close, key=lambda one: self.speed.trial("finetune", one.structure, 1.0), default=None)

    # What both have in common.

    def _search_job(self, stage: str, tried: list[Tried], room, base: Tried | None) -> Job | None:
        """Return a short trial, or one in full of the best short ones, if there is room for it."""
        fidelity = self._fidelity(stage, tried)
        shorts = [one for one in tried if one.fidelity == fidelity < 1 and one.state == "complete"]
        done = {one.promoted_from for one in tried if one.fidelity == 1}
        ranked = self._ranked(stage, shorts, tried)
        waiting = [one for one in ranked if one.number not in done and not self._is_beaten(one, base, tried)]
        num_promoted = sum(one.promoted_from is not None for one in tried)
        if num_promoted < len(shorts) // self.preset.keep_one_in and (job := self._promote(waiting, room, base)):
            return job
        if job := self._new(stage, tried, room, base, fidelity):
            return job
        few = math.ceil(len(shorts) / self.preset.keep_one_in) + 1  # the rest have had their chance
        if job := self._promote([one for one in waiting if one in ranked[:few]], room, base):
            return job
        # What is left is too little for a short trial and then the one in full, but not for one in full at once.
        return self._new(stage, tried, room, base, 1.0) if any(one.fidelity == 1 for one in tried) else None

    def _is_beaten(self, one: Tried, base: Tried | None, tried: list[Tried]) -> bool:
        """Tell whether a fine-tune has lost more in a part of the steps than another in all of them."""
        if base is None or one.fidelity == 1 or one.worth is None:
            return False
        fulls = (other.worth for other in tried if other.fidelity == 1 and other.base == base.number)
        return any(worth is not None and worth >= one.worth for worth in fulls)

    def _fidelity(self, stage: str, tried: list[Tried]) -> float:
        if stage == "pretrain":
            # Structures that are worth an entry are no smaller, even where there is hardly time for one of them.
            sizes = (self._typical(), point(stage, MIDDLE))
            if self._for_structures() < FEW * max(self.speed.trial(stage, one, 1.0) for one in sizes):
                return 1.0
        for fidelity in self.preset.fidelities:
            found = [one.validation for one in tried if one.fidelity == fidelity and one.validation is not None]
            if not found or max(found) >= TELLING:
                return fidelity
        return self.preset.fidelities[-1]

    def _ranked(self, stage: str, shorts: list[Tried], tried: list[Tried]) -> list[Tried]:
        """Return short trials, the most promising first."""
        if stage == "finetune" or not shorts:
            return sorted(shorts, key=lambda one: -one.worth)
        # Small models learn faster and end lower: what short trials say is how good one is among its like, and what
        # size is worth is left to those in full.
        early, late = self._trend(shorts, 0.5), self._trend(self._fulls(tried), 2.0)
        return sorted(shorts, key=lambda one: early(one.values) - one.validation - late(one.values))

    def _fulls(self, tried: list[Tried]) -> list[Tried]:
        return [one for one in tried if one.stage == "pretrain" and one.fidelity == 1 and one.state == "complete"]

    def _trend(self, trials: list[Tried], restraint: float):
        """Return the metric as a line over the logarithm of size, flat where little is known."""
        points = [(self._size(one.values), one.validation) for one in trials] or [(0.0, 0.0)]
        x, y = (sum(side) / len(points) for side in zip(*points, strict=True))
        slope = sum((one - x) * (two - y) for one, two in points)
        slope /= sum((one - x) ** 2 for one, _ in points) + restraint
        return lambda values: y + slope * (self._size(values) - x)

    def _size(self, values: dict[str, Any]) -> float:
        return math.log(operations(values, self.rules.vocab_size))

    def _promote(self, waiting: list[Tried], room, base: Tried | None) -> Job | None:
        for one in waiting:
            structure = base.structure if base else one.values
            if self.margin * self.speed.trial(one.stage, structure, 1.0) <= room(structure):
                return Job(one.stage, 1.0, "promoted", room(structure), one.values, base, one.number)
        return None

    def _new(self, stage: str, tried: list[Tried], room, base: Tried | None, fidelity: float) -> Job | None:
        structure = base.structure if base else self.fixed["pretrain"]
        needed = self.cost(stage, structure, fidelity)
        is_first = not any(one.fidelity == fidelity for one in tried)
        if fidelity < 1 and is_first:  # one with nothing beside it tells nothing
            needed += self.margin * self.speed.trial(stage, structure, fidelity)
        if needed > room(structure):
            return None
        # A sampled structure so slow that not even two fit into the search is too much of a gamble.
        affordable = math.inf if base else max(needed, min(room(structure), self._for_structures() / 2))
        number = base and base.number
        mine = [one for one in tried if one.base in (None, number)]
        begun = [one.values for one in mine if one.fidelity >= fidelity or self._is_beaten(one, base, mine)]
        candidates = self.candidates[stage]
        if base and fidelity == 1:  # there is time for few: what forgot least elsewhere, then the gentle ones
            known = [one for one in tried if one.fidelity == 1 and one.worth is not None]
            known.sort(key=lambda one: -one.worth)
            candidates = [("best elsewhere", one.values) for one in known] + gentle_first(candidates)
        if not base and fidelity == 1:
            candidates = [*candidates, *self._next_best(begun)]
        for origin, values in candidates:
            seconds = room(base.structure if base else values)
            if values not in begun and (base or self.cost(stage, values, fidelity) <= seconds):
                return Job(stage, fidelity, origin, seconds, values, base, affordable=affordable)
        if stage in self.exhausted:
            return None
        return Job(stage, fidelity, "sampler", room(structure), None, base, affordable=affordable)

    def _next_best(self, begun: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
        """Return what comes next in size where there was no time for any of the larger structures to begin with."""
        first, *larger = [values for _, values in self.candidates["pretrain"]] or [None]
        if not larger or any(one in begun for one in larger):
            return []
        return [("next best size", point("pretrain", share) | {"dropout": first["dropout"]}) for share in BELOW_MIDDLE]

    def allows(self, job: Job, values: dict[str, Any], tried: list[Tried], left: float) -> bool:
        """Tell whether there is time for values that the sampler has picked."""
        if job.base:
            return True
        fulls = self._fulls(tried)
        if len(fulls) >= 3 and self._trend(fulls, 2.0)(values) < max(one.validation for one in fulls) - HOPELESS:
            return False  # what is left of the time is better spent on fine-tunes
        return self.cost(job.stage, values, job.fidelity) <= min(job.affordable, left - self._kept(values, tried))

    def cost(self, stage: str, structure: dict[str, Any], fidelity: float) -> float:
        """Return the seconds of a trial, with those of the one in full that may follow a short one."""
        shares = {fidelity, 1.0}
        return self.margin * sum(self.speed.trial(stage, structure, share) for share in shares)

    def _for_structures(self) -> float:
        return self.seconds - self._kept(self.fixed["pretrain"], [])

    # In words.

    def describe(self, tried: list[Tried], left: float) -> str:
        """Return what is planned for the time that is left."""
        base = self.base(tried, left)
        typical = base.structure if base else self._typical()
        is_tuning = self.is_tuning(tried)
        score = FOR_SCORE * self.speed.scoring(typical)
        parts, for_finetunes = [], left - score
        if not is_tuning and self.only != "finetune":
            for_structures = max(0.0, left - self._kept(typical, tried))
            for_finetunes -= for_structures
            counts = self._counts("pretrain", typical, for_structures, tried)
            parts.append(f"{for_structures / 60:.1f} min for structures {counts}")
        if self.only != "structure":
            for_finetunes = max(0.0, for_finetunes)
            counts = self._counts("finetune", typical, for_finetunes, tried)
            parts.append(f"{for_finetunes / 60:.1f} min for fine-tunes {counts}")
        return f"{', '.join(parts)}; {score / 60:.1f} min kept for the score".lstrip("; ")

    def _typical(self) -> dict[str, Any]:
        """Return the largest of the structures to begin with that can become an entry after the first one."""
        points = [values for _, values in self.candidates["pretrain"]] or [self.fixed["pretrain"]]
        room = self.seconds - self.cost("pretrain", points[0], 1.0)
        fit = [one for one in points if self.cost("pretrain", one, 1.0) + self._kept(one, []) <= room]
        return fit[-1] if fit else self.fixed["pretrain"]

    def _counts(self, stage: str, structure: dict[str, Any], seconds: float, tried: list[Tried]) -> str:
        fidelity = self._fidelity(stage, [one for one in tried if one.stage == stage])
        part, full = (self.speed.trial(stage, structure, share) for share in (fidelity, 1.0))
        if fidelity == 1:
            return f"(about {seconds / full:.0f} in full)"
        rounds = seconds / (self.preset.keep_one_in * part + full)
        steps = num_steps(self.rules, stage, fidelity)
        return f"(about {self.preset.keep_one_in * rounds:.0f} trials of {steps} steps, {rounds:.0f} in full)"


def outlook(tried: list[Tried]) -> list[str]:
    """Return what more time would be spent on."""
    found = []
    for stage, what in (("pretrain", "structures"), ("finetune", "fine-tunes")):
        shorts = [one for one in tried if one.stage == stage and one.fidelity < 1 and one.state == "complete"]
        done = {one.promoted_from for one in tried}
        waiting = sorted((one for one in shorts if one.number not in done), key=lambda one: -one.worth)[:3]
        if waiting:
            numbers = ", ".join(f"{one.number} ({short(stage, one.values)})" for one in waiting)
            found.append(f"Run in full the best short {what} that were not: trial {numbers}.")
        cut = [one for one in tried if one.stage == stage and one.state == "cut"]
        if cut:
            numbers = ", ".join(str(one.number) for one in cut[:5])
            found.append(f"Give {what} that were cut for time another chance: trial {numbers}.")
    if any(one.fidelity == 1 and one.state == "complete" for one in tried):
        found.append("Repeat the best two or three with other seeds: python -m tools.seeds tells how far luck goes.")
    return found
