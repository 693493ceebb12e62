"""What a study's page, picture and summary all read off it, and how they say it."""

from collections import Counter
from typing import Any

from league.report.texts import Text, joined, say

from .effects import Effect, Expectation, complete_trials
from .jobs import worth_of

Study = dict[str, Any]
Trial = dict[str, Any]

TITLES = {"pretrain": "Structure (stage A)", "finetune": "Fine-tune (stage B)"}
LOST = ("cut", "diverged", "failed")


def worth_label(study: Study, stage: str) -> str:
    """Return what the trials of a stage are judged by."""
    metric = study["metrics"][stage]
    return say("tune.change_in", metric=metric) if stage == "finetune" and study["has_one_task"] else metric


def metrics_of(study: Study) -> str:
    """Return the metrics of both stages in one word, if they have the same."""
    return " / ".join(dict.fromkeys(study["metrics"].values()))


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
    done = [trial for trial in complete_trials(study, stage) if is_full(trial)]
    for trial in sorted(done, key=lambda trial: trial["ended_minute"]):
        if not values or trial["validation"] > values[-1]:
            minutes.append(trial["ended_minute"])
            values.append(trial["validation"])
    return minutes, values


def states_of(trials: list[Trial]) -> Text:
    counts = Counter(trial["state"] for trial in trials)
    return joined([say("tune.states", n=n, state=say(f"tune.trial.{state}")) for state, n in counts.most_common()])


def best_value(study: Study) -> tuple[float, str] | None:
    """Return the best validation metric, and of what."""
    best = study["best"]
    if best and best["validation"] is not None:
        return best["validation"], say("tune.after.finetune")
    if best and best["pretrain_validation"] is not None:
        return best["pretrain_validation"], say("tune.after.pretrain")
    return None


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def about_effects(study: Study, stage: str, effects: list[Effect]) -> str:
    """Say which knobs of a stage mattered."""
    known = [effect for effect in effects if effect.is_known]
    if not known:
        return say("tune.unknown_effects", n=effects[0].num_trials if effects else 0)
    sizes = []
    for effect in known:
        values = {"size": f"{effect.size:.1f}", "low": f"{effect.low:.1f}", "high": f"{effect.high:.1f}"}
        sizes.append(say("tune.effect", knob=effect.knob, metric=study["metrics"][stage], **values))
    rest = [say("tune.others_unknown")] if len(known) < len(effects) else []
    return joined([joined(sizes), *rest], "")


def about_expectation(study: Study, expected: Expectation | None) -> str:
    """Say how far the best value is to be believed."""
    if not study["best"]:
        return say("tune.no_expectation")
    if expected is None:
        return say("tune.unknown_noise")
    luck = ""
    if expected.luck >= 0.05 and expected.num_values > 1:
        luck = say("tune.luck", value=f"{expected.value:.1f}", n=expected.num_values)
    values = {name: f"{getattr(expected, name):.1f}" for name in ("expected", "low", "high")}
    return say("tune.expectation", metric=study["metric"], luck=luck, **values)
