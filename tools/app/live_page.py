"""What is running now as HTML, in type that one can read from the back of a room."""

from collections.abc import Iterable

from league.report.look import render

from .live import STAGES, LiveEntry, is_shown

MOST_SCORES = 12


def live_page(rows: list[LiveEntry]) -> str:
    """Return what is going on: the entries at work first, then those that rest, then the scores."""
    scored = sorted((row for row in rows if row.score is not None), key=lambda row: -row.changed)
    return render(
        "tools/app/templates/live.html",
        numbers=first_numbers(rows, scored),
        rows=sorted(filter(is_shown, rows), key=lambda row: not row.is_running),
        scored=scored[:MOST_SCORES],
        STAGES=STAGES,
        doing=doing,
        validation=validation,
        sparkline=sparkline,
    )


def first_numbers(rows: list[LiveEntry], scored: list[LiveEntry]) -> Iterable[tuple[str, str]]:
    """Return the few numbers that one looks for first."""
    yield str(sum(row.is_running for row in rows)), "running"
    yield str(len(scored)), "scored"
    if scored:
        best = max(scored, key=lambda row: (row.is_official, row.score))
        verdict = "official" if best.is_official else "open"
        yield f"{best.score:.2f}", f"best {best.metric}, {best.name} ({verdict})"
        yield f"{scored[0].score:.2f}", f"newest, {scored[0].name}"


def doing(row: LiveEntry) -> tuple[float, str]:
    """Return how far an entry is with what it does: the share, and in words."""
    if row.progress:
        step, most, seconds = row.progress.step, row.progress.max_steps, row.progress.seconds
        left = f", {seconds / step * (most - step) / 60:.0f} min to go" if step and most >= step else ""
        return min(1.0, step / max(1, most)), f"step {step:,} of {most:,}{left}"
    search = row.search
    best = "" if search.best is None else f", best {search.best:.2f} {row.metric} on validation"
    trials = "1 trial" if search.num_trials == 1 else f"{search.num_trials} trials"
    share = min(1.0, max(0.0, search.used_minutes / max(0.001, search.budget_minutes)))
    return share, f"{trials} in {search.used_minutes:.0f} of {search.budget_minutes:.0f} min{best}"


def validation(row: LiveEntry) -> str:
    values = ", ".join(f"{domain} {value:.2f}" for domain, value in list(row.validation.items())[:4])
    return f"validation {row.metric} {values}"


def sparkline(values: list[float]) -> str:
    """Return the points of a curve in a box of 100 by 30."""
    low, high, last = min(values), max(values), len(values) - 1
    heights = [28 - 26 * (value - low) / ((high - low) or 1) for value in values]
    return " ".join(f"{100 * i / last:.1f},{height:.1f}" for i, height in enumerate(heights))
