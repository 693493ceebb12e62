"""The chapters as notebooks: made from the pages, so that nothing is written twice."""

import json
import re
from pathlib import Path

from tools.course.addresses import ROOT, repository

COURSE = ROOT / "docs" / "course"
NOTEBOOKS = COURSE / "notebooks"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"# [\w./]+\.(?:py|html)$")  # the first line of what is quoted from a file of ours
WORDS = {
    "en": "**Set-up.** On Colab, choose a GPU first (*Runtime → Change runtime type*), and run this cell.\n"
    "On your own computer it only goes to the project's folder.",
    "ko": "**준비.** Colab이라면 먼저 GPU를 고르고(*런타임 → 런타임 유형 변경*) 이 셀을 실행하세요.\n"
    "내 컴퓨터에서는 프로젝트 폴더로 옮겨 가기만 합니다.",
}
SETUP = """import os
import sys
import warnings
from pathlib import Path

REPOSITORY = "{address}"  # the address of your fork

if "google.colab" in sys.modules and not Path("/content/league").exists():
    assert REPOSITORY, "Put the address of your fork into REPOSITORY, a line above."
    !git clone -q {{REPOSITORY}} /content/league
folder = next(path for path in (Path("/content/league"), *Path.cwd().absolute().parents, Path.cwd())
              if (path / "league_config.py").exists())
os.chdir(folder)
sys.path.insert(0, str(folder))
warnings.filterwarnings("ignore", message="IProgress")  # of progress bars, which do without it
if "google.colab" in sys.modules:
    !{{sys.executable}} -m tools.colab"""


def pages() -> list[Path]:
    """Return the chapters, in both languages."""
    return sorted(COURSE.glob("[0-9]*.md"))


def notebook_of(page: Path) -> dict:
    """Return a chapter as a notebook: its text, its Python and its commands; what they print stays text."""
    language = "ko" if page.name.endswith(".ko.md") else "en"
    title, text = page.read_text(encoding="utf-8").split("\n", 1)
    cells = [markdown(title), markdown(WORDS[language]), code(SETUP.format(address=repository() or ""))]
    # Markdown waits until a cell of code comes: quoted code and printed text belong to it.
    waiting, end = "", 0
    for found in BLOCK.finditer(text):
        waiting += text[end : found.start()]
        end = found.end()
        source = source_of(*found.groups())
        if source is None:
            waiting += found.group()
        else:
            cells += [markdown(waiting), code(source)]
            waiting = ""
    cells.append(markdown(waiting + text[end:]))
    cells = [cell for cell in cells if cell["source"]]
    # In the order in which tools for notebooks write them, so that none of these changes a file by opening it.
    cells = [dict(sorted({**cell, "id": f"cell-{number}"}.items())) for number, cell in enumerate(cells)]
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def source_of(kind: str, text: str) -> str | None:
    """Return what a block runs: Python as it is, commands for the shell; None for what is only to be read."""
    if kind == "python" and not QUOTED.match(text.split("\n")[0]):
        return text.rstrip("\n")
    if kind == "":
        lines = [re.sub(r" +#.*", "", line) for line in text.rstrip("\n").split("\n")]
        return "\n".join(f"!{line}".replace("!python ", "!{sys.executable} ") for line in lines)
    return None


METADATA = {
    "accelerator": "GPU",
    "colab": {"provenance": []},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def markdown(text: str) -> dict:
    # A notebook lies one folder deeper than its page.
    text = re.sub(r"\]\((?!https?:|#)", "](../", text.strip())
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def code(text: str) -> dict:
    lines = text.splitlines(keepends=True)
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": lines}


def written(page: Path) -> tuple[Path, str]:
    """Return a chapter's notebook, its file and its text."""
    text = json.dumps(notebook_of(page), indent=1, ensure_ascii=False) + "\n"
    return NOTEBOOKS / page.with_suffix(".ipynb").name, text
