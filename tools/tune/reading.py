"""What a study's page, picture and summary all read off it, and how they say it."""

import re
from collections import Counter
from typing import Any

from .effects import Effect, Expectation, complete_trials, worth_of

Study = dict[str, Any]
Trial = dict[str, Any]

TITLES = {"pretrain": "Structure (stage A)", "finetune": "Fine-tune (stage B)"}
LOST = ("cut", "diverged", "failed")


def worth_label(study: Study, stage: str) -> str:
    """Return what the trials of a stage are judged by."""
    return f"change in {study['metric']}" if stage == "finetune" else study["metric"]


def trials_of(study: Study, stage: str) -> list[Trial]:
    return [trial for trial in study["trials"] if trial["stage"] == stage]


def is_full(trial: Trial) -> bool:
    return trial["fidelity"] >= 1.0


def best_trial(study: Study, stage: str) -> Trial | None:
    """Return the trial behind the picked values of a stage."""
    best = study["best"]
    picked = best and best["structure" if stage == "pretrain" else "finetune"]
    same = [trial for trial in complete_trials(study, stage) if trial["values"] == picked]

    def nearness(trial: Trial) -> tuple:
        return trial["structure"] == study["best"]["structure"], trial["fidelity"], worth_of(trial)

    return max(same, key=nearness, default=None)


def best_so_far(study: Study, stage: str) -> tuple[list[float], list[float]]:
    """Return when the best validation of the full-length trials rose, and to what."""
    minutes, values = [], []
    done = [trial for trial in complete_trials(study, stage) if is_full(trial) and trial["validation"] is not None]
    for trial in sorted(done, key=lambda trial: trial["ended_minute"]):
        if not values or trial["validation"] > values[-1]:
            minutes.append(trial["ended_minute"])
            values.append(trial["validation"])
    return minutes, values


def states_of(trials: list[Trial]) -> str:
    counts = Counter(trial["state"] for trial in trials)
    return ", ".join(f"{number} {state}" for state, number in counts.most_common())


def best_value(study: Study) -> tuple[float, str] | None:
    """Return the best validation metric, and of what."""
    best = study["best"]
    if best and best["validation"] is not None:
        return best["validation"], "after the fine-tune"
    if best and best["pretrain_validation"] is not None:
        return best["pretrain_validation"], "after the pretrain"
    return None


def readable(value: Any) -> str:
    """Return a knob's value as one reads it."""
    return re.sub(r"e([-+])0*", r"e\1", f"{value:.4g}") if isinstance(value, float) else str(value)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def about_effects(study: Study, effects: list[Effect]) -> str:
    """Say which knobs of a stage mattered."""
    known = [effect for effect in effects if effect.is_known]
    trials = counted(effects[0].num_trials if effects else 0, "finished trial")
    if not known:
        return f"not known yet after {trials}"
    sizes = [
        f"{effect.knob} ({effect.size:.1f} {study['metric']}, {effect.low:.1f} to {effect.high:.1f})"
        for effect in known
    ]
    rest = "; the others are not known yet" if len(known) < len(effects) else ""
    return ", ".join(sizes) + rest


def about_expectation(study: Study, expected: Expectation | None) -> str:
    """Say how far the best value is to be believed."""
    if not study["best"]:
        return "There is no value to judge yet."
    if expected is None:
        return (
            "How much of the best value is luck is not known: nobody has published how far chance moves this league's "
            "scores."
        )
    words = (
        f"Over seeds, expect a validation {study['metric']} of {expected.expected:.1f} "
        f"(90 % interval {expected.low:.1f} to {expected.high:.1f})"
    )
    if expected.luck >= 0.05 and expected.num_values > 1:
        words += f" instead of {expected.value:.1f}: the best of {counted(expected.num_values, 'value')} was also lucky"
    return words + ". The test has other sentences, which may be harder or easier as a whole."
