"""The course's chapters as notebooks: all cells run, one chapter after the other, and print what the pages say."""

import os
import resource
import sys
from itertools import pairwise

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

from tools.course import notebooks

CHAPTERS = [page for page in notebooks.pages() if not page.name.endswith(".ko.md")]
MOST_SECONDS = 360  # of all together, on two cores that have nothing else to do


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder like the project's, without its runs: each chapter finds what those before it have trained."""
    folder = tmp_path_factory.mktemp("course")
    for path in (*ROOT.glob("*.py"), *(ROOT / name for name in ("league", "modeling", "tools", "docs"))):
        (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.slow
def test_the_chapters_run_and_print_what_the_pages_say(project, monkeypatch):
    for name, value in {"OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable), prepend=os.pathsep)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for page in CHAPTERS:
        notebook = nbformat.reads(notebooks.written(page)[1], as_version=4)
        NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(project)}}).execute()
        check(page, notebook)
    # The processors' time, not the clock's: a busy machine must not fail it.
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime) < 2 * MOST_SECONDS


def check(page, notebook) -> None:
    said = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            text = "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
            said[cell.source] = text
            assert "error: " not in text and "Traceback" not in text, f"{page.name}: {text}"
    for source, printed in printed_by_cells(page.read_text(encoding="utf-8")):
        assert said[source] == printed, page.name


def printed_by_cells(text: str) -> list[tuple[str, str]]:
    """Return each cell of code that is followed by what it prints, and that."""
    blocks = list(notebooks.BLOCK.finditer(text))
    pairs = [(one, other) for one, other in pairwise(blocks) if not text[one.end() : other.start()].strip()]
    cells = [(notebooks.source_of(*one.groups()), other.group(2)) for one, other in pairs if other.group(1) == "text"]
    assert all(source for source, _ in cells)
    return cells
