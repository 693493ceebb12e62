"""The pictures of an entry's report, each for the page and as a file in plots/; they read in black and white, too."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from league.report.drawing import say_empty
from league.report.facts import STAGES, Facts, thinned
from league.report.look import LIGHT

MOST_POINTS = 200  # of one learning curve
POINT = ("step", "loss", "learning_rate")
MOST_TIMES = 12  # a loss this far above the curve's middle leaves the frame
MOST_PURPOSES, MOST_LETTERS = 6, 14
LOOKS = {"pretrain": ("o-", "none"), "finetune": ("^--", "////")}
GROUND = {"facecolor": LIGHT["card"], "edgecolor": "none", "pad": 0.8}  # behind numbers that lines would cross
WORDS = {"pretrain": "pretrain", "finetune": "finetune", "score": "scoring", "trials": "search"}


def number(value: float) -> str:
    """Return a number with the digits that one wants of it, however large."""
    return f"{value:,.2f}" if abs(value) < 1e5 else f"{value:.2e}"


def signed(change: float) -> str:
    return f"{'+' if change >= 0 else '−'}{number(abs(change))}"


def draw_learning(axes: Axes, facts: Facts) -> None:
    """Draw the loss and, below it, the learning rate: a column for each stage."""
    figure = axes.figure
    axes.remove()
    columns = figure.subplots(2, 2, sharex="col", height_ratios=(3, 2)).T
    for stage, (loss, rate) in zip(STAGES, columns, strict=True):
        loss.set_title(stage)
        curve = facts.stages[stage].curve if stage in facts.stages else None
        if not curve:
            rate.set_axis_off()
            say_empty(loss, about_curve(facts, stage))
            continue
        points = thinned(sorted(curve, key=lambda point: point.step), MOST_POINTS)
        steps, losses, rates = (np.array([getattr(point, key) for point in points], float) for key in POINT)
        marked = max(1, len(points) // 8)
        look = {"color": LIGHT[stage], "markersize": 3.5, "markevery": marked, "linewidth": 1.4}
        top = MOST_TIMES * max(1e-3, np.median(np.abs(losses)))
        inside = np.where(np.abs(losses) <= top, losses, np.nan)
        loss.plot(steps, inside, LOOKS[stage][0], **look)
        if outside := int(np.isnan(inside).sum()):
            loss.text(0.03, 0.97, f"{outside} points above", va="top", transform=loss.transAxes, color=LIGHT["ink"])
        rate.plot(steps, rates, LOOKS[stage][0], **look)
        rate.set_xlabel("step")
        rate.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        for part in (loss, rate):
            part.xaxis.get_major_locator().set_params(nbins=4)
    columns[0][0].set_ylabel("training loss")
    columns[0][1].set_ylabel("learning rate")


def about_curve(facts: Facts, stage: str) -> str:
    """Say why a stage has no learning curve."""
    if facts.record.diverged and facts.record.diverged.stage == stage:
        return "diverged"
    return "no step was trained" if stage in facts.stages else "not trained yet"


def draw_forgetting(axes: Axes, facts: Facts) -> None:
    """Draw each domain's score before training and after each stage."""
    figure = axes.figure
    axes.remove()
    if not facts.stages or not facts.domains:
        return say_empty(figure.add_subplot(), "no stage is complete yet")
    names = ["start", *facts.stages]
    for part, domain in zip(figure.subplots(1, len(facts.domains), squeeze=False)[0], facts.domains, strict=True):
        values = facts.validation(domain)
        for place, (name, value) in enumerate(zip(names, values, strict=True)):
            color, hatch = LIGHT.get(name, LIGHT["ink"]), LOOKS.get(name, ("", "none"))[1].replace("none", "")
            part.bar(place, value, 0.62, facecolor=LIGHT["card"], edgecolor=color, hatch=hatch, linewidth=1.4)
            place, shift = (place, max(0.0, value)), (0, 3)
            part.annotate(
                number(value), place, shift, textcoords="offset points", ha="center", fontsize=8, bbox=GROUND, zorder=3
            )
        if len(facts.stages) == 2 and values[-2]:
            part.axhline(values[-2], color=LIGHT["muted"], linestyle=":", linewidth=1)
        part.set_title(domain[:MOST_LETTERS])
        part.set_xticks(range(len(names)), names, fontsize=7)
        part.grid(axis="x", visible=False)
        part.margins(y=0.14)
        part.set_ylim(bottom=min(0.0, *values), top=None if max(values) > 0 else 1.0)
    figure.axes[0].set_ylabel(f"validation {facts.metric}")


def draw_length(axes: Axes, facts: Facts) -> None:
    """Draw the score by the number of words of the source, with its interval."""
    if facts.sentences is None:
        return say_empty(axes, "no sentences to judge")
    buckets = facts.sentences.by_length()
    for place, bucket in enumerate(buckets):
        axes.bar(place, bucket.value, 0.7, facecolor=LIGHT["faint"], edgecolor=LIGHT["ink"], linewidth=0.8, alpha=0.75)
        axes.plot([place] * 2, bucket.interval, "_-", color=LIGHT["ink"], linewidth=1.4, markersize=8)
    axes.axhline(facts.sentences.value, color=LIGHT["ink"], linestyle=":", linewidth=1.2, label="all sentences")
    axes.set_xticks(range(len(buckets)), [f"{bucket.span}\nn={bucket.num_sentences}" for bucket in buckets])
    axes.grid(axis="x", visible=False)
    axes.set_xlabel("words of the source; n sentences")
    axes.set_ylabel(f"test {facts.metric}")
    axes.set_ylim(0, 1.2 * max(bucket.interval[1] for bucket in buckets) or 1.0)
    axes.legend(loc="upper right")


def purposes(facts: Facts) -> list[tuple[str, float]]:
    """Return what the clock was spent on, in the order of the game, the small change of many purposes together."""
    spent = {name: max(0.0, minutes) for name, minutes in facts.spent.items()}
    order = [name for name in ("trials", *STAGES, "score") if name in spent]
    order += sorted(set(spent) - set(order), key=lambda name: -spent[name])
    parts = [(WORDS.get(name, name)[:MOST_LETTERS], spent[name]) for name in order]
    if len(parts) > MOST_PURPOSES:
        parts[MOST_PURPOSES - 1 :] = [("other", sum(minutes for _, minutes in parts[MOST_PURPOSES - 1 :]))]
    return parts


def draw_clock(axes: Axes, facts: Facts) -> None:
    """Draw the minutes by purpose, each bar from where the one before ended, and what was left."""
    limit, parts = max(0.0, facts.record.clock.limit), purposes(facts)
    used = sum(minutes for _, minutes in parts)
    rows = [(name, begin, minutes, "") for (name, minutes), begin in zip(parts, begins(parts), strict=True)]
    if used < limit:
        rows.append(("left", used, limit - used, "...."))
    reach = max(limit, used) or 1.0
    for row, (_, begin, minutes, hatch) in enumerate(rows):
        ground = LIGHT["card"] if hatch else LIGHT["faint"]
        axes.barh(row, minutes, 0.6, begin, facecolor=ground, edgecolor=LIGHT["ink"], linewidth=0.8, hatch=hatch)
        is_wide = minutes > 0.3 * reach
        place, side = (begin + minutes / 2, "center") if is_wide else (begin + minutes + 0.02 * reach, "left")
        if begin + minutes > 0.8 * reach and not is_wide:
            place, side = begin - 0.02 * reach, "right"
        axes.text(place, row, f"{number(minutes)} min", va="center", ha=side, fontsize=8, bbox=GROUND)
    axes.axvline(limit, color=LIGHT["ink"], linestyle=":", linewidth=1.2)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.04 * reach)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"minutes; the limit is {limit:g}")


def begins(parts: list[tuple[str, float]]) -> list[float]:
    """Return where each part begins."""
    return [sum(minutes for _, minutes in parts[:place]) for place in range(len(parts))]


def draw_attention(axes: Axes, facts: Facts) -> None:
    """Draw which source tokens the decoder looks at, in the mean over all layers and heads."""
    if not facts.attention:
        return say_empty(axes, "no model to look into")
    attention = facts.attention[min(1, len(facts.attention) - 1)][1]
    shades = LinearSegmentedColormap.from_list("ink", [LIGHT["card"], LIGHT["ink"]])
    axes.imshow(attention.cross.mean((0, 1)), cmap=shades, vmin=0, aspect="auto")
    axes.set_xticks(range(len(attention.source)), attention.source, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(attention.target)), attention.target)
    axes.tick_params(labelsize=7 if len(attention.target) < 25 else 4)
    axes.grid(visible=False)
    axes.set_xlabel("looks at")
    axes.set_ylabel("writes")


def about_forgetting(facts: Facts) -> str:
    """Say what the fine-tune gained and forgot."""
    if not facts.stages:
        return ""
    words = "Each domain has a scale of its own."
    if len(facts.stages) < 2:
        return words
    changes = ", ".join(f"{domain}: {signed(facts.change(domain))}" for domain in facts.domains)
    return f"By the fine-tune {changes} {facts.metric}. {words}"


@dataclass(frozen=True)
class Picture:
    """A picture: its name, its title, its size in inches, how it is drawn, and what to see there."""

    name: str
    title: str
    size: tuple[float, float]
    draw: Callable[[Axes, Facts], None]
    words: str | Callable[[Facts], str] | None = None  # None where the page has something better in its place

    @property
    def is_tall(self) -> bool:
        return self.size[1] > 1.5 * SMALL[1]

    def about(self, facts: Facts) -> str:
        return self.words(facts) if callable(self.words) else self.words


SMALL = (3.9, 2.8)
LEARNING = (
    "Means over stretches of steps. The stages read other data, and may smooth their labels differently: their losses "
    "do not compare."
)
LENGTHS = "With 95 % intervals over the sentences."
CLOCK = "Training, search and scoring count; installing, downloading and tokenizing do not."
PICTURES = {
    picture.name: picture
    for picture in (
        Picture("learning", "Learning curves", (3.9, 6.2), draw_learning, LEARNING),
        Picture("forgetting", "Gained and forgotten", SMALL, draw_forgetting, about_forgetting),
        Picture(
            "lengths", "Score by sentence length", SMALL, draw_length, lambda facts: LENGTHS if facts.sentences else ""
        ),
        Picture("clock", "Where the time went", SMALL, draw_clock, CLOCK),
        Picture("attention", "What the decoder looks at", (3.9, 3.6), draw_attention),
    )
}
