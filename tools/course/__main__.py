"""Write what the pages have beside their text: the course's pictures and notebooks, and the repository's address.

    python -m tools.course
    python -m tools.course pictures
    python -m tools.course overfitting
    python -m tools.course measure "demo: start values"

Without a word it writes all three. The chapters' experiments are overfitting, decoding, attention. `measure` runs the
commands of docs/measured.json, all or those named, and keeps their figures.
"""

import re
from dataclasses import dataclass, field

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.files import write_bytes, write_text
from league.values import check_data_dir
from tools.course.addresses import ROOT, repository, with_address
from tools.course.measure import experiment_of, measure
from tools.course.notebooks import NOTEBOOKS, pages, written

PARTS = ("pictures", "notebooks", "addresses")
EXPERIMENTS = ("overfitting", "decoding", "attention")


@dataclass
class CourseOptions:
    data_dir: str | None = field(default=None, metadata={"help": "what DIR stands for in the commands to be measured"})


def main(argv: list[str] | None = None) -> None:
    words = {"parts": {"nargs": "*", "help": f"{', '.join(PARTS)} (default: these), or measure and experiments"}}
    options, named = parse_options(__doc__, CourseOptions, argv=argv, words=words)
    check_data_dir(options.data_dir)
    if named.parts[:1] == ["measure"]:
        return measure(named.parts[1:], options.data_dir)
    if unknown := set(named.parts) - {*PARTS, *EXPERIMENTS}:
        raise UserError(f"{sorted(unknown)[0]!r}: no part of the course: {', '.join((*PARTS, *EXPERIMENTS))}, measure.")
    for part in named.parts or PARTS:
        if part in EXPERIMENTS:
            experiment_of(part)
        else:
            {"pictures": write_pictures, "notebooks": write_notebooks, "addresses": write_addresses}[part]()


def write_pictures() -> None:
    from tools.course.pictures import IMAGES, PICTURES, draw

    for name in PICTURES:
        write_bytes(IMAGES / f"{name}.png", draw(name))
        print(f"written: {name}.png")


def write_notebooks() -> None:
    NOTEBOOKS.mkdir(exist_ok=True)
    for page in pages():
        write_text(*written(page))
    print(f"written: {len(pages())} notebooks")


def write_addresses() -> None:
    address = repository()
    for page in (*ROOT.glob("README*.md"), *ROOT.glob("docs/**/*.md")):
        text = page.read_text(encoding="utf-8")
        language = "ko" if page.name.endswith(".ko.md") else "en"
        if text != (filled := with_address(text, language, address)):
            write_text(page, filled)
            print(f"written: {page.relative_to(ROOT)}")
    game = ROOT / "league.ipynb"
    line = f'"REPOSITORY = \\"{address or ""}\\"'
    write_text(game, re.sub(r'"REPOSITORY = \\"[^"]*\\"', lambda _: line, game.read_text(encoding="utf-8")))


if __name__ == "__main__":
    run_command(main)
