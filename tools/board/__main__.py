"""Rank what was handed in: LEADERBOARD.md and a page that sorts, searches and compares.

    python -m tools.board                        # the entries in runs/, onto board/
    python -m tools.board entries --verify       # a folder of folders and zip archives; prove each entry
    python -m tools.board club/league-day        # a dataset on the Hub
    python -m tools.board --check                # is what lies in board/ what the records give? exit code 1 if not

Records are read without trust, and nothing that was handed in is run. What is damaged is refused, with its reason, and
stops nothing else. --verify takes minutes an entry; what was proven once is not proven again. Open board/index.html in
a browser, or put the folder on any web server.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.threads import cores
from league.values import DataDirOptions


@dataclass
class BoardOptions(DataDirOptions):
    out: str = field(default="board", metadata={"help": "folder to write to"})
    verify: bool = field(default=False, metadata={"help": "prove each entry, as python -m tools.verify does"})
    reports: int = field(default=10, metadata={"help": "make the reports of so many entries, the best of each league"})
    no_references: bool = field(
        default=False, metadata={"help": "leave the test set's sources and references out of comparisons"}
    )
    force: bool = field(default=False, metadata={"help": "write over files that were edited by hand"})
    check: bool = field(default=False, metadata={"help": "write nothing; tell whether what is there is up to date"})


def main(argv: list[str] | None = None) -> None:
    words = {"source": {"nargs": "?", "default": "runs", "help": "folder, zip archive or dataset on the Hub (runs)"}}
    options, named = parse_options(__doc__, BoardOptions, argv=argv, words=words)
    if options.reports < 0:
        raise UserError(f"--reports {options.reports}: must be 0 or more.")

    from .pull import pulled
    from .standings import build
    from .writing import MARKDOWN, PAGE, differing, write

    if options.verify or options.reports:
        from league import hardware

        hardware.prepare_process()
    out = Path(options.out)
    with pulled(named.source, with_checkpoints=options.verify or options.reports > 0) as (source, too_large):
        board = build(source, options.data_dir, options.verify, say=say, processes=cores())
        board.refused += too_large
        board.with_references = not options.no_references
        if options.check:
            wrong = differing(board, out)
            for name in wrong:
                print(f"differs: {out / name}")
            print("not what the records give: write it again." if wrong else f"up to date: {out}")
            sys.exit(1 if wrong else 0)
        write(board, out, options.reports, options.force, say)
    counts = f"{len(board.entries)} ranked, {len(board.unranked)} not ranked, {len(board.refused)} refused"
    counts += f", {len(board.under_way)} without a score yet" if board.under_way else ""
    print(f"{counts}: {out / MARKDOWN}, {out / PAGE}")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    run_command(main)
