"""A study in a few lines for the terminal."""

import textwrap
from pathlib import Path

from league.values import readable

from .effects import expectation, main_effects
from .reading import TITLES, Study, about_effects, about_expectation, counted, states_of, trials_of


def terminal_summary(study: Study, report: Path | None = None) -> str:
    """Return the study in a few lines: what was tried, what was best, what mattered, what to expect."""
    lines = [
        f"Search for entry {study['entry']}: {study['used_minutes']:.1f} of {study['budget_minutes']:g} min used, "
        f"{counted(len(study['trials']), 'trial')}"
    ]
    for stage, part in (("pretrain", "structure"), ("finetune", "finetune")):
        trials, best = trials_of(study, stage), study["best"]
        if not trials:
            continue
        lines.append(f"{TITLES[stage]}: {states_of(trials)}")
        if best and best[part]:
            value = best["pretrain_validation"] if stage == "pretrain" else best["validation"]
            values = ", ".join(f"{knob} {readable(picked)}" for knob, picked in best[part].items())
            lines.append(
                f"  best: {values}" + ("" if value is None else f" -> validation {study['metrics'][stage]} {value:.2f}")
            )
        lines.append(f"  what mattered: {about_effects(study, stage, main_effects(study, stage))}")
    lines.append(about_expectation(study, expectation(study)))
    if final := study["final"]:
        low, high = final["interval"]
        lines.append(f"Test: {study['metric']} {final['test']:.2f} (95 % interval {low:.2f} to {high:.2f})")
    plain = ["".join(letter for letter in line if letter.isprintable()) for line in lines]
    lines = [textwrap.fill(line, 100, subsequent_indent="    ", break_on_hyphens=False) for line in plain]
    if report is not None:
        lines.append(f"Report: {report}")  # never broken: one copies it
    return "\n".join(lines)
