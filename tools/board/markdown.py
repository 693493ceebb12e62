"""LEADERBOARD.md: the standing as text, readable on any code host."""

import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from league.report.texts import say

from .rows import STATES, Board, Row, Standing
from .words import about_ranks, metric_label, rank_of, state_of, value

MOST_ROWS = 200  # of a table; the page has all


def as_markdown(board: Board) -> str:
    """Return the whole document."""
    parts = ["# Leaderboard\n"]
    parts += [_standing(standing) for standing in board.standings] or ["Nothing has been handed in yet.\n"]
    if board.under_way:
        names = ", ".join(plain(one.name) for one in board.under_way[:MOST_ROWS])
        parts.append(f"## No score yet\n\n{names}\n")
    if board.refused:
        head = ["what was handed in", "why it is no entry"]
        table = _table(head, lambda refusal: map(plain, refusal), board.refused)
        parts.append("## Refused\n\n" + table)
    states = ((say(f"state.{state}"), say(f"about.{state}")) for state in STATES)
    states = "\n".join(f"- **{state}**: {words}" for state, words in states)
    parts.append(f"## States\n\n{states}\n")
    return "\n".join(parts)


def _standing(standing: Standing) -> str:
    text = f"## {plain(standing.name)}, version {standing.version}\n\n"
    if standing.ranked:
        text += _ranked(standing.ranked, metric_label(standing)) + f"\n{about_ranks(standing)}\n"
    else:
        text += "No official entry yet.\n"
    if standing.unranked:
        text += "\n### Not ranked\n\n" + _unranked(standing.unranked, metric_label(standing))
    return text


def _ranked(rows: list[Row], metric: str) -> str:
    head = ["rank", "entry", metric, "95 % interval", "seeds", *rows[0].values, "minutes", "trials", "test openings"]
    head += ["device", "state"]

    def cells(row: Row) -> list[str]:
        return [
            rank_of(row),
            plain(row.name),
            f"**{row.score:.2f}**",
            _interval(row),
            _seeds(row),
            *(plain(value(number)) for number in row.values.values()),
            f"{row.minutes:.1f}",
            str(row.trials),
            str(row.test_openings),
            plain(row.device),
            state_of(row),
        ]

    return _table(head, cells, rows)


def _unranked(rows: list[Row], metric: str) -> str:
    def cells(row: Row) -> list[str]:
        return [plain(row.name), f"{row.score:.2f}", _interval(row), f"{row.minutes:.1f}", state_of(row), _why(row)]

    return _table(["entry", metric, "95 % interval", "minutes", "state", "why"], cells, rows)


def _why(row: Row) -> str:
    return "; ".join(map(plain, row.reasons))


def _interval(row: Row) -> str:
    return f"{row.interval[0]:.2f} to {row.interval[1]:.2f}"


def _seeds(row: Row) -> str:
    return f"{row.num_seeds}, mean {row.seeds_mean:.2f}" if row.num_seeds > 1 else "1"


def _table(head: list[str], cells: Callable[[Any], Iterable[str]], rows: list) -> str:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {' | '.join(cells(row))} |" for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        lines.append(f"\n{len(rows) - MOST_ROWS:,} more are on the page, index.html.")
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Return a foreign text that Markdown shows as it is: no link, no picture, no HTML, no new column."""
    marked = re.sub(r"([\\`*_{}\[\]()#+!|~^$@]|(?<=:)/(?=/)|(?<=www)\.)", r"\\\1", text)
    return escape(" ".join(marked.split()), quote=False)
