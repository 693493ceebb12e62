"""The plan in words: what the time that is left is for, and what more time would be spent on."""

from league.rulebook import League

from .budget import FOR_SCORE
from .jobs import Tried
from .plan import Planner
from .space import Values, short
from .speed import num_steps

MOST_WAITING, MOST_CUT = 3, 5  # trials that are named: chosen, for a line of the terminal


def describe(planner: Planner, tried: list[Tried], left: float) -> str:
    """Return what is planned for the time that is left."""
    base = planner.base(tried, left)
    typical = base.structure if base else planner.typical()
    score = FOR_SCORE * planner.scoring(typical)
    phrases, for_finetunes = [], left - score
    if not planner.is_tuning(tried) and planner.only != "finetune":
        for_structures = max(0.0, left - planner.kept(typical, tried))
        for_finetunes -= for_structures
        counts = _counts(planner, "pretrain", typical, for_structures, tried)
        phrases.append(f"{for_structures / 60:.1f} min for structures {counts}")
    if planner.only != "structure":
        for_finetunes = max(0.0, for_finetunes)
        counts = _counts(planner, "finetune", typical, for_finetunes, tried)
        phrases.append(f"{for_finetunes / 60:.1f} min for fine-tunes {counts}")
    return "; ".join([*phrases, f"{score / 60:.1f} min kept for the score"])


def _counts(planner: Planner, stage: str, structure: Values, seconds: float, tried: list[Tried]) -> str:
    seconds *= planner.num_workers
    fidelity = planner.fidelity_of(stage, [one for one in tried if one.stage == stage])
    part, full = (planner.speed.trial(stage, structure, share) for share in (fidelity, 1.0))
    if fidelity == 1:
        return f"(about {seconds / full:.0f} in full)"
    keep_one_in = planner.preset.keep_one_in
    rounds = seconds / (keep_one_in * part + full)
    steps = num_steps(planner.rules, stage, fidelity)
    return f"(about {keep_one_in * rounds:.0f} trials of {steps} steps, {rounds:.0f} in full)"


def outlook(rules: League, tried: list[Tried]) -> list[str]:
    """Return what more time would be spent on."""
    advice = []
    for stage, what in (("pretrain", "structures"), ("finetune", "fine-tunes")):
        shorts = [one for one in tried if one.stage == stage and one.fidelity < 1 and one.state == "complete"]
        done = {one.promoted_from for one in tried}
        waiting = sorted((one for one in shorts if one.number not in done), key=lambda one: -one.worth)
        if waiting := waiting[:MOST_WAITING]:
            numbers = ", ".join(f"{one.number} ({short(rules, stage, one.values)})" for one in waiting)
            advice.append(f"Run in full the best short {what} that were not: trial {numbers}.")
        cut = [one for one in tried if one.stage == stage and one.state == "cut"]
        if cut:
            numbers = ", ".join(str(one.number) for one in cut[:MOST_CUT])
            advice.append(f"Give {what} that were cut for time another chance: trial {numbers}.")
    if any(one.fidelity == 1 and one.state == "complete" for one in tried):
        advice.append("Repeat the best two or three with other seeds: python -m tools.seeds shows how far luck goes.")
    return advice
