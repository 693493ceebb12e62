"""What is running now as HTML, in type that one can read from the back of a room."""

import math
import time
from collections.abc import Iterable
from typing import Any

from league.record.game_clock import GameClock
from league.report.look import render
from league.report.texts import Text, say, say_stage
from league.rulebook import STAGES

from .live import LiveEntry, is_shown

MOST_SCORES = 10
WIDTH, HEIGHT = 520, 250  # of a chart, in its own units
LEFT, RIGHT, TOP, FOOT = 46, 22, 12, 26


def live_page(rows: list[LiveEntry], games: Iterable[GameClock] = ()) -> str:
    """Return what is going on: the entries at work first, then those that rest; beside them the best scores."""
    league = league_shown(rows)
    scored = [row for row in rows if row.score is not None and row.league == league]
    best = sorted(scored, key=lambda row: (not row.is_official, -row.score, row.name))
    return render(
        "tools/app/templates/live.html",
        numbers=first_numbers(rows, scored),
        games=[game_bar(game) for game in games],
        rows=sorted(filter(is_shown, rows), key=lambda row: not row.is_running),
        best=best[:MOST_SCORES],
        league=league,
        metric=best[0].metric if best else "",
        newest=max(scored, key=lambda row: row.changed, default=None),
        now=time.strftime("%H:%M:%S"),
        STAGES=STAGES,
        doing=doing,
        trials_at_work=trials_at_work,
        validation=validation,
        loss_chart=loss_chart,
        score_chart=score_chart,
        trial_chart=trial_chart,
    )


def league_shown(rows: list[LiveEntry]) -> str:
    """Return the league whose scores are ranked, as they compare with no other's: one at work, or the most played."""
    played = [row.league for row in rows if row.is_running and row.league] or [row.league for row in rows if row.league]
    return max(dict.fromkeys(played), key=played.count, default="")


def first_numbers(rows: list[LiveEntry], scored: list[LiveEntry]) -> Iterable[tuple[str, str]]:
    """Return the few numbers that one looks for first."""
    yield str(sum(row.is_running for row in rows)), say("live.running")
    yield str(len(scored)), say("live.scored")
    if scored:
        best = max(scored, key=lambda row: (row.is_official, row.score))
        state = say("state.official") if best.is_official else say("state.open")
        yield f"{best.score:.2f}", say("live.best", metric=best.metric, entry=best.name, state=state)
        newest = max(scored, key=lambda row: row.changed)
        yield f"{newest.score:.2f}", say("live.newest", entry=newest.name)


def game_bar(game: GameClock) -> tuple[float, Text]:
    """Return how much of a game's clock is used: the share, and in words."""
    used, limit = game.used, game.limit
    values = {"used": f"{used / 60:.1f}", "limit": f"{limit / 60:g}", "left": lasting(limit - used)}
    words = say("live.game", game=game.name, **values)
    return min(1.0, used / max(1.0, limit)), words


def lasting(seconds: float) -> Text:
    """Return a time as one says it: seconds below two minutes, else minutes."""
    seconds = max(0.0, seconds)
    if seconds < 120:
        return say("live.seconds", n=round(seconds))
    return say("live.minutes", n=round(seconds / 60))


def doing(row: LiveEntry) -> tuple[float, str]:
    """Return how far an entry is with what it does: the share, and in words."""
    if row.progress:
        step, most, seconds = row.progress.step, row.progress.max_steps, row.progress.seconds
        words = {"step": f"{step:,}", "most": f"{most:,}"}
        share = min(1.0, step / max(1, most))
        if step and most >= step and seconds:
            return share, say("live.step_left", left=lasting(seconds / step * (most - step)), **words)
        return share, say("live.step", **words)
    search = row.search
    share = min(1.0, max(0.0, search.used_minutes / max(0.001, search.budget_minutes)))
    values = {"used": f"{search.used_minutes:.0f}", "budget": f"{search.budget_minutes:.0f}"}
    if search.best_score is not None:
        values |= {"best": f"{search.best_score:.2f}", "metric": row.metric}
    return share, say(f"live.trials{'' if search.best_score is None else '.best'}", n=len(search.trials), **values)


def trials_at_work(row: LiveEntry) -> list[tuple[float, Text]]:
    """Return how far the trials are that a search runs now: the share, and in words."""
    lines = []
    for one in row.search.running:
        values = {"number": one.number, "step": f"{one.step:,}", "steps": f"{one.steps:,}", "device": one.device}
        share = min(1.0, one.step / max(1, one.steps))
        lines.append((share, say("live.trial", stage=say_stage(one.stage), **values)))
    return lines


def validation(row: LiveEntry) -> Text:
    values = ", ".join(f"{domain} {value:.2f}" for domain, value in list(row.validation.items())[:4])
    return say("live.validation", metric=row.validated_by, values=values)


# Charts, as points in a box: drawn anew every second, they must cost nothing.


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Return round numbers over a range."""
    rough = (high - low or 1.0) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough * 0.999)
    return [round(i * step, 10) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


class Box:
    """Where numbers lie in a chart."""

    def __init__(self, width: tuple[float, float], height: tuple[float, float]):
        self.width, self.height = width, height

    def x(self, value: float) -> float:
        return self._place(value, self.width, LEFT, WIDTH - RIGHT)

    def y(self, value: float) -> float:
        return self._place(value, self.height, HEIGHT - FOOT, TOP)

    @staticmethod
    def _place(value: float, span: tuple[float, float], begin: float, end: float) -> float:
        share = (value - span[0]) / ((span[1] - span[0]) or 1.0)
        return round(begin + (end - begin) * min(1.0, max(0.0, share)), 1)

    def line(self, points: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(one)},{self.y(other)}" for one, other in points)

    def axes(self, name_of_x=lambda value: f"{value:g}") -> dict[str, Any]:
        return {
            "size": (WIDTH, HEIGHT, LEFT, RIGHT),
            "xs": [(self.x(value), name_of_x(value)) for value in ticks(*self.width)],
            "ys": [(self.y(value), f"{value:g}") for value in ticks(*self.height)],
        }


def loss_chart(row: LiveEntry) -> dict[str, Any] | None:
    """Return the loss so far over the steps, with the last runs faint behind it."""
    progress = row.progress
    if len(progress.curve) < 2:
        return None
    steps, share = max(1, progress.max_steps), progress.step / max(1, progress.max_steps)
    own = [((i + 0.5) / len(progress.curve) * share, loss) for i, loss in enumerate(progress.curve)]
    everything = [loss for curve in [own, *row.behind] for _, loss in curve]
    low, high = min(everything), sorted(everything)[int(0.98 * (len(everything) - 1))]
    margin = 0.06 * (high - low) or 0.5
    box = Box((0.0, 1.0), (low - margin, high + margin))
    last = (box.x(own[-1][0]), box.y(own[-1][1]))
    lines = {"line": box.line(own), "behind": [box.line(curve) for curve in row.behind], "end": last}
    return box.axes(lambda value: f"{value * steps:,.0f}") | lines


def score_chart(row: LiveEntry) -> dict[str, Any] | None:
    """Return how a small sample scores as the training goes on, a line for each domain."""
    glimpses, most = row.progress.glimpses, max(1, row.progress.max_steps)
    if not glimpses:
        return None
    domains = list(glimpses[-1].scores)[:3]
    values = [glimpse.scores.get(domain, 0.0) for glimpse in glimpses for domain in domains]
    low, high = min(0.0, *values), max(1.0, *values)
    box = Box((0.0, 1.0), (low, high * 1.12))
    lines = []
    for domain in domains:
        points = [(one.step / most, one.scores[domain]) for one in glimpses if domain in one.scores]
        lines.append((domain, f"{points[-1][1]:.1f}", box.line(points), box.x(points[-1][0]), box.y(points[-1][1])))
    return box.axes(lambda value: f"{value * most:,.0f}") | {"lines": lines}


def trial_chart(row: LiveEntry) -> dict[str, Any] | None:
    """Return the trials of a search in their order, each with its score on validation."""
    done = [trial for trial in row.search.trials if trial.validation is not None]
    if not done:
        return None
    values = [trial.validation for trial in done]
    margin = 0.08 * (max(values) - min(values)) or 1.0
    box = Box((-0.5, max(trial.number for trial in done) + 0.5), (min(values) - margin, max(values) + margin))
    dots = [
        (box.x(one.number), box.y(one.validation), one.stage if one.stage in STAGES else "", one.fidelity >= 1)
        for one in done
    ]
    return box.axes() | {"dots": dots}
