"""The plan: what is worth trying next in the time that is left, so that the score is out before it ends.

A pure function of what was tried, of the time left and of what things cost here. Two searches follow one another, by
successive halving: structures on stage A, then fine-tunes of the best structure. A short trial has the whole schedule
compressed into a part of its steps; the best of every few are run in full, and the best of those is the final entry.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .budget import BOLD, SAFETY, Budget
from .candidates import MIDDLE, Candidates, promising_first, safest
from .jobs import Job, Tried, Wait
from .space import Values, point, size

# As for the budget's numbers: settled on simulated machines (tests/tools/test_tune_plan.py), unless a source is named.
FEW = 8  # structures in full, that there must be time for, with all workers, before short trials pay
TELLING = 5.0  # points: below, all models babble, and the best is so by chance (docs/tuning.md: 3.8 became 67.1 BLEU)
HOPELESS = 5.0  # points below the best, at which sizes are not tried any more: six deviations of a seed (noise.json)
CLOSE = 0.3  # points: nearer structures are equal, and the cheaper one is taken; a third of a seed's deviation
CLOSE_ELSEWHERE = 1.6  # where stage B has a task of its own: one standard error of 85 % right of 500 (docs/tuning.md)
FIRST_BY = 0.5  # of the search: when there should be a whole entry of the better of two structures
CHEAP = 0.2  # of the search: what a first whole entry may cost that a better structure will replace
RENEWED_AFTER = 2.5  # times what a fine-tune in full costs: when there may be a better one
BELOW_MIDDLE = (0.4, 0.3)  # of the ranges of a structure, where there is no time for the middle
RESTRAINT_SHORT, RESTRAINT_FULL = 0.5, 2.0  # of the trend's slope, as a spread of log work: trials in full are few

Room = Callable[[Values], float]  # the seconds that a structure may take


@dataclass
class Planner(Budget):
    """Decides what comes next."""

    def decide(self, tried: list[Tried], left: float) -> Job | Wait | None:
        """Return the next trial, or None when it is time for the final entry."""
        self.margin = BOLD if any(one.is_entry for one in tried) else SAFETY
        if not self.is_tuning(tried):
            structures = [one for one in tried if one.stage == "pretrain"]
            job = self._structure_job(structures, left)
            other = job.values if isinstance(job, Job) and job.values is not None else self.typical()
            if job := self._renewal(other, tried, left) or job:
                return job
        return self._finetune_job(tried, left)

    def is_tuning(self, tried: list[Tried]) -> bool:
        """Tell whether the search has turned from structures to fine-tunes."""
        return any(one.stage == "finetune" and one.fidelity < 1 for one in tried)

    def room_to_resume(self, asked: dict[str, Any], tried: list[Tried], left: float) -> float:
        """Return the seconds that a trial which was interrupted may still take."""
        structure = asked["structure"]
        fulls = [one.number for one in tried if one.stage == "pretrain" and one.fidelity == 1 and one.counts]
        if fulls == [asked["number"]]:
            return left - self.scoring(structure)  # as where it began: all depends on it
        return left - self.to_the_score(structure, True, asked["stage"] == "finetune")

    # Structures.

    def _structure_job(self, tried: list[Tried], left: float) -> Job | Wait | None:
        fulls = [one for one in tried if one.fidelity == 1 and one.counts]
        job = None
        # A machine that hardly manages the start values should not spend its time on comparing.
        has_time = fulls or self.has_room(0.5 * left)
        if self.only != "finetune" and has_time:
            job = self._search_job("pretrain", tried, lambda values: left - self.kept(values, tried), None)
        if job or any(one.state == "complete" for one in fulls):
            return job
        if fulls:
            return Wait()
        if any(one.fidelity == 1 and one.state == "cut" for one in tried) and not self.has_room(left):
            return None
        shorts, lost = _to_promote(tried)
        fit = (one for one in shorts if self.to_the_score(one.values, False, False) <= left)
        best = next(fit, None)
        values, number = (best.values, best.number) if best else (self.fixed["pretrain"], None)
        if values in lost:
            return None
        # All depends on it: it is begun even if it seems not to fit, and nothing is saved by giving up early.
        seconds = left - self.scoring(values)
        return Job("pretrain", 1.0, "promoted" if best else "baseline", seconds, values, promoted_from=number)

    def _renewal(self, other: Values, tried: list[Tried], left: float) -> Job | None:
        """Return a fine-tune of the best structure so far, now and then: there should be a whole entry early.

        `other` is the structure that would come next.
        """
        base = self._unproven(tried, left)
        if base is None or self.only:
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
            room = left - self.kept(base.structure, tried)
        if cost > room:
            return None
        return Job("finetune", 1.0, "a whole entry early", room, self._proven(tried), base)

    def _proven(self, tried: list[Tried]) -> Values:
        """Return the fine-tune that did best on any structure, or the one that forgets least."""
        known = [one for one in tried if one.stage == "finetune" and one.state == "complete"]
        best = max(known, key=lambda one: one.worth, default=None)
        return best.values if best else safest(self.rules, self.candidates["finetune"])

    def _unproven(self, tried: list[Tried], left: float) -> Tried | None:
        """Return the structure that a whole entry should stand on next, if there is none on it yet."""
        with_entry = {one.base for one in tried}
        if self.rules.has_one_task:
            base = self.base(tried, left)
            return base if base and base.number not in with_entry else None
        new = [one for one in self.trained(tried) if one.number not in with_entry]  # each must show what it is worth
        return max(new, key=lambda one: one.validation, default=None)

    def _would_be_late(self, cost: float, other: Values, tried: list[Tried], left: float) -> bool:
        """Tell whether the first whole entry would come late with one more structure before it."""
        another, by = self.cost("pretrain", other, 1.0), self.seconds - left
        if len(self.fulls(tried)) > 1:
            return by + another + cost > FIRST_BY * self.seconds
        # The first structure has nothing beside it yet: it is fine-tuned at once only where that costs little.
        is_late = by + another + self.margin * self.speed.trial("finetune", other, 1.0) > FIRST_BY * self.seconds
        return is_late and cost <= CHEAP * self.seconds

    # Fine-tunes.

    def _finetune_job(self, tried: list[Tried], left: float) -> Job | Wait | None:
        base = self.base(tried, left)
        if base is None:
            return None
        mine = [one for one in tried if one.stage == "finetune"]
        if self.only == "structure":
            return None  # the entry itself trains it
        room = left - self.to_the_score(base.structure, True, True)
        on_base = [one for one in mine if one.base == base.number and one.fidelity == 1]
        if not any(one.counts or one.is_lost for one in on_base) and self._has_time_for_one(base, room):
            return Job("finetune", 1.0, "a whole entry early", room, self._proven(mine), base)
        if job := self._search_job("finetune", mine, lambda _: room, base):
            return job
        fulls = [one for one in mine if one.fidelity == 1 and one.counts]
        if any(one.state == "complete" for one in fulls):
            return None
        if fulls:
            return Wait()
        if self.margin * self.speed.trial("finetune", base.structure, 1.0) > left - self.scoring(base.structure):
            return None  # the entry itself trains it, and is stopped in time where a trial would be given up
        shorts, lost = _to_promote(mine)
        values, number = (shorts[0].values, shorts[0].number) if shorts else (self.fixed["finetune"], None)
        if values in lost:
            return None
        origin = "untried" if number is None else "promoted"
        return Job("finetune", 1.0, origin, left - self.scoring(base.structure), values, base, number)

    def _has_time_for_one(self, base: Tried, room: float) -> bool:
        """Tell whether a fine-tune in full fits, and short ones before it would put it at risk."""
        shares = (1.0, self.preset.fidelities[0])
        full, short = (self.margin * self.speed.trial("finetune", base.structure, share) for share in shares)
        return full <= room < 2 * full + self.preset.keep_one_in * short

    def base(self, tried: list[Tried], left: float) -> Tried | None:
        """Return the structure to fine-tune: the best in full, or one as good as it that leaves more time."""
        fulls = sorted(self.fulls(tried), key=lambda one: -one.validation)
        tunes, near = [one for one in tried if one.is_entry], CLOSE
        if tunes and self.rules.has_one_task:  # a worse structure than has been fine-tuned already could not win
            best = max(one.validation for one in fulls if one.number in {tune.base for tune in tunes})
            fulls = [one for one in fulls if one.validation >= best]
        elif tunes:
            near = CLOSE_ELSEWHERE
        fits = [one for one in fulls if self.to_the_score(one.structure, True, False) <= left] or fulls[-1:]
        close = [one for one in fits if one.validation > fits[0].validation - near]
        return min(close, key=lambda one: self.speed.trial("finetune", one.structure, 1.0), default=None)

    # What both have in common.

    def _search_job(self, stage: str, tried: list[Tried], room: Room, base: Tried | None) -> Job | None:
        """Return a short trial, or one in full of the best short ones, if there is room for it."""
        fidelity = self.fidelity_of(stage, tried)
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
        if base is None or one.fidelity == 1 or one.worth is None or not self.rules.has_one_task:
            return False  # a task of its own is learned the better the longer
        fulls = (other.worth for other in tried if other.fidelity == 1 and other.base == base.number)
        return any(worth is not None and worth >= one.worth for worth in fulls)

    def fidelity_of(self, stage: str, tried: list[Tried]) -> float:
        if stage == "pretrain":
            # Structures that are worth an entry are no smaller, even where there is hardly time for one of them.
            sizes = (self.typical(), point(self.rules, stage, MIDDLE))
            if self.num_workers * self.for_structures() < FEW * max(self.speed.trial(stage, one, 1.0) for one in sizes):
                return 1.0
        elif self._is_overdone(tried):
            return 1.0
        for fidelity in self.preset.fidelities:
            known = [one.validation for one in tried if one.fidelity == fidelity and one.validation is not None]
            if not known or max(known) >= TELLING:
                return fidelity
        return self.preset.fidelities[-1]

    def _is_overdone(self, tried: list[Tried]) -> bool:
        """Tell whether fine-tunes in full end below the short ones that they were promoted from.

        Where stage B has a task of its own it is overlearned then, and what holds it back shows in full length alone.
        """
        shorts = {one.number: one.validation for one in tried if one.stage == "finetune" and one.fidelity < 1}
        fulls = [one for one in tried if one.promoted_from in shorts and one.state == "complete"]
        gained = sum(one.validation - shorts[one.promoted_from] for one in fulls)
        return bool(fulls) and gained < 0 and not self.rules.has_one_task

    def _ranked(self, stage: str, shorts: list[Tried], tried: list[Tried]) -> list[Tried]:
        """Return short trials, the most promising first."""
        if stage == "finetune" or not shorts:
            return sorted(shorts, key=lambda one: -one.worth)
        # Small models learn faster and end lower: what short trials say is how good one is among its like, and what
        # size is worth is left to those in full.
        early, late = self.trend(shorts, RESTRAINT_SHORT), self.trend(self.fulls(tried), RESTRAINT_FULL)
        return sorted(shorts, key=lambda one: early(one.values) - one.validation - late(one.values))

    def _promote(self, waiting: list[Tried], room: Room, base: Tried | None) -> Job | None:
        for one in waiting:
            structure = base.structure if base else one.values
            if self.margin * self.speed.trial(one.stage, structure, 1.0) <= room(structure):
                return Job(one.stage, 1.0, "promoted", room(structure), one.values, base, one.number)
        return None

    def _new(self, stage: str, tried: list[Tried], room: Room, base: Tried | None, fidelity: float) -> Job | None:
        structure = base.structure if base else self.fixed["pretrain"]
        needed = self.cost(stage, structure, fidelity)
        is_first = not any(one.fidelity == fidelity for one in tried)
        if fidelity < 1 and is_first:  # one with nothing beside it tells nothing
            needed += self.margin * self.speed.trial(stage, structure, fidelity)
        if needed > room(structure):
            return None
        # A sampled structure so slow that not even two fit into the search is too much of a gamble.
        affordable = math.inf if base else max(needed, min(room(structure), self.for_structures() / 2))
        number = base and base.number
        mine = [one for one in tried if one.base in (None, number)]
        begun = [one.values for one in mine if one.fidelity >= fidelity or self._is_beaten(one, base, mine)]
        candidates = self._in_full(stage, tried, begun) if fidelity == 1 else self.candidates[stage]
        for origin, values in candidates:
            seconds = room(base.structure if base else values)
            if values not in begun and (base or self.cost(stage, values, fidelity) <= seconds):
                return Job(stage, fidelity, origin, seconds, values, base, affordable=affordable)
        if stage in self.exhausted:
            return None
        return Job(stage, fidelity, "sampler", room(structure), None, base, affordable=affordable)

    def _in_full(self, stage: str, tried: list[Tried], begun: list[Values]) -> Candidates:
        """Return what is tried in full before the sampler picks."""
        if stage == "pretrain":
            return [*self.candidates[stage], *self._next_best(begun)]
        # There is time for few: what did best elsewhere, then the promising ones.
        known = [one for one in tried if one.fidelity == 1 and one.worth is not None]
        known.sort(key=lambda one: -one.worth)
        return [("best elsewhere", one.values) for one in known] + promising_first(self.rules, self.candidates[stage])

    def _next_best(self, begun: list[Values]) -> Candidates:
        """Return what comes next in size where there was no time for any of the larger structures to begin with."""
        first, *larger = [values for _, values in self.candidates["pretrain"]] or [None]
        if not larger or any(one in begun for one in larger):
            return []
        return [("next best size", size(self.rules, share, first)) for share in BELOW_MIDDLE]

    def allows(self, job: Job, values: Values, tried: list[Tried], left: float) -> bool:
        """Tell whether there is time for values that the sampler has picked."""
        if job.base:
            return True
        fulls = self.fulls(tried)
        if (
            len(fulls) >= 3
            and self.trend(fulls, RESTRAINT_FULL)(values) < max(one.validation for one in fulls) - HOPELESS
        ):
            return False  # what is left of the time is better spent on fine-tunes
        return self.cost(job.stage, values, job.fidelity) <= min(job.affordable, left - self.kept(values, tried))


def _to_promote(tried: list[Tried]) -> tuple[list[Tried], list[Values]]:
    """Return the trials of a stage that ended well, the best first, and the values that came to nothing in full."""
    lost = [one.values for one in tried if one.fidelity == 1 and one.is_lost]
    ended = [one for one in tried if one.state == "complete" and one.values not in lost]
    return sorted(ended, key=lambda one: -one.worth), lost
