"""What a board is written as: LEADERBOARD.md, a page, a file for each entry that can be compared, and reports."""

import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from jinja2.utils import htmlsafe_json_dumps

from league.errors import UserError
from league.files import write_text
from league.proof.source import Refused
from league.report.look import COMPACT
from league.tasks.predictions import predictions_of
from league.tasks.task import task_of
from league_config import LEAGUES

from .markdown import as_markdown
from .page import as_page, name_of_test
from .reports import write_reports
from .rows import Board, Row, Standing

MARKDOWN, PAGE, ENTRIES, REPORTS = "LEADERBOARD.md", "index.html", "entries", "reports"
MOST_COMPARED = 300  # entries of a league whose translations the page can show
SEAL = "written by python -m tools.board, which does not overwrite it once edited; sha256 "


def seal(text: str, comment: str = "<!-- {} -->") -> str:
    """Append the digest of a text to it, in a comment."""
    return text + comment.format(SEAL + hashlib.sha256(text.encode()).hexdigest()) + "\n"


def is_sealed(text: str) -> bool:
    """Tell whether a text is as this command wrote it."""
    body, _, last = text.removesuffix("\n").rpartition("\n")
    found = re.search(re.escape(SEAL) + "([0-9a-f]{64})", last)
    return found is not None and found[1] == hashlib.sha256(f"{body}\n".encode()).hexdigest()


def write(
    board: Board,
    out: Path,
    reports: int | None,
    force: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Write a board into a folder; refuse, unless forced, to write over what somebody edited.

    Without a number of `reports` every row links to one, for whoever serves the board to make when it is asked for.
    """
    texts = _entries(board)
    edited = [name for name in (MARKDOWN, PAGE, *texts) if not _may_write(out / name)]
    if edited and not force:
        raise UserError(
            f"{', '.join(str(out / name) for name in edited[:3])}: edited by hand, or not written by this command; "
            "say --force to write over it, or another --out."
        )
    try:
        for folder in (out / ENTRIES, out / REPORTS):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}.") from None
    if reports is not None:
        write_reports(board, out / REPORTS, reports, say)
    texts |= _pages(board, out, texts, on_demand=reports is None)
    for name, text in texts.items():
        write_text(out / name, text)
    for path in _left_over(out, texts):
        path.unlink()


def differing(board: Board, out: Path) -> list[str]:
    """Name the files in a folder that are not what the board gives."""
    texts = _entries(board)
    texts |= _pages(board, out, texts)
    wrong = [name for name, text in texts.items() if _content(out / name) != text]
    return wrong + [f"{ENTRIES}/{path.name}" for path in _left_over(out, texts)]


def _pages(board: Board, out: Path, entries: Iterable[str], on_demand: bool = False) -> dict[str, str]:
    rows = [*board.entries, *board.unranked]
    with_report = {row.id for row in rows if on_demand or (out / REPORTS / f"{row.id}.html").is_file()}
    with_entry = {Path(name).stem for name in entries}
    return {
        MARKDOWN: seal(as_markdown(board)),
        PAGE: seal(as_page(board, with_entry, with_report)),
    }


def _compared(board: Board) -> list[Row]:
    rows = [[row for row in standing.rows if row.statistics is not None] for standing in board.standings]
    return [row for league in rows for row in league[:MOST_COMPARED]]


def _entries(board: Board) -> dict[str, str]:
    texts = {}
    for row in _compared(board):
        try:
            file = task_of(LEAGUES[row.league[0]]).predictions_file
            lines = predictions_of(file, row.source.read(file))
        except (Refused, ValueError):  # replaced since it was judged
            continue
        data = {"lines": lines, "statistics": row.statistics.tolist()}
        texts[_place(row)] = seal(f'showEntry("{row.id}", {htmlsafe_json_dumps(data, **COMPACT)});\n', "// {}")
    for standing in board.standings:
        has_any = any(_place(row) in texts for row in standing.rows)
        if has_any and (test := _test_of(board, standing)):
            name = name_of_test(standing)
            text = f'showEntry("{name}", {htmlsafe_json_dumps(test, **COMPACT)});\n'
            texts[f"{ENTRIES}/{name}.js"] = seal(text, "// {}")
    return texts


def _test_of(board: Board, standing: Standing) -> dict[str, list[str]] | None:
    """Return the test set of a league for comparisons, whose entries were scored on it just now."""
    if not board.with_references:
        return None
    rules = LEAGUES[standing.name]
    test, task = board.data.test_set(rules), task_of(rules)
    references = list(map(str, task.references(test)))
    return {"sources": list(map(str, task.inputs(test))), "references": references}


def _place(row: Row) -> str:
    return f"{ENTRIES}/{row.id}.js"


def _content(path: Path) -> str | None:
    try:
        return None if path.is_symlink() else path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _may_write(path: Path) -> bool:
    return not (path.exists() or path.is_symlink()) or is_sealed(_content(path) or "")


def _left_over(out: Path, texts: dict[str, str]) -> list[Path]:
    """Return the files of entries that are gone, as far as this command wrote them."""
    found = sorted((out / ENTRIES).glob("*.js"))
    return [path for path in found if f"{ENTRIES}/{path.name}" not in texts and is_sealed(_content(path) or "")]
