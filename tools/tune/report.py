"""A study as a page and a picture."""

from pathlib import Path
from typing import Any

from league.files import write_bytes, write_text
from league.report.drawing import as_svg
from league.report.look import render

from .charts import draw_curves, draw_effects, draw_expectation, draw_knob, draw_parallel, draw_progress, study_png
from .effects import Effect, Expectation, expectation, main_effects
from .reading import (
    TITLES,
    Study,
    Trial,
    about_effects,
    about_expectation,
    best_trial,
    best_value,
    is_full,
    readable,
    states_of,
    trials_of,
    worth_label,
)

SMALL, TALL, WIDE = (3.9, 2.8), (3.9, 5.6), (11.6, 3.6)  # inches of a panel; the wide one is for wide screens


def as_html(study: Study, effects: dict[str, list[Effect]], expected: Expectation | None) -> str:
    """Return the whole page."""
    return render(
        "tools/tune/templates/study.html",
        title=f"Search for entry {study['entry']}",
        study=study,
        setting=setting_of(study),
        numbers=first_numbers(study, expected),
        progress=progress(study),
        winner=winner(study),
        expectation=expectation_panel(study, expected),
        stages=[stage_section(study, stage, effects[stage]) for stage in TITLES],
    )


def setting_of(study: Study) -> str:
    """Say in a line how the search was set."""
    only = f", only {study['only']}" if study["only"] else ""
    processes = f" in {study['num_processes']} processes" if study["num_processes"] > 1 else ""
    return (
        f"League {study['league']}, seed {study['seed']}, preset {study['preset']}, sampler {study['sampler']}{only}, "
        f"on {study['device']}{processes}. All values are validation {study['metric']} on {study['domain']}; "
        "no trial opens the test set."
    )


def first_numbers(study: Study, expected: Expectation | None) -> list[tuple[str, str]]:
    """Return the few numbers that one looks for first."""
    states = {"searching": "still searching", "final": "training the final entry", "done": "done"}
    numbers = [
        (f"{study['used_minutes']:.1f}", f"of {study['budget_minutes']:g} minutes; {states[study['state']]}"),
        (str(len(study["trials"])), "trials: " + (states_of(study["trials"]) or "none yet")),
    ]
    if best := best_value(study):
        numbers.append((f"{best[0]:.2f}", f"best, {best[1]}"))
    if expected:
        numbers.append((f"{expected.expected:.1f}", "to be expected of these values over seeds"))
    if final := study["final"]:
        verdict = "official" if final["official"] else "open, not ranked"
        numbers.append((f"{final['test']:.2f}", f"{study['metric']} on the test set; {verdict}"))
    return numbers


def progress(study: Study) -> dict[str, str]:
    """Return the picture of the best value over time, for wide and for narrow screens."""
    words = f"Best validation {study['metric']} over the minutes of the search"
    if best := best_value(study):
        words += f": {best[0]:.2f} {best[1]}"
    sizes = {"wide": WIDE, "narrow": (SMALL[0], 3.6)}
    return {width: as_svg(f"progress-{width}", words, size, draw_progress, study) for width, size in sizes.items()}


def winner(study: Study) -> list[tuple[str, str, str]]:
    """Return the picked values beside the start values."""
    return [
        (knob, readable(value), readable(study["knobs"].get(stage, {}).get(knob, {}).get("default", "")))
        for stage, part in (("pretrain", "structure"), ("finetune", "finetune"))
        for knob, value in ((study["best"] or {}).get(part) or {}).items()
    ]


def expectation_panel(study: Study, expected: Expectation | None) -> dict[str, str]:
    words = about_expectation(study, expected)
    return {
        "words": words,
        "picture": as_svg("expectation", words, (SMALL[0], 2.3), draw_expectation, study, expected),
    }


def stage_section(study: Study, stage: str, effects: list[Effect]) -> dict[str, Any]:
    """Return what there is to show of a stage: pictures, and a table of its trials."""
    knobs, trials = list(study["knobs"].get(stage, {})), trials_of(study, stage)
    title, words, fine = TITLES[stage], about_effects(study, effects), stage == "finetune"
    section = {
        "title": title,
        "trials": [],
        "effects": {
            "words": words,
            "picture": as_svg(f"effects-{stage}", f"{title}: {words}", SMALL, draw_effects, study, effects),
        },
    }
    if not trials:
        return section
    best = best_trial(study, stage)
    paths = f"The values and the score of each trial of {stage}"
    label = f"{worth_label(study, stage)} against {{}}, a mark for each trial"
    return section | {
        "paths": as_svg(f"parallel-{stage}", paths, TALL, draw_parallel, study, stage),
        "curves": as_svg(
            f"curves-{stage}", f"The training loss of each trial of {stage}", SMALL, draw_curves, study, stage
        ),
        "knobs": {
            knob: as_svg(f"knob-{stage}-{knob}", label.format(knob), SMALL, draw_knob, study, stage, knob)
            for knob in knobs
        },
        "heads": ["trial", *knobs, *["structure"] * fine, "steps", study["metric"], *["change"] * fine]
        + ["minutes", "steps/s"],
        "trials": [(trial, cells_of(trial, knobs, fine), trial is best) for trial in trials],
    }


def cells_of(trial: Trial, knobs: list[str], fine: bool) -> list[str]:
    """Return the numbers of a trial as its row in the table has them."""
    began, ended = trial["began_minute"], trial["ended_minute"]
    numbers = [readable(trial["values"][knob]) for knob in knobs]
    if fine:
        numbers.append("/".join(map(readable, trial["structure"].values())))
    numbers.append(f"{trial['steps']}" + ("" if is_full(trial) else f" ({trial['fidelity']:.0%})"))
    numbers.append("" if trial["validation"] is None else f"{trial['validation']:.2f}")
    if fine:
        numbers.append("" if trial["change"] is None else f"{trial['change']:+.2f}")
    numbers.append(f"{began:.1f} to " + ("" if ended is None else f"{ended:.1f}"))
    return [*numbers, "" if trial["steps_per_second"] is None else f"{trial['steps_per_second']:.1f}"]


def write_report(study: Study, folder: Path) -> Path:
    """Write report.html and report.png into a folder; return the page's path."""
    effects = {stage: main_effects(study, stage) for stage in TITLES}
    expected = expectation(study)
    page, picture = as_html(study, effects, expected), study_png(study, effects, expected)
    write_bytes(folder / "report.png", picture)
    write_text(folder / "report.html", page)
    return folder / "report.html"
