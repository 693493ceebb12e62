"""The plan: what is worth trying next in the time that is left, so that the score is out before it ends.

A pure function of what was tried, of the time left and of what things cost here. Two searches follow one another, by
successive halving: structures on stage A, then fine-tunes of the best structure. A short trial has the whole schedule
compressed into a part of its steps; the best of every few are run in full, and the best of those is the final entry.
"""

import math
from dataclasses import dataclass
from typing import Any

from league_config import League

from .space import short
from .speed import Speed, num_steps

SAFETY = 1.15  # on every estimate that the final entry depends on
CLOSE = 0.3  # BLEU: nearer structures are equal, and the cheaper one is taken


@dataclass(frozen=True)
class Preset:
    """How much of the clock a search takes, and how it is spent."""

    share_of_clock: float
    fidelity: float  # of a short trial
    keep_one_in: int  # short trials, that is run in full
    for_finetunes: float  # share of the search


PRESETS = {
    "quick": Preset(0.25, 0.25, 4, 0.35),
    "balanced": Preset(0.5, 0.25, 3, 0.35),
    "best": Preset(1.0, 0.25, 3, 0.35),
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
    bleu: float | None = None
    change: float | None = None  # of a fine-tune, to the BLEU of the checkpoint that it started from
    promoted_from: int | None = None

    @property
    def counts(self) -> bool:
        return self.state in ("running", "complete")

    @property
    def worth(self) -> float:
        return self.bleu if self.stage == "pretrain" else self.change


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
    is_exhausted: bool = False  # the sampler finds nothing new

    def decide(self, tried: list[Tried], left: float) -> Job | Wait | None:
        """Return the next trial, or None when it is time for the final entry."""
        if not any(one.stage == "finetune" for one in tried):
            job = self._structure_job([one for one in tried if one.stage == "pretrain"], left)
            if job:
                return job
        return self._finetune_job(tried, left)

    # What the final entry still needs.

    def to_the_score(self, structure: dict[str, Any], has_stage_a: bool, has_stage_b: bool) -> float:
        """Return the seconds to keep for what lies between now and the printed score."""
        seconds = self.speed.scoring(structure)
        if not has_stage_b:
            seconds += self.speed.trial("finetune", structure, 1.0)
        if not has_stage_a:
            seconds += self.speed.trial("pretrain", structure, 1.0)
        return SAFETY * seconds

    def _kept(self, structure: dict[str, Any]) -> float:
        # For everything after stage A: the search for a fine-tune, or at least one in full.
        share = 0.0 if self.only == "structure" else self.preset.for_finetunes * self.seconds
        return max(share, self.to_the_score(structure, True, False))

    # Structures.

    def _structure_job(self, tried: list[Tried], left: float) -> Job | Wait | None:
        fulls = [one for one in tried if one.fidelity == 1 and one.counts]
        job = None
        if self.only != "finetune":
            job = self._search_job("pretrain", tried, lambda values: left - self._kept(values), None)
        if job or any(one.state == "complete" for one in fulls):
            return job
        if fulls:
            return Wait()
        shorts = sorted((one for one in tried if one.state == "complete"), key=lambda one: -one.bleu)
        choices = [(one.values, one.number) for one in shorts] + [(self.fixed["pretrain"], None)]
        for values, number in choices:
            if SAFETY * self.speed.trial("pretrain", values, 1.0) <= left - self.to_the_score(values, True, False):
                seconds = left - self.speed.scoring(values)  # all depends on it: nothing is saved by giving up early
                origin = "baseline" if number is None else "promoted"
                return Job("pretrain", 1.0, origin, seconds, values, promoted_from=number)
        return None

    # Fine-tunes.

    def _finetune_job(self, tried: list[Tried], left: float) -> Job | Wait | None:
        base = self.base(tried, left)
        if base is None:
            return None
        mine = [one for one in tried if one.stage == "finetune"]
        room = left - SAFETY * self.speed.scoring(base.structure)
        if self.only != "structure" and (job := self._search_job("finetune", mine, lambda _: room, base)):
            return job
        fulls = [one for one in mine if one.fidelity == 1 and one.counts]
        if any(one.state == "complete" for one in fulls):
            return None
        if fulls:
            return Wait()
        if self.speed.trial("finetune", base.structure, 1.0) > left - self.speed.scoring(base.structure):
            return None
        shorts = sorted((one for one in mine if one.state == "complete"), key=lambda one: -one.change)
        values, number = (shorts[0].values, shorts[0].number) if shorts else (self.fixed["finetune"], None)
        origin = "baseline" if number is None else "promoted"
        return Job("finetune", 1.0, origin, left - self.speed.scoring(base.structure), values, base, number)

    def base(self, tried: list[Tried], left: float) -> Tried | None:
        """Return the structure to fine-tune: the best in full, or one as good as it that leaves more time."""
        fulls = [one for one in tried if one.stage == "pretrain" and one.fidelity == 1 and one.state == "complete"]
        fulls.sort(key=lambda one: -one.bleu)
        fits = [one for one in fulls if self.to_the_score(one.structure, True, False) <= left] or fulls[-1:]
        close = [one for one in fits if one.bleu > fits[0].bleu - CLOSE]
        return min(close, key=lambda one: self.speed.trial("finetune", one.structure, 1.0), default=None)

    # What both have in common.

    def _search_job(self, stage: str, tried: list[Tried], room, base: Tried | None) -> Job | None:
        """Return a short trial, or one in full of the best short ones, if there is room for it."""
        shorts = [one for one in tried if one.fidelity < 1 and one.state == "complete"]
        done = {one.promoted_from for one in tried if one.fidelity == 1}
        ranked = sorted(shorts, key=lambda one: -one.worth)
        waiting = [one for one in ranked if one.number not in done]
        num_fulls = sum(one.fidelity == 1 for one in tried)
        if num_fulls < len(shorts) // self.preset.keep_one_in and (job := self._promote(waiting, room, base)):
            return job
        if job := self._short(stage, tried, room, base):
            return job
        few = math.ceil(len(shorts) / self.preset.keep_one_in) + 1  # the rest have had their chance
        return self._promote([one for one in waiting if one in ranked[:few]], room, base)

    def _promote(self, waiting: list[Tried], room, base: Tried | None) -> Job | None:
        for one in waiting:
            structure = base.structure if base else one.values
            if SAFETY * self.speed.trial(one.stage, structure, 1.0) <= room(structure):
                return Job(one.stage, 1.0, "promoted", room(structure), one.values, base, one.number)
        return None

    def _short(self, stage: str, tried: list[Tried], room, base: Tried | None) -> Job | None:
        structure = base.structure if base else self.fixed["pretrain"]
        cost = {share: self.speed.trial(stage, structure, share) for share in (self.preset.fidelity, 1.0)}
        alone = not any(one.fidelity < 1 for one in tried)  # a short trial with nothing beside it tells nothing
        needed = SAFETY * ((1 + alone) * cost[self.preset.fidelity] + cost[1.0])
        if needed > room(structure):
            return None
        # A structure so slow that only one or two fit into the search leaves nothing to compare it with.
        affordable = math.inf if base else max(needed, min(room(structure), self._for_structures() / 3))
        begun = [one.values for one in tried]
        for origin, values in self.candidates[stage]:
            if values not in begun and (base or self.both(values) <= min(affordable, room(values))):
                return self._short_job(
                    stage, origin, room(base.structure if base else values), values, base, affordable
                )
        if self.is_exhausted:
            return None
        return self._short_job(stage, "sampler", room(structure), None, base, affordable)

    def _short_job(self, stage, origin, room, values, base, affordable) -> Job:
        return Job(stage, self.preset.fidelity, origin, room, values, base, affordable=affordable)

    def both(self, structure: dict[str, Any]) -> float:
        """Return the seconds of a structure's short trial and of the one in full that may follow."""
        costs = (self.speed.trial("pretrain", structure, share) for share in (self.preset.fidelity, 1.0))
        return SAFETY * sum(costs)

    def _for_structures(self) -> float:
        return self.seconds - self._kept(self.fixed["pretrain"])

    # In words.

    def describe(self, tried: list[Tried], left: float) -> str:
        """Return what is planned for the time that is left."""
        base = self.base(tried, left)
        typical = base.structure if base else self._typical()
        is_tuning = any(one.stage == "finetune" for one in tried)
        score = SAFETY * self.speed.scoring(typical)
        parts, for_finetunes = [], left - score
        if not is_tuning and self.only != "finetune":
            for_structures = max(0.0, left - self._kept(typical))
            for_finetunes -= for_structures
            parts.append(
                f"{for_structures / 60:.1f} min for structures {self._counts('pretrain', typical, for_structures)}"
            )
        if self.only != "structure":
            for_finetunes = max(0.0, for_finetunes)
            parts.append(
                f"{for_finetunes / 60:.1f} min for fine-tunes {self._counts('finetune', typical, for_finetunes)}"
            )
        return f"{', '.join(parts)}; {score / 60:.1f} min kept for the score".lstrip("; ")

    def outlook(self, tried: list[Tried]) -> list[str]:
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
            found.append(
                "Repeat the best two or three with other seeds: python -m tools.seeds tells how far luck goes."
            )
        return found

    def _typical(self) -> dict[str, Any]:
        points = [values for _, values in self.candidates["pretrain"]] or [self.fixed["pretrain"]]
        fit = [values for values in points if self.both(values) <= self._for_structures() / 3]
        return fit[-1] if fit else self.fixed["pretrain"]

    def _counts(self, stage: str, structure: dict[str, Any], seconds: float) -> str:
        short, full = (self.speed.trial(stage, structure, share) for share in (self.preset.fidelity, 1.0))
        rounds = seconds / (self.preset.keep_one_in * short + full)
        steps = num_steps(self.rules, stage, self.preset.fidelity)
        return f"(about {self.preset.keep_one_in * rounds:.0f} trials of {steps} steps, {rounds:.0f} in full)"
