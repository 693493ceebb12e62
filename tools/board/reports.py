"""The reports of a board's best entries, made from their checked files: never is a page shown that was handed in."""

import re
from collections.abc import Callable
from pathlib import Path

from league.errors import UserError, printable
from league.files import digest_of, write_text
from league.proof.source import Refused
from league.report.look import ROOT
from league_config import LEAGUES

from .judging import key_of
from .rows import Board, Row


def write_reports(board: Board, folder: Path, most: int, say: Callable[[str], None]) -> None:
    """Make so many reports of each league, and remove those of earlier boards."""
    ranked = [[row for row in standing.rows if row.state != "refuted"] for standing in board.standings]
    chosen = [row for rows in ranked for row in rows[:most]]
    names = {f"{row.id}.html" for row in chosen}
    for path in folder.glob("*.html"):
        if re.fullmatch(r"[0-9a-f]{24}\.html", path.name) and path.name not in names:
            path.unlink()
    for i, row in enumerate(chosen, 1):
        _write_report(board, row, folder, lambda words, i=i: say(f"{i}/{len(chosen)} {words}"))


def _write_report(board: Board, row: Row, folder: Path, say: Callable[[str], None]) -> None:
    path = folder / f"{row.id}.html"
    try:
        key = key_of(row.source, *_code(), f"with the test set: {row.statistics is not None}")
        html = board.cache.get("reports", key)
        if html is None:
            say(f"report of {row.name}")
            html = _report(row, board.data.data_dir)
            board.cache.put("reports", key, html)
        write_text(path, html)
    except Exception as error:  # a stranger's entry may upset any of several libraries
        reason = str(error) if isinstance(error, Refused | UserError) else f"{type(error).__name__}: {error}"
        say(f"no report of {row.name}: {printable(reason)}")
        path.unlink(missing_ok=True)


def _code() -> list[str]:
    """Return the digests of what makes a report."""
    from league.record.code import code_digest

    places = ("league/report/*.*", "league/report/templates/*", "league/proof/noise.*")
    files = [path for place in places for path in ROOT.glob(place)]
    return [*map(code_digest, LEAGUES.values()), *map(digest_of, sorted(files))]


def _report(row: Row, data_dir: str | None) -> str:
    from league.report.facts import gather
    from league.report.page import entry_page

    with row.source.unpacked() as folder:
        return entry_page(gather(folder, data_dir), {"board": "../index.html"})
