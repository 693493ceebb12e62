"""A study as a page, a picture and a few lines for the terminal."""

import re
import textwrap
import warnings
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from league.files import write_bytes, write_text
from league.report.drawing import as_png, as_svg, say_empty
from league.report.look import LIGHT, html_page, panel, tiles

from .effects import Effect, Expectation, complete_trials, expectation, main_effects, value_of

Study = dict[str, Any]
Trial = dict[str, Any]

TITLES = {"pretrain": "Structure (stage A)", "finetune": "Fine-tune (stage B)"}
VALUES = {"pretrain": "BLEU", "finetune": "change in BLEU"}
LOST = ("cut", "diverged", "failed")
MARKERS = {"pretrain": "o", "finetune": "^"}
SMALL, TALL, WIDE = (3.9, 2.8), (3.9, 5.6), (11.6, 3.6)  # inches of a panel; the wide one is for wide screens
MOST_POINTS = 80  # of one learning curve
MOST_LETTERS, WIDTH = 24, 12  # of a value on an axis, and of one line of it


# Reading a study


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
        return trial["structure"] == study["best"]["structure"], trial["fidelity"], value_of(trial)

    return max(same, key=nearness, default=None)


def best_so_far(study: Study, stage: str) -> tuple[list[float], list[float]]:
    """Return when the best BLEU of the full-length trials rose, and to what."""
    minutes, values = [], []
    done = [trial for trial in complete_trials(study, stage) if is_full(trial) and trial["bleu"] is not None]
    for trial in sorted(done, key=lambda trial: trial["ended_minute"]):
        if not values or trial["bleu"] > values[-1]:
            minutes.append(trial["ended_minute"])
            values.append(trial["bleu"])
    return minutes, values


def shown(value: Any) -> str:
    """Return a knob's value as one reads it."""
    return re.sub(r"e([-+])0*", r"e\1", f"{value:.4g}") if isinstance(value, float) else str(value)


def in_lines(value: Any) -> str:
    """Return a value for an axis, broken where a long name may be."""
    lines = textwrap.wrap(shown(value)[:MOST_LETTERS].replace("_", "_ "), WIDTH)
    return "\n".join(lines).replace("_ ", "_")


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Scale:
    """Where the values of one knob lie on its axis, from 0 to 1: choices evenly, an interval as it is searched."""

    def __init__(self, spec: dict[str, Any], seen: list[Any]):
        self.log = spec.get("log", False)
        self.levels = None
        if "choices" in spec:
            self.levels = list(dict.fromkeys([*spec["choices"], *seen]))
            if not any(isinstance(level, str) for level in self.levels):
                self.levels.sort()
            return
        inside = [value for value in seen if value > 0 or not self.log]
        self.low, self.high = min([spec["low"], *inside]), max([spec["high"], *inside])

    def position(self, value: Any) -> float:
        if self.levels is not None:
            return self.levels.index(value) / max(1, len(self.levels) - 1)
        low, high, value = self.low, self.high, max(value, self.low)
        if self.log:
            low, high, value = np.log10([low, high, value])
        return float((value - low) / (high - low or 1.0))

    def ticks(self) -> tuple[list[float], list[str]]:
        if self.levels is not None:
            values = self.levels
        elif self.log:
            powers = range(int(np.ceil(np.log10(self.low) - 1e-9)), int(np.floor(np.log10(self.high) + 1e-9)) + 1)
            values = [10.0**power for power in powers] or [self.low, self.high]
        else:
            locator = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])
            values = [tick for tick in locator.tick_values(self.low, self.high) if self.low <= tick <= self.high]
        return [self.position(value) for value in values], [in_lines(value) for value in values]


def scale_of(study: Study, stage: str, knob: str) -> Scale:
    return Scale(study["knobs"][stage][knob], [trial["values"][knob] for trial in trials_of(study, stage)])


# Panels


def draw_dots(axes: Axes, stage: str, full: bool, x: list[float], y: list[float], label: str | None = None) -> None:
    """Draw trials: the shape tells the stage, a hollow one is short."""
    color = LIGHT[stage]
    axes.scatter(
        x, y, s=22, marker=MARKERS[stage], facecolor=color if full else "none", edgecolor=color, label=label, zorder=3
    )


def draw_progress(axes: Axes, study: Study) -> None:
    """Draw what the minutes brought: each trial where it ended, and the best value so far."""
    for stage, line in (("pretrain", "-"), ("finetune", "--")):
        name = "structure" if stage == "pretrain" else "fine-tune"
        for full in (False, True):
            done = [trial for trial in complete_trials(study, stage) if is_full(trial) == full]
            done = [trial for trial in done if trial["bleu"] is not None]
            if done:
                minutes, values = [trial["ended_minute"] for trial in done], [trial["bleu"] for trial in done]
                draw_dots(axes, stage, full, minutes, values, f"{name}, {'full length' if full else 'short'}")
        minutes, values = best_so_far(study, stage)
        if values:
            end = max(study["used_minutes"], minutes[-1])
            axes.step(
                [*minutes, end],
                [*values, values[-1]],
                line,
                where="post",
                color=LIGHT[stage],
                linewidth=1.6,
                label=f"{name}, best so far",
            )
    draw_lost(axes, study)
    draw_end(axes, study)
    axes.set_xlabel("minutes of the search")
    axes.set_ylabel(f"validation BLEU, {study['domain']}")
    if not any(complete_trials(study, stage) for stage in TITLES):
        axes.text(0.5, 0.5, "no finished trial yet", ha="center", transform=axes.transAxes, color=LIGHT["muted"])
    wide = axes.get_window_extent().width > 500 * axes.figure.dpi / 100
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4 if wide else 2, borderaxespad=0.2)


def draw_lost(axes: Axes, study: Study) -> None:
    """Draw the trials without a value along the foot."""
    foot = axes.get_xaxis_transform()
    lost = [trial["ended_minute"] for trial in study["trials"] if trial["state"] in LOST]
    lost = [minute for minute in lost if minute is not None]
    if lost:
        axes.plot(lost, [0.02] * len(lost), "x", color=LIGHT["muted"], markersize=5, transform=foot, label="no value")
    running = [trial["began_minute"] for trial in study["trials"] if trial["state"] == "running"]
    if running:
        axes.plot(
            running, [0.02] * len(running), ">", color=LIGHT["ink"], transform=foot, markersize=5, label="running"
        )


def draw_end(axes: Axes, study: Study) -> None:
    """Draw the end of the budget, and the value of the final run."""
    budget = study["budget_minutes"]
    axes.axvline(budget, color=LIGHT["ink"], linestyle=":", linewidth=1.2, label="end of the budget")
    if study["final"]:
        value = study["final"]["validation_bleu"]
        axes.plot(
            [study["used_minutes"]], [value], "*", color=LIGHT["best"], markersize=12, label="final run", zorder=4
        )
    axes.set_xlim(0, max(budget, study["used_minutes"]) * 1.03 or 1.0)


def draw_curves(axes: Axes, study: Study, stage: str) -> None:
    """Draw every trial's loss against the share of its steps."""
    trials = [trial for trial in trials_of(study, stage) if len(trial["curve"]) > 1 and trial["steps"]]
    if not trials:
        return say_empty(axes, "no learning curve yet")
    best = best_trial(study, stage)
    groups = {"short": [], "full length": [], "no value": [], "best": []}
    for trial in trials:
        lost = trial["state"] in LOST
        kind = "best" if trial is best else "no value" if lost else "full length" if is_full(trial) else "short"
        curve = np.array(trial["curve"], float)
        curve = curve[np.unique(np.linspace(0, len(curve) - 1, MOST_POINTS).astype(int))]
        groups[kind].append(np.column_stack([curve[:, 0] / trial["steps"], curve[:, 1]]))
    good = np.concatenate([curve[:, 1] for kind in groups if kind != "no value" for curve in groups[kind]] or [[1.0]])
    low, high = np.quantile(good, [0.0, 0.98])
    margin = 0.05 * (high - low) or 0.5
    looks = {
        "short": (LIGHT["faint"], "-", 0.7),
        "full length": (LIGHT[stage], "-", 1.0),
        "no value": (LIGHT["muted"], ":", 1.0),
        "best": (LIGHT["best"], "-", 2.4),
    }
    for kind, curves in groups.items():
        if curves:
            color, line, width = looks[kind]
            # What leaves the frame is cut there: a loss of 1e30 is no coordinate.
            cut = [np.clip(curve, [0, low - 9], [1, high + 9 + margin]) for curve in curves]
            axes.add_collection(LineCollection(cut, colors=color, linestyles=line, linewidths=width, label=kind))
    axes.set_xlim(0, 1)
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel("share of the trial's steps")
    axes.set_ylabel("training loss")
    axes.legend(loc="upper right")


def draw_axis(axes: Axes, row: int, name: str, scale: Scale) -> None:
    """Draw one row of values; the words stand above the lines that cross them."""
    ground = {"facecolor": LIGHT["card"], "edgecolor": "none", "alpha": 0.85, "pad": 0.6}
    axes.plot([0, 1], [row, row], color=LIGHT["faint"], linewidth=1)
    axes.text(0, row - 0.13, name, va="bottom", fontsize=8, fontweight="bold", bbox=ground, zorder=5)
    for position, label in zip(*scale.ticks(), strict=True):
        axes.plot([position] * 2, [row, row + 0.06], color=LIGHT["ink"], linewidth=1)
        axes.text(position, row + 0.11, label, ha="center", va="top", fontsize=7, bbox=ground, zorder=5)


def draw_parallel(axes: Axes, study: Study, stage: str) -> None:
    """Draw each trial as a line through its values, one row a knob, down to what it scored."""
    trials, best = trials_of(study, stage), best_trial(study, stage)
    knobs = study["knobs"].get(stage, {})
    if not trials or not knobs:
        return say_empty(axes, "no trial yet")
    scored = [value_of(trial) for trial in complete_trials(study, stage)]
    low, high = (min(scored), max(scored)) if scored else (0.0, 1.0)
    last = Scale({"low": low - 0.5 * (low == high), "high": high + 0.5 * (low == high)}, [])
    scales = {**{knob: scale_of(study, stage, knob) for knob in knobs}, VALUES[stage]: last}
    axes.set_axis_off()
    for row, (name, scale) in enumerate(scales.items()):
        draw_axis(axes, row, name, scale)
    lines: dict[str, list] = {"lost": [], "short": [], "full": [], "best": []}
    for trial in trials:
        path = [(scales[knob].position(trial["values"][knob]), row) for row, knob in enumerate(knobs)]
        finished = trial["state"] == "complete" and value_of(trial) is not None
        if finished:
            path.append((last.position(value_of(trial)), len(knobs)))
        kind = "lost" if not finished else "full" if is_full(trial) else "short"
        lines["best" if trial is best else kind].append(path)
    looks = {
        "lost": (LIGHT["muted"], ":", 0.7, 0.7),
        "short": (LIGHT["faint"], "-", 0.6, 0.7),
        "full": (LIGHT[stage], "-", 0.9, 0.8),
        "best": (LIGHT["best"], "-", 2.6, 1.0),
    }
    for kind, (color, line, width, alpha) in looks.items():
        axes.add_collection(
            LineCollection(lines[kind], colors=color, linestyles=line, linewidths=width, alpha=alpha, zorder=2)
        )
    axes.set_xlim(-0.06, 1.06)
    axes.set_ylim(len(knobs) + 0.45, -0.45)


def draw_knob(axes: Axes, study: Study, stage: str, knob: str) -> None:
    """Draw what each value of a knob scored."""
    scale = scale_of(study, stage, knob)
    for full in (False, True):
        done = [trial for trial in complete_trials(study, stage) if is_full(trial) == full]
        positions = [scale.position(trial["values"][knob]) for trial in done]
        draw_dots(axes, stage, full, positions, [value_of(trial) for trial in done])
    best = best_trial(study, stage)
    if best:
        axes.plot(
            [scale.position(best["values"][knob])],
            [value_of(best)],
            "o",
            markersize=11,
            markerfacecolor="none",
            markeredgecolor=LIGHT["best"],
            markeredgewidth=2,
        )
    axes.set_xticks(*scale.ticks())
    axes.set_xlim(-0.06, 1.06)
    axes.set_ylabel(VALUES[stage])


def draw_effects(axes: Axes, effects: list[Effect]) -> None:
    """Draw how far each knob moves BLEU, or say that it is not known."""
    if not effects:
        return say_empty(axes, "no knob to judge")
    known = [effect for effect in effects if effect.is_known]
    reach = max([effect.high for effect in known], default=1.0) * 1.05
    for row, effect in enumerate(effects):
        if not effect.is_known:
            axes.text(0.02 * reach, row, "not known yet", va="center", style="italic", color=LIGHT["muted"])
            continue
        axes.barh(row, effect.size, height=0.5, color=LIGHT["faint"], edgecolor=LIGHT["ink"], linewidth=0.8)
        axes.plot([effect.low, effect.high], [row, row], "|-", color=LIGHT["ink"], linewidth=1.6, markersize=9)
    axes.set_yticks(range(len(effects)), [effect.knob for effect in effects])
    axes.set_ylim(len(effects) - 0.4, -0.6)
    axes.set_xlim(0, reach)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("deviation in BLEU that is this knob's doing")
    if not known:
        axes.set_xticks([])


def draw_expectation(axes: Axes, study: Study, expected: Expectation | None) -> None:
    """Draw what the search showed, what is to be expected of it, and what came."""
    final, rows = study["final"], []
    if expected:
        rows.append(("as tried", expected.value, None, "o"))
        rows.append(("expected", expected.expected, (expected.low, expected.high), "D"))
    elif study["best"] and study["best"]["validation_bleu"] is not None:
        rows.append(("as tried", study["best"]["validation_bleu"], None, "o"))
    if final:
        rows.append(("final, validation", final["validation_bleu"], None, "*"))
        rows.append(("final, test", final["test_bleu"], final["interval"], "s"))
    if not rows:
        return say_empty(axes, "nothing to compare yet")
    for row, (_, value, interval, marker) in enumerate(rows):
        if interval:
            axes.plot(interval, [row, row], "|-", color=LIGHT["ink"], linewidth=1.4, markersize=9)
        axes.plot([value], [row], marker, color=LIGHT["best"], markeredgecolor=LIGHT["ink"], markersize=9)
        axes.annotate(
            f"{value:.2f}",
            (value, row),
            (0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.7)
    axes.margins(x=0.15)
    axes.set_xlabel("BLEU")


# The page


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
        effects_panels(effects),
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
        f"on {study['device']}{processes}. All values are validation BLEU on {study['domain']}; "
        "no trial opens the test set."
    )


def first_numbers(study: Study, expected: Expectation | None) -> str:
    """Return the few numbers that one looks for first."""
    states = {"searching": "still searching", "final": "training the final entry", "done": "done"}
    shown_tiles = [
        (f"{study['used_minutes']:.1f}", f"of {study['budget_minutes']:g} minutes; {states[study['state']]}"),
        (str(len(study["trials"])), "trials: " + (states_of(study["trials"]) or "none yet")),
    ]
    if found := best_value(study):
        shown_tiles.append((f"{found[0]:.2f}", f"best, {found[1]}"))
    if expected:
        shown_tiles.append((f"{expected.expected:.1f}", "to be expected of these values over seeds"))
    if final := study["final"]:
        verdict = "official" if final["official"] else "open, not ranked"
        shown_tiles.append((f"{final['test_bleu']:.2f}", f"BLEU on the test set; {verdict}"))
    return tiles(shown_tiles)


def states_of(trials: list[Trial]) -> str:
    counts = Counter(trial["state"] for trial in trials)
    return ", ".join(f"{number} {state}" for state, number in counts.most_common())


def best_value(study: Study) -> tuple[float, str] | None:
    """Return the best BLEU, and of what."""
    best = study["best"]
    if best and best["validation_bleu"] is not None:
        return best["validation_bleu"], "after the fine-tune"
    if best and best["pretrain_bleu"] is not None:
        return best["pretrain_bleu"], "after the pretrain"
    return None


def progress_panel(study: Study) -> str:
    words = "Best validation BLEU over the minutes of the search"
    if found := best_value(study):
        words += f": {found[0]:.2f} {found[1]}"
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
        f"<tr><th scope='col' class='words'>{escape(knob)}</th><td>{escape(shown(value))}</td>"
        f"<td>{escape(shown(study['knobs'].get(stage, {}).get(knob, {}).get('default', '')))}</td></tr>"
        for stage, part in (("pretrain", "structure"), ("finetune", "finetune"))
        for knob, value in (study["best"][part] or {}).items()
    ]
    words = about_expectation(study, expected)
    picture = as_svg("expectation", words, (SMALL[0], 2.3), draw_expectation, study, expected)
    commands = escape("\n".join(study["commands"]))
    return (
        '<div class="panels"><div class="panel"><h3>Its ten values</h3><table><thead><tr><th class="words">knob</th>'
        f"<th>picked</th><th>start value</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f"{panel('What to expect of it', words, picture)}</div>"
        + (f'<p>These commands train and score it:</p><pre tabindex="0">{commands}</pre>' if commands else "")
    )


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
        f"Over seeds, expect a validation BLEU of {expected.expected:.1f} (90 % interval {expected.low:.1f} to "
        f"{expected.high:.1f})"
    )
    if expected.luck >= 0.05 and expected.num_values > 1:
        words += f" instead of {expected.value:.1f}: the best of {counted(expected.num_values, 'value')} was also lucky"
    return words + ". The test has other sentences, which may be harder or easier as a whole."


def effects_panels(effects: dict[str, list[Effect]]) -> str:
    panels = []
    for stage, found in effects.items():
        told = about_effects(found)
        picture = as_svg(f"effects-{stage}", f"{TITLES[stage]}: {told}", SMALL, draw_effects, found)
        panels.append(panel(TITLES[stage], told, picture))
    return (
        f'<div class="panels">{"".join(panels)}'
        '<p class="quiet">The bar is how far BLEU varies because of this knob alone, over the values tried and at '
        "equal values of the other knobs that matter; what noise adds is taken off. The whisker is the 90 % interval. "
        "A knob whose interval reaches 0 is not known to matter.</p></div>"
    )


def about_effects(effects: list[Effect]) -> str:
    """Say which knobs of a stage mattered."""
    known = [effect for effect in effects if effect.is_known]
    trials = counted(effects[0].num_trials if effects else 0, "finished trial")
    if not known:
        return f"not known yet after {trials}"
    told = [f"{effect.knob} ({effect.size:.1f} BLEU, {effect.low:.1f} to {effect.high:.1f})" for effect in known]
    rest = "; the others are not known yet" if len(known) < len(effects) else ""
    return ", ".join(told) + rest


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
            if stage == "finetune"
            else "",
            as_svg(f"curves-{stage}", curves, SMALL, draw_curves, study, stage),
        ),
    ]
    for knob in knobs:
        label = f"{VALUES[stage]} against {knob}, a mark for each trial"
        panels.append(panel(knob, "", as_svg(f"knob-{stage}-{knob}", label, SMALL, draw_knob, study, stage, knob)))
    return f'<h2>{TITLES[stage]}</h2><div class="panels">{"".join(panels)}</div>'


def table(study: Study, stage: str) -> str:
    """Return the trials of one stage as a table."""
    knobs, best = list(study["knobs"].get(stage, {})), best_trial(study, stage)
    fine = stage == "finetune"
    heads = ["trial", *knobs, *(["structure"] if fine else []), "steps", "BLEU", *(["change"] if fine else [])]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in [*heads, "minutes", "steps/s"])
    head += "".join(f'<th scope="col" class="words">{name}</th>' for name in ("state", "origin"))
    rows = [row_of(trial, knobs, fine, trial is best) for trial in trials_of(study, stage)]
    return (
        f'<h3>{TITLES[stage]}</h3><div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def row_of(trial: Trial, knobs: list[str], fine: bool, is_best: bool) -> str:
    began, ended = trial["began_minute"], trial["ended_minute"]
    numbers = [shown(trial["values"][knob]) for knob in knobs]
    if fine:
        numbers.append("/".join(map(shown, trial["structure"].values())))
    numbers.append(f"{trial['steps']}" + ("" if is_full(trial) else f" ({trial['fidelity']:.0%})"))
    numbers.append("" if trial["bleu"] is None else f"{trial['bleu']:.2f}")
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


# The picture


def study_png(study: Study, effects: dict[str, list[Effect]], expected: Expectation | None) -> bytes:
    """Return one picture of the whole study."""
    return as_png((16, 19), lambda figure: draw_all(figure, study, effects, expected))


def draw_all(figure: Figure, study: Study, effects: dict[str, list[Effect]], expected: Expectation | None) -> None:
    rows = figure.subfigures(5, height_ratios=(4, 3.2, 6, 3.2, 3.2))
    found = best_value(study)
    told = f": {found[0]:.2f} validation BLEU {found[1]}" if found else ""
    figure.suptitle(f"Search for entry {study['entry'][:60]}{told}", fontsize=14, fontweight="bold")
    first, second = rows[0].subplots(1, 2, width_ratios=(7, 3))
    draw_progress(first, study)
    draw_expectation(second, study, expected)
    second.set_title("Expected, and what came")
    middle, paths = rows[1].subplots(1, 4, width_ratios=(2, 3, 2, 3)), rows[2].subplots(1, 2)
    for place, stage in enumerate(TITLES):
        draw_curves(middle[2 * place], study, stage)
        middle[2 * place].set_title(f"{TITLES[stage]}: learning curves")
        draw_effects(middle[2 * place + 1], effects[stage])
        middle[2 * place + 1].set_title("which knob mattered")
        draw_parallel(paths[place], study, stage)
        paths[place].set_title(f"{TITLES[stage]}: from values to score")
        draw_knobs(rows[3 + place], study, stage)


def draw_knobs(figure: SubFigure, study: Study, stage: str) -> None:
    """Draw a row of panels, one for each knob of a stage."""
    knobs = list(study["knobs"].get(stage, {}))
    for axes, knob in zip(figure.subplots(1, len(knobs), squeeze=False)[0] if knobs else [], knobs, strict=True):
        draw_knob(axes, study, stage, knob)
        axes.set_title(knob)


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


# The terminal


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
            value = best["pretrain_bleu"] if stage == "pretrain" else best["validation_bleu"]
            values = ", ".join(f"{knob} {shown(picked)}" for knob, picked in best[part].items())
            lines.append(f"  best: {values}" + ("" if value is None else f" -> validation BLEU {value:.2f}"))
        lines.append(f"  what mattered: {about_effects(main_effects(study, stage))}")
    lines.append(about_expectation(study, expectation(study)))
    if final := study["final"]:
        low, high = final["interval"]
        lines.append(f"Test: BLEU {final['test_bleu']:.2f} (95 % interval {low:.2f} to {high:.2f})")
    plain = ["".join(letter for letter in line if letter.isprintable()) for line in lines]
    told = [textwrap.fill(line, 100, subsequent_indent="    ", break_on_hyphens=False) for line in plain]
    if report is not None:
        told.append(f"Report: {report}")  # never broken: one copies it
    return "\n".join(told)
