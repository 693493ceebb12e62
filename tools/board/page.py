"""index.html: the board as one page that sorts, searches and compares, from a disk as from a server."""

import base64
import hashlib
import json
from html import escape
from pathlib import Path
from typing import Any

from league.proof.comparison import LEVEL, Comparison
from league.report.look import html_page
from league.tasks.resampling import NUM_SWAPS

from .rows import STATES, Board, Refusal, Row
from .words import about_ranks, state_of

HERE = Path(__file__).parent
CONTROLS = """
<form id="controls" role="search" hidden>
<label>Search <input id="search" type="search" autocomplete="off" placeholder="name, value, reason"></label>
<label>League <select id="league"></select></label>
<label>State <select id="state"></select></label>
<label>Device <select id="device"></select></label>
<output id="count" aria-live="polite"></output>
</form>
<noscript><p>Without scripts this page shows no table: LEADERBOARD.md beside it has the same standing.</p></noscript>
<section id="ranked"></section>
<section id="unranked"></section>
<section id="comparison" tabindex="-1" aria-label="Comparison" hidden></section>
<div id="chosen" role="region" aria-label="Chosen for comparison" hidden></div>
<dialog id="details" aria-labelledby="details-title"></dialog>"""


def as_page(board: Board, with_entry: set[str], with_report: set[str]) -> str:
    """Return the page; `with_entry` and `with_report` name the rows that have a file of that kind beside it."""
    script = (HERE / "board.js").read_text(encoding="utf-8")
    parts = [
        "<h1>Leaderboard</h1>",
        CONTROLS if board.standings else "<p>Nothing has been handed in yet.</p>",
        '<div id="more">' + _refused(board.refused),
        _about(bool(board.standings)),
        f'<script type="application/json" id="data">{_data(board, with_entry, with_report)}</script>',
    ]
    page = html_page("Leaderboard", parts, (HERE / "board.css").read_text(encoding="utf-8"), script)
    # A second wall: no script but this one, and what it asks for, ever runs here.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        f"script-src 'strict-dynamic' 'sha256-{digest}'"
    )
    meta = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
    return page.replace('<meta charset="utf-8">', meta, 1)


def _refused(refused: list[Refusal]) -> str:
    if not refused:
        return ""
    items = "".join(f"<li><b>{escape(name)}</b>: {escape(reason)}</li>" for name, reason in refused)
    return f'<details id="refused"><summary>{len(refused)} refused</summary><ul>{items}</ul></details>'


def _about(has_entries: bool) -> str:
    items = "".join(f"<li><b>{name}</b>: {escape(words)}</li>" for name, words in STATES.items())
    ranks = '<details><summary>How the ranks come about</summary><p id="about"></p></details>' if has_entries else ""
    return f"{ranks}<details><summary>What the states mean</summary><ul>{items}</ul></details></div>"


def _data(board: Board, with_entry: set[str], with_report: set[str]) -> str:
    rows = [row for standing in board.standings for row in standing.rows]
    data = {
        "names": list(dict.fromkeys(name for row in rows for name in row.values)),
        "level": LEVEL,
        "trials": NUM_SWAPS,
        "verdicts": verdicts(),
        "leagues": [
            {
                "name": f"{standing.name} {standing.version}",
                "about": about_ranks(standing),
                "reach": standing.reach_of_seeds,
                "rows": [_row(row, with_entry, with_report) for row in standing.rows],
            }
            for standing in board.standings
        ],
    }
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _row(row: Row, with_entry: set[str], with_report: set[str]) -> dict[str, Any]:
    told = {
        "id": row.id,
        "rank": row.rank,
        "tied": row.is_tied,
        "name": row.name,
        "bleu": round(row.score, 4),
        "low": round(row.interval[0], 2),
        "high": round(row.interval[1], 2),
        "seed": row.seed,
        "seeds": row.num_seeds,
        "mean": round(row.seeds_mean, 2),
        "values": list(row.values.values()),
        "minutes": round(row.minutes, 2),
        "trials": row.trials,
        "openings": row.test_openings,
        "device": row.device,
        "state": state_of(row),
    }
    also = {"entry": row.entry if row.entry not in row.name.split("/") else None, "why": row.reasons}
    also |= {"notes": row.notes, "data": row.id in with_entry, "report": row.id in with_report}
    return told | {name: value for name, value in also.items() if value}


def verdicts() -> dict[str, str]:
    """Return what a comparison says, in the words of league.comparison, for the browser to choose from."""
    cases = {"same": (1.0, None), "unknown": (0.0, None), "seeds": (0.0, 9.0), "real": (0.0, 0.0)}
    return {
        case: Comparison(("", "{better}"), (0.0, 1.0), p_value, deviation, {}).verdict()
        for case, (p_value, deviation) in cases.items()
    }
