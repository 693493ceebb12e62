"""index.html: the board as one page that sorts, searches and compares, from a disk as from a server."""

from typing import Any

from league.proof.comparison import LEVEL, Comparison
from league.proof.noise import Noise
from league.report.look import render
from league.report.texts import in_languages, say
from league.tasks.metric import metric_of
from league.tasks.resampling import NUM_SWAPS
from league_config import LEAGUES

from .rows import STATES, Board, Row, Standing
from .words import about_ranks, metric_label, state_of


def as_page(board: Board, with_entry: set[str], with_report: set[str]) -> str:
    """Return the page; `with_entry` and `with_report` name the rows, or tests, that have such a file beside it."""
    data = {
        "level": LEVEL,
        "trials": NUM_SWAPS,
        "verdicts": verdicts(),
        "leagues": [_league(standing, with_entry, with_report) for standing in board.standings],
    }
    return render("tools/board/templates/board.html", title=say("board.title"), board=board, states=STATES, data=data)


def _league(standing: Standing, with_entry: set[str], with_report: set[str]) -> dict[str, Any]:
    names = list(dict.fromkeys(name for row in standing.rows for name in row.values))
    league = LEAGUES.get(standing.name)
    return {
        "name": f"{standing.name} {standing.version}",
        "about": in_languages(about_ranks(standing)),
        "test": name_of_test(standing) if name_of_test(standing) in with_entry else None,
        "metric": {"name": league and metric_of(league).NAME, "label": metric_label(standing)},
        "names": names,
        "reach": standing.reach_of_seeds,
        "rows": [_row(row, names, with_entry, with_report) for row in standing.rows],
    }


def _row(row: Row, names: list[str], with_entry: set[str], with_report: set[str]) -> dict[str, Any]:
    facts = {
        "id": row.id,
        "rank": row.rank,
        "tied": row.is_tied,
        "name": row.name,
        "score": round(row.score, 4),
        "low": round(row.interval[0], 2),
        "high": round(row.interval[1], 2),
        "seed": row.seed,
        "seeds": row.num_seeds,
        "mean": round(row.seeds_mean, 2),
        "values": [row.values.get(name) for name in names],
        "minutes": round(row.minutes, 2),
        "trials": row.trials,
        "openings": row.test_openings,
        "device": row.device,
        "state": state_of(row),
    }
    if row.game:
        facts["game"] = {"name": row.game.name, "id": row.game.id, "minutes": row.game.minutes}
        facts["game"] |= {"entries": row.game.entries, "openings": row.game.test_openings}
    also = {"entry": row.entry if row.entry not in row.name.split("/") else None}
    also |= {"why": list(map(in_languages, row.reasons)), "notes": list(map(in_languages, row.notes))}
    also |= {"data": row.id in with_entry, "report": row.id in with_report}
    return facts | {name: value for name, value in also.items() if value}


def name_of_test(standing: Standing) -> str:
    """Return what the file with a league's test set is called."""
    return f"test-{standing.name}-{standing.version}"


def verdicts() -> dict[str, list[str]]:
    """Return what a comparison says, in the words of league.proof.comparison, for the browser to choose from."""
    cases = {"same": (1.0, None), "unknown": (0.0, None), "seeds": (0.0, Noise(9.0, 5)), "real": (0.0, Noise(0.0, 5))}
    return {
        case: in_languages(Comparison(("", "{better}"), (0.0, 1.0), p_value, noise, {}).verdict())
        for case, (p_value, noise) in cases.items()
    }
