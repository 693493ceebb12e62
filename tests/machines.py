"""Simulated machines, and a search on one of them, where no trial is trained."""

import math
import random

from league.run.watch import at_best
from league.tasks.task import task_of
from tools.tune.budget import PRESETS, SAFETY
from tools.tune.candidates import first_candidates
from tools.tune.jobs import Job, Tried, Wait
from tools.tune.plan import Planner
from tools.tune.space import point, start_values, why_not
from tools.tune.speed import SHARE_VALIDATED, Speed, num_steps

PARTS = 20  # of a trial, after each of which the watch looks at the pace
KNOWN = 0.1  # of a trial's steps: from then on the pace says when it will end
SETUP = 2.0  # seconds of a trial before its first step


class Machine:
    """What things really cost: steps by a law of its own, noise on everything, slower later on if it heats up.

    With a swing it is faster and slower by so much from minute to minute, as rented cores are.
    """

    def __init__(
        self, rules, slowness: float, seed: int, exponent: float = 0.7, heating: float = 1.0, swing: float = 0.0
    ):
        self.rules, self.slowness, self.exponent, self.heating = rules, slowness, exponent, heating
        self.random, self.swing = random.Random(seed), swing
        waves = random.Random(seed)
        self.waves = [(waves.uniform(150, 1500), waves.uniform(0, 2 * math.pi)) for _ in range(3)]

    def step(self, stage: str, structure: dict, share_used: float) -> float:
        size = task_of(self.rules).work(structure) / task_of(self.rules).work(start_values(self.rules, "pretrain"))
        heat = self.heating if share_used > 0.4 else 1.0
        talks = {"pretrain": 1.0, "finetune": 2.0}[stage]
        return self.slowness * talks * (0.3 + 0.7 * size**self.exponent) * heat * self.random.uniform(0.9, 1.1)

    def validation(self, structure: dict) -> float:
        return 110 * self.step("pretrain", structure, 0.0) * self.random.uniform(0.8, 1.3)

    def swung(self, second: float) -> float:
        """Return how many times as long as usual a step takes at this second of the search."""
        height = sum(math.sin(2 * math.pi * second / length + phase) for length, phase in self.waves)
        return math.exp(self.swing * height)


def quality(stage: str, values: dict, fidelity: float, noise: random.Random) -> float:
    if stage == "pretrain":
        return fidelity**0.3 * (20 + 4 * math.log2(values["d_model"] / 64) - 10 * values["dropout"]) + noise.gauss(
            0, 0.5
        )
    return -3 * abs(math.log10(values["learning_rate"] / 1e-5)) + noise.gauss(0, 0.3)


def simulate(rules, machine: Machine, minutes: float, only=None, wrong=1.0, babble_below=0.0, ends=None):
    """Play a search against a simulated machine; return the plan, the trials and the seconds used.

    `ends` takes the second at which each trial ended.
    """
    speed = Speed(rules)
    for place in (start_values(rules, "pretrain"), point(rules, "pretrain", 0.5)):
        for stage in ("pretrain", "finetune"):
            speed.learn(stage, place, wrong * machine.step(stage, place, 0.0), trust=0.3)
    fixed = {stage: start_values(rules, stage) for stage in ("pretrain", "finetune")}
    candidates = {stage: first_candidates(rules, stage) for stage in fixed}
    planner = Planner(rules, speed, PRESETS["balanced"], minutes * 60, candidates, fixed, only)
    tried, used, dice = [], 0.0, machine.random
    while True:
        left = planner.seconds - used
        job = planner.decide(tried, left)
        assert not isinstance(job, Wait)
        if job is None:
            return planner, tried, used
        values = job.values or sample(planner, job, tried, dice, left)
        structure = job.base.structure if job.base else values
        share = 1.0 if job.fidelity == 1 else SHARE_VALIDATED[job.stage]
        allowed = job.seconds - SAFETY * share * speed.validation(structure)
        steps = num_steps(rules, job.stage, job.fidelity)
        seconds, pace, state = train(machine, job.stage, structure, steps, used, planner.seconds, allowed)
        if state == "complete":
            validation = share * machine.validation(structure) * machine.swung(used + seconds)
            seconds += validation
        used += seconds
        if ends is not None:
            ends.append(used)
        speed.learn(job.stage, structure, pace)
        if job.fidelity == 1 and state == "complete":
            speed.learn_validation(structure, validation)
        assert seconds < 2 * job.seconds + 10
        bleu = quality(job.stage, values, job.fidelity, dice) if state == "complete" else None
        if bleu is not None and job.stage == "pretrain" and job.fidelity < babble_below:
            bleu = dice.uniform(0, 1)
        number = len(tried)
        base = job.base.number if job.base else None
        change = bleu if job.stage == "finetune" else None
        if bleu is not None and job.base:
            bleu += job.base.validation
        worth = (bleu, change)
        tried.append(Tried(number, job.stage, values, structure, job.fidelity, state, *worth, job.promoted_from, base))
        assert number < 20_000


def train(machine, stage: str, structure: dict, steps: int, began: float, search: float, allowed: float):
    """Return the seconds of a trial's training, its pace, and whether the watch has let it end."""
    usual = machine.step(stage, structure, began / search)
    seconds = SETUP
    for part in range(1, PARTS + 1):
        seconds += steps / PARTS * usual * machine.swung(began + seconds)
        done = steps * part / PARTS
        pace = (seconds - SETUP) / done
        left = steps - done if part >= KNOWN * PARTS else 0
        if seconds + at_best(left, steps, pace) > allowed:
            return min(seconds, max(1.0, allowed)), pace, "cut"
    return seconds + 1.0, pace, "complete"


def sample(planner, job: Job, tried: list[Tried], dice: random.Random, left: float) -> dict:
    for _ in range(200):
        values = {}
        for name, span in planner.rules.ranges(job.stage).items():
            values[name] = dice.choice(span) if not hasattr(span, "low") else dice.uniform(span.low, span.high)
        if why_not(planner.rules, job.stage, values) is None and planner.allows(job, values, tried, left):
            return values
    return start_values(planner.rules, job.stage)


def in_full(tried: list[Tried], stage: str) -> list[Tried]:
    """Return the trials of a stage that ran in full and to their end."""
    return [one for one in tried if (one.stage, one.fidelity, one.state) == (stage, 1.0, "complete")]


def final(tried: list[Tried]) -> tuple[Tried | None, ...]:
    """Return the best fine-tune in full, and the best structure."""
    tunes, structures = in_full(tried, "finetune"), in_full(tried, "pretrain")
    return tuple(max(ones, key=lambda one: one.validation, default=None) for ones in (tunes, structures))
