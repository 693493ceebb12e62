"""The plan on simulated machines: from very slow to very fast, with estimates that are wrong, it ends in time."""

import math
import random

import pytest

from league_config import AING, DEMO
from tools.tune.plan import PRESETS, Job, Planner, Tried, Wait
from tools.tune.space import first_candidates, point, ranges, start_values, why_not
from tools.tune.speed import SHARE_VALIDATED, Speed, num_steps, operations


class Machine:
    """What things really cost: steps by a law of its own, noise on everything, slower later on if it heats up."""

    def __init__(self, rules, slowness: float, seed: int, exponent: float = 0.7, heating: float = 1.0):
        self.rules, self.slowness, self.exponent, self.heating = rules, slowness, exponent, heating
        self.random = random.Random(seed)

    def step(self, stage: str, structure: dict, share_used: float) -> float:
        size = operations(structure, self.rules.vocab_size) / operations(
            start_values("pretrain"), self.rules.vocab_size
        )
        heat = self.heating if share_used > 0.4 else 1.0
        talks = {"pretrain": 1.0, "finetune": 2.0}[stage]
        return self.slowness * talks * (0.3 + 0.7 * size**self.exponent) * heat * self.random.uniform(0.9, 1.1)

    def validation(self, structure: dict) -> float:
        return 110 * self.step("pretrain", structure, 0.0) * self.random.uniform(0.8, 1.3)


def quality(stage: str, values: dict, fidelity: float, noise: random.Random) -> float:
    if stage == "pretrain":
        return fidelity**0.3 * (20 + 4 * math.log2(values["d_model"] / 64) - 10 * values["dropout"]) + noise.gauss(
            0, 0.5
        )
    return -3 * abs(math.log10(values["learning_rate"] / 1e-5)) + noise.gauss(0, 0.3)


def simulate(rules, machine: Machine, minutes: float, preset="balanced", only=None, wrong=1.0):
    """Play a search against a simulated machine; return the plan, the trials and the seconds used."""
    speed = Speed(rules)
    for place in (start_values("pretrain"), point("pretrain", 0.5)):
        speed.learn("pretrain", place, wrong * machine.step("pretrain", place, 0.0), trust=0.3)
    fixed = {stage: start_values(stage) for stage in ("pretrain", "finetune")}
    candidates = {stage: first_candidates(stage) for stage in fixed}
    planner = Planner(rules, speed, PRESETS[preset], minutes * 60, candidates, fixed, only)
    tried, used, dice = [], 0.0, machine.random
    while True:
        left = planner.seconds - used
        job = planner.decide(tried, left)
        assert not isinstance(job, Wait)
        if job is None:
            return planner, tried, used
        values = job.values or sample(planner, job, dice)
        structure = job.base.structure if job.base else values
        steps = num_steps(rules, job.stage, job.fidelity)
        pace = machine.step(job.stage, structure, used / planner.seconds)
        validation = (1.0 if job.fidelity == 1 else SHARE_VALIDATED[job.stage]) * machine.validation(structure)
        seconds, state = 3.0 + steps * pace + validation, "complete"
        if 3.0 + steps * pace > job.seconds:  # seen after a few steps
            seconds, state = min(job.seconds, 3.0 + 0.2 * steps * pace), "cut"
        used += seconds
        speed.learn(job.stage, structure, pace)
        if job.fidelity == 1 and state == "complete":
            speed.learn_validation(structure, validation)
        bleu = quality(job.stage, values, job.fidelity, dice) if state == "complete" else None
        number = len(tried)
        tried.append(Tried(number, job.stage, values, structure, job.fidelity, state, bleu, bleu, job.promoted_from))
        assert number < 20_000


def sample(planner, job: Job, dice: random.Random) -> dict:
    for _ in range(200):
        values = {}
        for name, span in ranges(job.stage).items():
            values[name] = dice.choice(span) if not hasattr(span, "low") else dice.uniform(span.low, span.high)
        if why_not(job.stage, values, planner.rules) is None and (job.base or planner.both(values) <= job.affordable):
            return values
    return start_values(job.stage)


def final(planner, tried) -> tuple[Tried | None, Tried | None]:
    """Return the best fine-tune in full, and the structure that it stands on."""
    fulls = [one for one in tried if one.fidelity == 1 and one.state == "complete"]
    tunes = [one for one in fulls if one.stage == "finetune"]
    structures = [one for one in fulls if one.stage == "pretrain"]
    return max(tunes, key=lambda one: one.worth, default=None), max(structures, key=lambda one: one.bleu, default=None)


SLOWNESS = [0.002, 0.02, 0.1, 0.3, 0.6, 1.0]  # seconds a step of the start values


@pytest.mark.parametrize("slowness", SLOWNESS)
@pytest.mark.parametrize("wrong", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("heating", [1.0, 1.4])
def test_it_never_overruns_and_uses_its_time(slowness, wrong, heating):
    for rules, minutes, only in ((AING, 60, None), (AING, 120, None), (DEMO, 10, None), (AING, 60, "structure")):
        machine = Machine(rules, slowness, seed=round(1000 * slowness * wrong * heating), heating=heating)
        planner, tried, used = simulate(rules, machine, minutes, only=only, wrong=wrong)
        best, structure = final(planner, tried)
        where = f"{rules.name}, {minutes} minutes, only {only}, {len(tried)} trials"
        alone = machine.step("pretrain", start_values("pretrain"), 1.0) * (
            num_steps(rules, "pretrain", 1) + 2 * num_steps(rules, "finetune", 1) + 400
        )
        if best is None:  # even the start values alone would hardly fit
            assert alone * 1.3 > minutes * 60, where
            continue
        scoring = 5 + 1.2 * machine.validation(best.structure)
        assert used + scoring <= minutes * 60, where
        unused = 1 - (used + scoring) / (minutes * 60)
        smallest = planner.speed.trial("finetune", best.structure, 1.0) / (minutes * 60)
        assert unused <= 0.15 or unused < 1.8 * smallest, (where, unused, smallest)
