"""A study as a page and a picture."""

import warnings
from html import escape
from pathlib import Path

from league.files import write_bytes, write_text
from league.report.drawing import as_svg
from league.report.look import html_page, panel, tiles

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
    title = f"Search for entry {study['entry']}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="quiet">{escape(setting_of(study))}</p>',
        first_numbers(study, expected),
        "<h2>What the minutes brought</h2>",
        progress_panel(study),
        "<h2>The winner</h2>",
        winner(study, expected),
        "<h2>Which knob mattered</h2>",
        effects_panels(study, effects),
        *(stage_section(study, stage) for stage in TITLES),
        "<h2>Every trial</h2>",
        *(table(study, stage) for stage in TITLES if trials_of(study, stage)),
        "<h2>The plan</h2>",
        plan(study),
    ]
    return html_page(title, parts)


def setting_of(study: Study) -> str:
    """Say in a line how the search was set."""
    only = f", only {study['only']}" if study["only"] else ""
    processes = f" in {study['num_processes']} processes" if study["num_processes"] > 1 else ""
    return (
        f"League {study['league']}, seed {study['seed']}, preset {study['preset']}, sampler {study['sampler']}{only}, "
        f"on {study['device']}{processes}. All values are validation {study['metric']} on {study['domain']}; "
        "no trial opens the test set."
    )


def first_numbers(study: Study, expected: Expectation | None) -> str:
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
    return tiles(numbers)


def progress_panel(study: Study) -> str:
    words = f"Best validation {study['metric']} over the minutes of the search"
    if best := best_value(study):
        words += f": {best[0]:.2f} {best[1]}"
    pictures = [
        f'<div class="{name}">{as_svg(f"progress-{name}", words, size, draw_progress, study)}</div>'
        for name, size in (("wide", WIDE), ("narrow", (SMALL[0], 3.6)))
    ]
    caption = (
        "Each mark is a trial where it ended; hollow ones trained for a part of the steps and score lower for that."
    )
    return panel("Best value so far", caption, *pictures)


def winner(study: Study, expected: Expectation | None) -> str:
    """Return the picked values, what to expect of them, and the commands that repeat them."""
    if not study["best"]:
        return "<p>No trial has a value yet, so there is no winner.</p>"
    rows = [
        f"<tr><th scope='col' class='words'>{escape(knob)}</th><td>{escape(readable(value))}</td>"
        f"<td>{escape(readable(study['knobs'].get(stage, {}).get(knob, {}).get('default', '')))}</td></tr>"
        for stage, part in (("pretrain", "structure"), ("finetune", "finetune"))
        for knob, value in (study["best"][part] or {}).items()
    ]
    words = about_expectation(study, expected)
    picture = as_svg("expectation", words, (SMALL[0], 2.3), draw_expectation, study, expected)
    commands = escape("\n".join(study["commands"]))
    return (
        '<div class="panels"><div class="panel"><h3>Its values</h3><table><thead><tr><th class="words">knob</th>'
        f"<th>picked</th><th>start value</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f"{panel('What to expect of it', words, picture)}</div>"
        + (f'<p>These commands train and score it:</p><pre tabindex="0">{commands}</pre>' if commands else "")
    )


def effects_panels(study: Study, effects: dict[str, list[Effect]]) -> str:
    panels = []
    for stage, of_stage in effects.items():
        words = about_effects(study, of_stage)
        picture = as_svg(f"effects-{stage}", f"{TITLES[stage]}: {words}", SMALL, draw_effects, study, of_stage)
        panels.append(panel(TITLES[stage], words, picture))
    return (
        f'<div class="panels">{"".join(panels)}'
        f'<p class="quiet">The bar is how far {escape(study["metric"])} varies because of this knob alone, over the '
        "values tried and at equal values of the other knobs that matter; what noise adds is taken off. "
        "The whisker is the 90 % interval. A knob whose interval reaches 0 is not known to matter.</p></div>"
    )


def stage_section(study: Study, stage: str) -> str:
    """Return the pictures of one stage: its trials' paths, their curves, and a panel for each knob."""
    trials, knobs = trials_of(study, stage), study["knobs"].get(stage, {})
    if not trials:
        return f"<h2>{TITLES[stage]}</h2><p>No trial of this stage yet.</p>"
    paths, label = f"parallel-{stage}", f"The values and the score of each trial of {stage}"
    curves = f"The training loss of each trial of {stage}"
    panels = [
        panel(
            "From values to score",
            "A line is a trial. Thick: the winner. Grey: short trials. Dotted: no value.",
            as_svg(paths, label, TALL, draw_parallel, study, stage),
            kind="panel tall",
        ),
        panel(
            "Learning curves",
            "Losses compare within one label_smoothing_factor only: smoothing raises them."
            if "label_smoothing_factor" in knobs
            else "",
            as_svg(f"curves-{stage}", curves, SMALL, draw_curves, study, stage),
        ),
    ]
    for knob in knobs:
        label = f"{worth_label(study, stage)} against {knob}, a mark for each trial"
        panels.append(panel(knob, "", as_svg(f"knob-{stage}-{knob}", label, SMALL, draw_knob, study, stage, knob)))
    return f'<h2>{TITLES[stage]}</h2><div class="panels">{"".join(panels)}</div>'


def table(study: Study, stage: str) -> str:
    """Return the trials of one stage as a table."""
    knobs, best = list(study["knobs"].get(stage, {})), best_trial(study, stage)
    fine = stage == "finetune"
    heads = ["trial", *knobs, *(["structure"] if fine else []), "steps", study["metric"], *(["change"] if fine else [])]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in [*heads, "minutes", "steps/s"])
    head += "".join(f'<th scope="col" class="words">{name}</th>' for name in ("state", "origin"))
    rows = [row_of(trial, knobs, fine, trial is best) for trial in trials_of(study, stage)]
    return (
        f'<h3>{TITLES[stage]}</h3><div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def row_of(trial: Trial, knobs: list[str], fine: bool, is_best: bool) -> str:
    began, ended = trial["began_minute"], trial["ended_minute"]
    numbers = [readable(trial["values"][knob]) for knob in knobs]
    if fine:
        numbers.append("/".join(map(readable, trial["structure"].values())))
    numbers.append(f"{trial['steps']}" + ("" if is_full(trial) else f" ({trial['fidelity']:.0%})"))
    numbers.append("" if trial["validation"] is None else f"{trial['validation']:.2f}")
    if fine:
        numbers.append("" if trial["change"] is None else f"{trial['change']:+.2f}")
    numbers.append(f"{began:.1f} to " + ("" if ended is None else f"{ended:.1f}"))
    numbers.append("" if trial["steps_per_second"] is None else f"{trial['steps_per_second']:.1f}")
    words = [trial["state"] + (f": {trial['reason']}" if trial["reason"] else ""), trial["origin"]]
    cells = "".join(f"<td>{escape(text)}</td>" for text in numbers)
    cells += "".join(f'<td class="words">{escape(text)}</td>' for text in words)
    return f'<tr{" class=best" if is_best else ""}><th scope="row">{trial["number"]}</th>{cells}</tr>'


def plan(study: Study) -> str:
    """Return the plans as they were made, and what more time would bring."""
    made = "".join(f"<li>{entry['minute']:.1f} min: {escape(entry['text'])}</li>" for entry in study["plan"])
    following = "".join(f"<li>{escape(text)}</li>" for text in study["next"])
    return (f"<ul>{made}</ul>" if made else "<p>No plan was made yet.</p>") + (
        f"<h3>With more time</h3><ul>{following}</ul>" if following else ""
    )


def write_report(study: Study, folder: Path) -> Path:
    """Write report.html and report.png into a folder; return the page's path."""
    effects = {stage: main_effects(study, stage) for stage in TITLES}
    expected = expectation(study)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a name may have letters that the picture's font lacks
        page, picture = as_html(study, effects, expected), study_png(study, effects, expected)
    write_bytes(folder / "report.png", picture)
    write_text(folder / "report.html", page)
    return folder / "report.html"
