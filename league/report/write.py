"""The report of an entry: report.html, one file with nothing to load, and plots/ with the same pictures as PNG."""

from pathlib import Path

from league.data.corpora import Split
from league.errors import UserError
from league.files import new_folder, write_bytes, write_text
from league.report.drawing import as_png
from league.report.facts import Facts, gather
from league.report.page import entry_page
from league.report.pictures import PICTURES
from league.report.texts import say

DPI = 200


def write_entry_report(
    folder: Path,
    out: Path | None = None,
    data_dir: str | None = None,
    test: Split | None = None,
    loaded: tuple | None = None,
) -> Path:
    """Write report.html and plots/ of the entry in `folder` into `out` (there), and return the page's path.

    Nothing of the entry is run or believed. `test` and `loaded` (model, tokenizer) save reading them where they are
    at hand.
    """
    return write_report(gather(folder, data_dir, test, loaded), out or folder)


def write_report(facts: Facts, out: Path) -> Path:
    page = entry_page(facts, links_from(out))
    try:
        out.mkdir(parents=True, exist_ok=True)
        with new_folder(out / "plots", is_precious=False) as plots:
            write_plots(facts, plots)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror or error}.") from None
    write_text(out / "report.html", page)
    return out / "report.html"


def links_from(out: Path) -> dict[str, str]:
    """Return the addresses of the pages that lie around an entry's: its search's, and the board's."""
    around = {"tune": Path("tune/report.html"), "board": Path("../../board/index.html")}
    return {name: path.as_posix() for name, path in around.items() if (out / path).is_file()}


def write_plots(facts: Facts, plots: Path) -> None:
    """Write the pictures that there is something to show in."""
    for picture in PICTURES.values():
        if not picture.has_something(facts):
            continue

        def draw(figure, picture=picture) -> None:
            picture.draw(figure.add_subplot(), facts)
            title = say(f"picture.{picture.name}")
            figure.suptitle(f"{facts.name[:40]}: {title}", fontsize=10, fontweight="bold")

        write_bytes(plots / f"{picture.name}.png", as_png(picture.size, draw, DPI))
