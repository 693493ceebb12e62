"""What is running now as HTML, in type that one can read from the back of a room."""

from html import escape

from league.report.look import tiles

from .live import STAGES, Row, is_shown

MOST_SCORES = 12
CSS = """
.live { font-size: clamp(1rem, 1.55vw, 1.9rem); }
.live .running { display: grid; grid-template-columns: minmax(9rem, 2fr) 3fr minmax(6rem, 1.2fr) minmax(6rem, 1fr);
  gap: 0.4rem 1.4rem; align-items: center; padding: 0.7rem 0; border-bottom: 1px solid var(--rule); }
.live b { font-size: 1.35em; line-height: 1.15; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.live .quiet { font-size: 0.85em; overflow-wrap: anywhere; }
.live .running > div { min-width: 0; }
.live .resting { color: var(--muted); }
.live .number { text-align: right; }
.live .bar { height: 0.55em; border: 1px solid var(--faint); border-radius: 4px; margin: 0.2rem 0; }
.live .bar i { display: block; height: 100%; background: var(--pretrain); border-radius: 3px; }
.live .finetune .bar i { background: var(--finetune); }
.live svg { display: block; width: 100%; height: 2.2em; }
.live polyline { fill: none; stroke: var(--pretrain); stroke-width: 2; vector-effect: non-scaling-stroke; }
.live .finetune polyline { stroke: var(--finetune); }
.live table { font-size: 0.9em; max-width: 46rem; }
.live .tiles { grid-template-columns: repeat(auto-fill, minmax(max(8rem, 12%), 1fr)); }
.live .tile { font-size: 0.75em; overflow-wrap: anywhere; }
.live .tile b { font-size: 2em; }
@media (max-width: 700px) {
  .live .running { grid-template-columns: 3fr 2fr; }
  .live .running > .doing, .live .running > .loss { grid-column: 1 / -1; }
  .live .running > .number { grid-column: 2; grid-row: 1; }
}
"""


def live_page(rows: list[Row]) -> str:
    """Return what is going on: the entries at work first, then those that rest, then the scores."""
    shown = [row for row in rows if is_shown(row)]
    scored = sorted((row for row in rows if row.bleu is not None), key=lambda row: -row.changed)
    parts = [first_numbers(rows, scored)]
    parts += [in_a_row(row) for row in sorted(shown, key=lambda row: not row.is_running)]
    if not shown:
        parts.append("<p>Nothing is running. A command that trains an entry in this folder appears here.</p>")
    if scored:
        parts.append(scores(scored[:MOST_SCORES]))
    return f'<div class="live">{"".join(parts)}</div>'


def first_numbers(rows: list[Row], scored: list[Row]) -> str:
    running = sum(row.is_running for row in rows)
    numbers = [(str(running), "running"), (str(len(scored)), "scored")]
    if scored:
        best = max(scored, key=lambda row: (row.is_official, row.bleu))
        verdict = "official" if best.is_official else "open"
        numbers.append((f"{best.bleu:.2f}", f"best BLEU, {best.name} ({verdict})"))
        numbers.append((f"{scored[0].bleu:.2f}", f"newest, {scored[0].name}"))
    return tiles(numbers)


def in_a_row(row: Row) -> str:
    """Return one entry."""
    stage = row.progress.stage if row.progress else ""
    kind = f"running {stage if stage in STAGES else ''}" + ("" if row.is_running else " resting")
    left = "" if row.minutes_left is None else f"<b>{row.minutes_left:.0f}</b> min<br><span class='quiet'>left</span>"
    who = f'<b>{escape(row.name)}</b><br><span class="quiet">{escape(row.state[:300])}</span>'
    cells = (("who", who), ("doing", doing(row)), ("loss", loss(row)), ("number", left))
    return f'<div class="{kind}">' + "".join(f'<div class="{name}">{inner}</div>' for name, inner in cells) + "</div>"


def doing(row: Row) -> str:
    """Return how far an entry is with what it does."""
    if row.progress:
        step, most, seconds = row.progress.step, row.progress.max_steps, row.progress.seconds
        share = min(1.0, step / max(1, most))
        left = f", {seconds / step * (most - step) / 60:.0f} min to go" if step and most >= step else ""
        return bar(share, f"step {step:,} of {most:,}{left}")
    if row.search:
        best = "" if row.search.best is None else f", best {row.search.best:.2f} BLEU on validation"
        trials = "1 trial" if row.search.num_trials == 1 else f"{row.search.num_trials} trials"
        share = min(1.0, max(0.0, row.search.used_minutes / max(0.001, row.search.budget_minutes)))
        budget = f"{row.search.used_minutes:.0f} of {row.search.budget_minutes:.0f} min"
        return bar(share, f"{trials} in {budget}{best}")
    if row.bleu is None and row.validation:
        told = ", ".join(f"{domain} {value:.2f}" for domain, value in list(row.validation.items())[:4])
        return f'<span class="quiet">validation BLEU {escape(told)}</span>'
    return ""


def bar(share: float, words: str) -> str:
    return f'<div class="bar"><i style="width: {100 * share:.1f}%"></i></div><span class="quiet">{escape(words)}</span>'


def loss(row: Row) -> str:
    """Return the loss, with its way down."""
    if not row.progress or row.progress.loss is None:
        return ""
    return f"{sparkline(row.progress.curve)}<span class='quiet'>loss {row.progress.loss:.3f}</span>"


def sparkline(values: list[float]) -> str:
    """Return a curve without axes."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    points = " ".join(
        f"{100 * i / (len(values) - 1):.1f},{28 - 26 * (value - low) / ((high - low) or 1):.1f}"
        for i, value in enumerate(values)
    )
    return (
        f'<svg viewBox="0 0 100 30" preserveAspectRatio="none" role="img" '
        f'aria-label="loss from {values[0]:.2f} to {values[-1]:.2f}"><polyline points="{points}"/></svg>'
    )


def scores(scored: list[Row]) -> str:
    """Return the newest scores."""
    rows = "".join(
        f'<tr><th scope="row" class="words">{escape(row.name)}</th><td>{row.bleu:.2f}</td>'
        f'<td class="words">{escape(row.state)}</td></tr>'
        for row in scored
    )
    return f"<h2>Newest scores</h2><table><tbody>{rows}</tbody></table>"
