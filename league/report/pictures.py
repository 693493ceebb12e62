"""The pictures of an entry's report, each for the page and as a file in plots/; they read in black and white, too."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from matplotlib.axes import Axes

from league.report.drawing import SHADES, marked, say_empty
from league.report.facts import Facts, thinned
from league.report.look import LIGHT
from league.report.texts import Text, joined, say
from league.rulebook import STAGES
from league.tasks.metric import metric_of
from league.tasks.task import task_of

MOST_POINTS = 200  # of one learning curve
POINT = ("step", "loss", "learning_rate")
MOST_TIMES = 12  # a loss this far above the curve's middle leaves the frame
MOST_PURPOSES, MOST_LETTERS = 6, 14
LOOKS = {"pretrain": ("o-", "none"), "finetune": ("^--", "////")}
GROUND = {"facecolor": LIGHT["card"], "edgecolor": "none", "pad": 0.8}  # behind numbers that lines would cross
WORDS = {"pretrain": "stage.pretrain", "finetune": "stage.finetune", "score": "clock.score", "trials": "clock.trials"}
FAR_APART = 8.0  # times: domains whose scores differ by more have a scale each, or the smaller one's bars vanish


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
        loss.set_title(say(f"stage.{stage}"))
        curve = facts.curve(stage)
        if not curve:
            rate.set_axis_off()
            say_empty(loss, about_curve(facts, stage))
            continue
        points = thinned(sorted(curve, key=lambda point: point.step), MOST_POINTS)
        steps, losses, rates = (np.array([getattr(point, key) for point in points], float) for key in POINT)
        every = max(1, len(points) // 8)
        look = {"color": LIGHT[stage], "markersize": 3.5, "markevery": every, "linewidth": 1.4}
        top = MOST_TIMES * max(1e-3, np.median(np.abs(losses)))
        inside = np.where(np.abs(losses) <= top, losses, np.nan)
        (line,) = loss.plot(steps, inside, LOOKS[stage][0], **look)
        marked(line, f"stage-{stage}")
        if outside := int(np.isnan(inside).sum()):
            above = say("learning.above", points=outside)
            loss.text(0.03, 0.97, above, va="top", transform=loss.transAxes, color=LIGHT["ink"])
        rate.plot(steps, rates, LOOKS[stage][0], **look)
        rate.set_xlabel(say("axis.step"))
        rate.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        for part in (loss, rate):
            part.xaxis.get_major_locator().set_params(nbins=4)
    columns[0][0].set_ylabel(say("axis.loss"))
    columns[0][1].set_ylabel(say("axis.rate"))


def about_curve(facts: Facts, stage: str) -> str:
    """Say why a stage has no learning curve."""
    if facts.record.diverged and facts.record.diverged.stage == stage:
        return say("curve.diverged")
    return say("curve.no_step") if stage in facts.stages else say("curve.not_yet")


def draw_forgetting(axes: Axes, facts: Facts) -> None:
    """Draw each domain's score before training and after each stage."""
    figure = axes.figure
    axes.remove()
    names = ["start", *facts.stages]
    titles = [say("forgetting.start"), *(say(f"short.{name}") for name in facts.stages)]
    parts = figure.subplots(1, len(facts.domains), squeeze=False, sharey=has_one_scale(facts))[0]
    for part, domain in zip(parts, facts.domains, strict=True):
        values = facts.validation(domain)
        for place, (name, value) in enumerate(zip(names, values, strict=True)):
            color, hatch = LIGHT.get(name, LIGHT["ink"]), LOOKS.get(name, ("", "none"))[1].replace("none", "")
            (bar,) = part.bar(place, value, 0.62, facecolor=LIGHT["card"], edgecolor=color, hatch=hatch, linewidth=1.4)
            if name != "start":
                marked(bar, f"stage-{name}")
            place, shift = (place, max(0.0, value)), (0, 3)
            look = {"ha": "center", "fontsize": 8.5, "bbox": GROUND, "zorder": 3}
            part.annotate(number(value), place, shift, textcoords="offset points", **look)
        if len(facts.stages) == 2 and values[-2]:
            part.axhline(values[-2], color=LIGHT["muted"], linestyle=":", linewidth=1)
        part.set_title(domain[:MOST_LETTERS])
        part.set_xticks(range(len(names)), titles)
        part.grid(axis="x", visible=False)
        part.margins(y=0.14)
        part.set_ylim(bottom=min(0.0, *values), top=None if max(values) > 0 else 1.0)
    if has_one_scale(facts):
        every = [value for domain in facts.domains for value in facts.validation(domain)]
        parts[0].set_ylim(min(0.0, *every), 1.14 * max(every) or 1.0)
    figure.axes[0].set_ylabel(say("axis.validation", metric=facts.metric))


def has_one_scale(facts: Facts) -> bool:
    """Tell whether the domains' scores are near enough to stand on one scale."""
    highest = [max(facts.validation(domain)) for domain in facts.domains]
    return min(highest, default=0.0) * FAR_APART >= max(highest, default=0.0)


def draw_length(axes: Axes, facts: Facts) -> None:
    """Draw the score by the number of words of the source, with its interval."""
    buckets = facts.sentences.by_length()
    for place, bucket in enumerate(buckets):
        look = {"facecolor": LIGHT["faint"], "edgecolor": LIGHT["ink"], "linewidth": 0.8, "alpha": 0.75}
        (bar,) = axes.bar(place, bucket.value, 0.7, **look)
        marked(bar, f"length-{place}")
        axes.plot([place] * 2, bucket.interval, "_-", color=LIGHT["ink"], linewidth=1.4, markersize=8)
    axes.axhline(facts.sentences.value, color=LIGHT["ink"], linestyle=":", linewidth=1.2, label=say("lengths.all"))
    axes.set_xticks(range(len(buckets)), [f"{bucket.span}\nn={bucket.num_sentences}" for bucket in buckets])
    axes.grid(axis="x", visible=False)
    axes.set_xlabel(say("lengths.axis"))
    axes.set_ylabel(say("axis.test", metric=facts.metric))
    axes.set_ylim(0, 1.05 * max(bucket.interval[1] for bucket in buckets) or 1.0)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)


def draw_confusion(axes: Axes, facts: Facts) -> None:
    """Draw how often each label is taken for which, as counts and as shares of what it is."""
    if facts.sentences is None:
        return say_empty(axes, say("lengths.none"))
    names = task_of(facts.rules).labels
    places = {label: i for i, label in enumerate(names)}
    counts = np.zeros((len(places), len(places)), int)
    for found, wanted in zip(facts.sentences.hypotheses, facts.sentences.references, strict=True):
        counts[places[wanted], places.get(found, 0)] += found in places
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        color = LIGHT["paper"] if share > 0.5 else LIGHT["ink"]
        text = f"{counts[row, column]:,}\n{100 * share:.0f} %"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8.5)
    short_names = [name[:MOST_LETTERS] for name in names.values()]
    axes.set_xticks(range(len(places)), short_names, rotation=30 if len(places) > 3 else 0)
    axes.set_yticks(range(len(places)), short_names)
    axes.grid(visible=False)
    axes.set_xlabel(say("axis.labelled"))
    axes.set_ylabel(say("axis.label"))


def purposes(facts: Facts) -> list[tuple[str, str, float]]:
    """Return what the clock was spent on, in the order of the game, the small change of many purposes together."""
    spent = {name: max(0.0, minutes) for name, minutes in facts.spent.items() if minutes > 0 or name in STAGES}
    order = [name for name in ("trials", *STAGES, "score") if name in spent]
    order += sorted(set(spent) - set(order), key=lambda name: -spent[name])
    parts = [(name, say(WORDS[name]) if name in WORDS else name[:MOST_LETTERS], spent[name]) for name in order]
    if len(parts) > MOST_PURPOSES:
        rest = sum(minutes for *_, minutes in parts[MOST_PURPOSES - 1 :])
        parts[MOST_PURPOSES - 1 :] = [("other", say("clock.other"), rest)]
    return parts


def draw_clock(axes: Axes, facts: Facts) -> None:
    """Draw the minutes by purpose, each bar from where the one before ended, and what was left."""
    limit, parts = max(0.0, facts.record.clock.limit), purposes(facts)
    *begins, used = accumulate((minutes for *_, minutes in parts), initial=0.0)
    rows = [(title, name, begin, minutes) for (name, title, minutes), begin in zip(parts, begins, strict=True)]
    others = facts.minutes_used - used
    if others > 0.05:
        rows.append((say("clock.others"), "others", used, others))
        used += others
    if used < limit:
        rows.append((say("clock.left"), "", used, limit - used))
    reach = max(limit, used) or 1.0
    for row, (_, name, begin, minutes) in enumerate(rows):
        look = {"facecolor": LIGHT["faint"] if name else LIGHT["card"], "hatch": "" if name else "...."}
        (bar,) = axes.barh(row, minutes, 0.6, begin, edgecolor=LIGHT["ink"], linewidth=0.8, **look)
        if name in WORDS:
            marked(bar, f"stage-{name}")
        is_wide = minutes > 0.3 * reach
        place, side = (begin + minutes / 2, "center") if is_wide else (begin + minutes + 0.02 * reach, "left")
        if begin + minutes > 0.8 * reach and not is_wide:
            place, side = begin - 0.02 * reach, "right"
        words = say("clock.minutes", minutes=number(minutes))
        axes.text(place, row, words, va="center", ha=side, fontsize=8.5, bbox=GROUND)
    axes.axvline(limit, color=LIGHT["ink"], linestyle=":", linewidth=1.2)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.04 * reach)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(say("clock.axis", limit=f"{limit:g}"))


def marks_of(facts: Facts) -> dict[str, Text]:
    """Return what the marks of the pictures say: the first part is a title, the others lines of their own."""
    marks = {}
    for name, _, minutes in purposes(facts):
        if name in WORDS:
            parts = [say(WORDS[name]), say("clock.minutes", minutes=number(minutes))]
            if stage := facts.stages.get(name):
                parts.append(say("mark.steps", steps=f"{stage.steps:,}"))
                parts += [] if stage.loss is None else [say("mark.loss", loss=number(stage.loss))]
                scores = list(stage.validation.items())[:4]
                label = metric_of(facts.rules, name).LABEL if facts.rules else facts.metric
                parts += [say("mark.validation", domain=one, metric=label, value=number(v)) for one, v in scores]
            marks[f"stage-{name}"] = joined(parts, "; ")
    for place, bucket in enumerate(facts.sentences.by_length() if facts.sentences else []):
        low, high = map(number, bucket.interval)
        values = {"metric": facts.metric, "value": number(bucket.value), "low": low, "high": high}
        parts = [say("mark.length", span=bucket.span), say("mark.sentences", sentences=bucket.num_sentences)]
        marks[f"length-{place}"] = joined([*parts, say("mark.interval", **values)], "; ")
    return marks


def draw_attention(axes: Axes, facts: Facts) -> None:
    """Draw which source tokens the decoder looks at, in the mean over all layers and heads."""
    attention = facts.attention[min(1, len(facts.attention) - 1)][1]
    axes.imshow(attention.cross.mean((0, 1)), cmap=SHADES, vmin=0, aspect="auto")
    axes.set_xticks(range(len(attention.source)), attention.source, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(attention.target)), attention.target)
    axes.tick_params(labelsize=7 if len(attention.target) < 25 else 4)
    axes.grid(visible=False)
    axes.set_xlabel(say("attention.looks"))
    axes.set_ylabel(say("attention.writes"))


def about_forgetting(facts: Facts) -> str:
    """Say what the fine-tune gained and forgot."""
    words = [] if has_one_scale(facts) else [say("forgetting.scales", times=f"{FAR_APART:g}")]
    if facts.changes:
        changes = ", ".join(f"{domain} {signed(change)}" for domain, change in facts.changes.items())
        words = [say("forgetting.changes", changes=changes, metric=facts.metric), *words]
        if facts.noise is not None:
            words.append(say("forgetting.noise", noise=number(facts.noise)))
    return joined(words, " ")


@dataclass(frozen=True)
class Picture:
    """A picture: its name, its size in inches, how it is drawn, and what to see there."""

    name: str
    size: tuple[float, float]
    draw: Callable[[Axes, Facts], None]
    words: str | Callable[[Facts], str] | None = None  # None where the page has something better in its place

    def has_something(self, facts: Facts) -> bool:
        """Tell whether the report shows it, and there is anything to see in it."""
        shown = {
            "learning": facts.record.diverged or any(map(facts.curve, STAGES)),
            "forgetting": facts.stages,
            "lengths": facts.sentences,
            "attention": facts.attention,
        }
        return self.name in facts.parts and bool(shown.get(self.name, True))

    @property
    def is_tall(self) -> bool:
        return self.size[1] > 1.5 * SMALL[1]

    def about(self, facts: Facts) -> str:
        return self.words(facts) if callable(self.words) else say(self.words)


SMALL = (3.9, 2.8)
PICTURES = {
    picture.name: picture
    for picture in (
        Picture("learning", (3.9, 6.2), draw_learning, "about.learning"),
        Picture("forgetting", SMALL, draw_forgetting, about_forgetting),
        Picture("lengths", SMALL, draw_length, "about.lengths"),
        Picture("confusion", (3.9, 3.4), draw_confusion, "about.confusion"),
        Picture("clock", SMALL, draw_clock, "about.clock"),
        Picture("attention", (3.9, 3.6), draw_attention),
    )
}
