"""The pictures of a study: a panel each, and all of them in one."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure

from league.report.drawing import as_png, marked, say_empty
from league.report.look import LIGHT
from league.report.texts import say

from .effects import Effect, Expectation, complete_trials
from .jobs import worth_of
from .reading import (
    LOST,
    TITLES,
    Study,
    Trial,
    best_so_far,
    best_trial,
    best_value,
    is_full,
    metrics_of,
    trials_of,
    worth_label,
)
from .scale import Scale, scale_of

MARKERS = {"pretrain": "o", "finetune": "^"}
MOST_POINTS, FEWEST_POINTS, POINTS_IN_ALL = 80, 12, 6000  # of one learning curve, and of a picture


# Panels


def draw_dots(axes: Axes, trials: list[Trial], points: list[tuple], label: str | None = None) -> None:
    """Draw trials of one kind: the shape tells the stage, a hollow one is short."""
    stage, (x, y) = trials[0]["stage"], zip(*points, strict=True)
    look = {"marker": MARKERS[stage], "facecolor": LIGHT[stage] if is_full(trials[0]) else "none"}
    dots = axes.scatter(x, y, s=26, edgecolor=LIGHT[stage], label=label, zorder=3, **look)
    marked(dots, *map(mark_of, trials))


def mark_of(trial: Trial) -> str:
    return f"trial-{trial['number']}"


def draw_progress(axes: Axes, study: Study) -> None:
    """Draw what the minutes brought: each trial where it ended, and the best value so far."""
    for stage, line in (("pretrain", "-"), ("finetune", "--")):
        name = say(f"stage.{stage}")
        for full in (False, True):
            done = [trial for trial in complete_trials(study, stage) if is_full(trial) == full]
            if done:
                points = [(trial["ended_minute"], trial["validation"]) for trial in done]
                draw_dots(axes, done, points, say("tune.full" if full else "tune.short", stage=name))
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
                label=say("tune.best_so_far", stage=name),
            )
    draw_lost(axes, study)
    draw_end(axes, study)
    axes.set_xlabel(say("tune.axis.minutes"))
    axes.set_ylabel(say("tune.axis.validation", metric=metrics_of(study), domain=study["domain"]))
    if not any(complete_trials(study, stage) for stage in TITLES):
        axes.text(0.5, 0.5, say("tune.no_trial"), ha="center", transform=axes.transAxes, color=LIGHT["muted"])
        axes.set_yticks([])
    wide = axes.get_window_extent().width > 500 * axes.figure.dpi / 100
    look = {"handlelength": 2.2, "handletextpad": 0.5, "columnspacing": 1.2}
    look |= {"bbox_to_anchor": (0 if wide else -0.16, 1.0), "ncols": 4 if wide else 2}
    axes.legend(loc="lower left", borderaxespad=0.2, **look)


def draw_lost(axes: Axes, study: Study) -> None:
    """Draw the trials without a value along the foot."""
    lost = [trial["ended_minute"] for trial in study["trials"] if trial["state"] in LOST]
    running = [trial["began_minute"] for trial in study["trials"] if trial["state"] == "running"]
    for minutes, marker, color, key in ((lost, "x", "muted", "tune.no_value"), (running, ">", "ink", "tune.running")):
        if minutes:
            look = {"color": LIGHT[color], "transform": axes.get_xaxis_transform(), "markersize": 5, "label": say(key)}
            axes.plot(minutes, [0.02] * len(minutes), marker, **look)


def draw_end(axes: Axes, study: Study) -> None:
    """Draw the end of the budget, and the value of the final run."""
    budget = study["budget_minutes"]
    axes.axvline(budget, color=LIGHT["ink"], linestyle=":", linewidth=1.2, label=say("tune.end"))
    if study["final"]:
        value = study["final"]["validation"]
        # Behind the marks, and larger: it often has the very place of the last one.
        look = {"markerfacecolor": "none", "markeredgecolor": LIGHT["best"], "markeredgewidth": 1.6, "zorder": 2}
        axes.plot([study["used_minutes"]], [value], "*", markersize=17, label=say("tune.final"), **look)
    axes.set_xlim(0, max(budget, study["used_minutes"]) * 1.03 or 1.0)


def draw_curves(axes: Axes, study: Study, stage: str) -> None:
    """Draw every trial's loss against the share of its steps."""
    trials = [trial for trial in trials_of(study, stage) if len(trial["curve"]) > 1 and trial["steps"]]
    if not trials:
        return say_empty(axes, say("tune.no_curve"))
    best = best_trial(study, stage)
    groups = {"short": [], "full length": [], "no value": [], "best": []}
    for trial in trials:
        lost = trial["state"] in LOST
        kind = "best" if trial is best else "no value" if lost else "full length" if is_full(trial) else "short"
        curve = np.array(trial["curve"], float)
        most = min(MOST_POINTS, max(FEWEST_POINTS, POINTS_IN_ALL // len(trials)))
        curve = curve[np.unique(np.linspace(0, len(curve) - 1, most).astype(int))]
        groups[kind].append((mark_of(trial), np.column_stack([curve[:, 0] / trial["steps"], curve[:, 1]])))
    kept = [curve[:, 1] for kind in groups if kind != "no value" for _, curve in groups[kind]]
    good = np.concatenate(kept or [[1.0]])
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
            cut = [np.clip(curve, [0, low - 9], [1, high + 9 + margin]) for _, curve in curves]
            label = say(f"tune.curve.{kind.replace(' ', '_')}")
            lines = LineCollection(cut, colors=color, linestyles=line, linewidths=width, label=label)
            marked(lines, *(key for key, _ in curves))
            axes.add_collection(lines)
    axes.set_xlim(0, 1)
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel(say("tune.axis.share"))
    axes.set_ylabel(say("axis.loss"))
    axes.legend(loc="upper right")


def draw_axis(axes: Axes, row: int, name: str, scale: Scale) -> None:
    """Draw one row of values; the words stand above the lines that cross them."""
    ground = {"facecolor": LIGHT["card"], "edgecolor": "none", "alpha": 0.85, "pad": 0.6}
    axes.plot([0, 1], [row, row], color=LIGHT["faint"], linewidth=1)
    axes.text(0, row - 0.13, name, va="bottom", fontsize=9, fontweight="bold", bbox=ground, zorder=5)
    for position, label in zip(*scale.ticks(), strict=True):
        axes.plot([position] * 2, [row, row + 0.06], color=LIGHT["ink"], linewidth=1)
        axes.text(position, row + 0.11, label, ha="center", va="top", fontsize=8.5, bbox=ground, zorder=5)


def draw_parallel(axes: Axes, study: Study, stage: str) -> None:
    """Draw each trial as a line through its values, one row a knob, down to what it scored."""
    trials, best = trials_of(study, stage), best_trial(study, stage)
    knobs = study["knobs"].get(stage, {})
    if not trials or not knobs:
        return say_empty(axes, say("tune.no_trial"))
    scored = [worth_of(trial) for trial in complete_trials(study, stage)]
    low, high = (min(scored), max(scored)) if scored else (0.0, 1.0)
    last = Scale({"low": low - 0.5 * (low == high), "high": high + 0.5 * (low == high)}, [])
    scales = {**{knob: scale_of(study, stage, knob) for knob in knobs}, worth_label(study, stage): last}
    axes.set_axis_off()
    for row, (name, scale) in enumerate(scales.items()):
        draw_axis(axes, row, name, scale)
    lines: dict[str, list] = {"lost": [], "short": [], "full": [], "best": []}
    for trial in trials:
        path = [(scales[knob].position(trial["values"][knob]), row) for row, knob in enumerate(knobs)]
        finished = trial["state"] == "complete"
        if finished:
            path.append((last.position(worth_of(trial)), len(knobs)))
        kind = "lost" if not finished else "full" if is_full(trial) else "short"
        lines["best" if trial is best else kind].append((mark_of(trial), path))
    looks = {
        "lost": (LIGHT["muted"], ":", 0.7, 0.7),
        "short": (LIGHT["faint"], "-", 0.6, 0.7),
        "full": (LIGHT[stage], "-", 0.9, 0.8),
        "best": (LIGHT["best"], "-", 2.6, 1.0),
    }
    for kind, (color, line, width, alpha) in looks.items():
        if lines[kind]:
            keys, paths = zip(*lines[kind], strict=True)
            look = {"colors": color, "linestyles": line, "linewidths": width, "alpha": alpha, "zorder": 2}
            drawn = LineCollection(paths, **look)
            marked(drawn, *keys)
            axes.add_collection(drawn)
    axes.set_xlim(-0.06, 1.06)
    axes.set_ylim(len(knobs) + 0.45, -0.45)


def draw_knob(axes: Axes, study: Study, stage: str, knob: str) -> None:
    """Draw what each value of a knob scored."""
    scale = scale_of(study, stage, knob)
    for full in (False, True):
        done = [trial for trial in complete_trials(study, stage) if is_full(trial) == full]
        if done:
            draw_dots(axes, done, [(scale.position(trial["values"][knob]), worth_of(trial)) for trial in done])
    best = best_trial(study, stage)
    if best:
        axes.plot(
            [scale.position(best["values"][knob])],
            [worth_of(best)],
            "o",
            markersize=11,
            markerfacecolor="none",
            markeredgecolor=LIGHT["best"],
            markeredgewidth=2,
        )
    axes.set_xticks(*scale.ticks())
    axes.set_xlim(-0.06, 1.06)
    axes.set_ylabel(worth_label(study, stage))


def draw_effects(axes: Axes, study: Study, stage: str, effects: list[Effect]) -> None:
    """Draw how far each knob moves the metric, or say that it is not known."""
    if not effects:
        return say_empty(axes, say("tune.no_knob"))
    known = [effect for effect in effects if effect.is_known]
    reach = max([effect.high for effect in known], default=1.0) * 1.05
    for row, effect in enumerate(effects):
        if not effect.is_known:
            axes.text(0.02 * reach, row, say("tune.not_known"), va="center", style="italic", color=LIGHT["muted"])
            continue
        axes.barh(row, effect.size, height=0.5, color=LIGHT["faint"], edgecolor=LIGHT["ink"], linewidth=0.8)
        axes.plot([effect.low, effect.high], [row, row], "|-", color=LIGHT["ink"], linewidth=1.6, markersize=9)
    axes.set_yticks(range(len(effects)), [effect.knob for effect in effects])
    axes.set_ylim(len(effects) - 0.4, -0.6)
    axes.set_xlim(0, reach)
    axes.grid(axis="y", visible=False)
    # It may be wider than the axes: there is room at their left, where the names are.
    axes.set_xlabel(say("tune.axis.effect", metric=study["metrics"][stage]), loc="right")
    if not known:
        axes.set_xticks([])


def draw_expectation(axes: Axes, study: Study, expected: Expectation | None) -> None:
    """Draw what the search showed, what is to be expected of it, and what came."""
    final, rows = study["final"], []
    if expected:
        rows.append((say("tune.as_tried"), expected.value, None, "o"))
        rows.append((say("tune.expected"), expected.expected, (expected.low, expected.high), "D"))
    elif study["best"] and study["best"]["validation"] is not None:
        rows.append((say("tune.as_tried"), study["best"]["validation"], None, "o"))
    if final:
        rows.append((say("tune.final_validation"), final["validation"], None, "*"))
        rows.append((say("tune.final_test"), final["test"], final["interval"], "s"))
    if not rows:
        return say_empty(axes, say("tune.nothing"))
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
            fontsize=9,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.7)
    axes.margins(x=0.15)
    axes.set_xlabel(study["metric"])


# The picture


def study_png(study: Study, effects: dict[str, list[Effect]], expected: Expectation | None) -> bytes:
    """Return one picture of the whole study."""
    return as_png((16, 19), lambda figure: draw_all(figure, study, effects, expected))


def draw_all(figure: Figure, study: Study, effects: dict[str, list[Effect]], expected: Expectation | None) -> None:
    rows = figure.subfigures(5, height_ratios=(4, 3.2, 6, 3.2, 3.2))
    best = best_value(study)
    result = f": {best[0]:.2f} validation {study['metric']} {best[1]}" if best else ""
    figure.suptitle(f"Search for entry {study['entry'][:60]}{result}", fontsize=14, fontweight="bold")
    first, second = rows[0].subplots(1, 2, width_ratios=(7, 3))
    draw_progress(first, study)
    draw_expectation(second, study, expected)
    second.set_title("Expected, and what came")
    middle, paths = rows[1].subplots(1, 4, width_ratios=(2, 3, 2, 3)), rows[2].subplots(1, 2)
    for place, stage in enumerate(TITLES):
        draw_curves(middle[2 * place], study, stage)
        middle[2 * place].set_title(f"{TITLES[stage]}: learning curves")
        draw_effects(middle[2 * place + 1], study, stage, effects[stage])
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
