"""The course: its pages run, what they quote is so, and pictures and notebooks are those that their commands make."""

import ast
import importlib.util
import json
import re
import statistics
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from test_docs import ENGLISH, KOREAN, PAGES, name_of, without_blocks

from league.proof.noise import NOISE, Noise
from tools.course import addresses, notebooks
from tools.course.measure import measured
from tools.course.pictures import IMAGES, PICTURES, draw

COURSE = ROOT / "docs" / "course"
CHAPTERS = [page for page in notebooks.pages() if page in ENGLISH]
BLOCKS = [(page, *found.groups()) for page in PAGES for found in notebooks.BLOCK.finditer(page.read_text("utf-8"))]
# Pages that quote scores of the league; the others measure on their own, with the command beside.
QUOTING = [page for page in PAGES if re.match(r"README|guide|organiser|leagues", page.name) or page.parent == COURSE]
MOST_WORDS = 2000  # of prose: ten minutes


def test_quoted_code_is_in_the_code():
    quoted = [
        (page, text) for page, kind, text in BLOCKS if kind == "python" and notebooks.QUOTED.match(text.split("\n")[0])
    ]
    assert len(quoted) > 20
    for page, text in quoted:
        name, lines = text.split("\n", 1)
        assert lines in (ROOT / name.removeprefix("# ")).read_text(encoding="utf-8"), f"{page.name}: {text}"


def test_python_of_the_pages_can_be_read_and_imports_what_there_is():
    for page, kind, text in BLOCKS:
        if kind != "python" or notebooks.QUOTED.match(text.split("\n")[0]):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                found = importlib.util.find_spec(node.module)
                assert found, f"{page.name}: {node.module}"
                if node.module.split(".")[0] in ("league", "league_config", "modeling", "tools"):
                    assert all(exists(node.module, name.name) for name in node.names), (
                        f"{page.name}: {ast.unparse(node)}"
                    )


def exists(module: str, name: str) -> bool:
    return hasattr(importlib.import_module(module), name) or importlib.util.find_spec(f"{module}.{name}") is not None


@pytest.mark.parametrize("page", CHAPTERS, ids=name_of)
def test_a_chapter_has_its_parts_and_takes_ten_minutes(page):
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", without_blocks(text), re.MULTILINE)
    assert headings[-3:] == ["Three questions", "Experiment", "Sources"]
    questions = text.split("## Three questions")[1].split("<details>")[0]
    answers = text.split("<details>")[1].split("</details>")[0]
    assert [len(re.findall(r"^\d\. ", part, re.MULTILINE)) for part in (questions, answers)] == [3, 3]
    assert "*Guess first:*" in text and "*What was seen:*" in text and "](images/" in text
    assert re.search(r"^```python\n# \w", text, re.MULTILINE), "no code of ours"
    assert len(re.sub(r"<[^>]*>|\]\([^)]*\)", " ", without_blocks(text)).split()) <= MOST_WORDS


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == COURSE], ids=name_of)
def test_every_page_of_the_course_links_to_the_glossary(page):
    assert "glossary" in page.name or "](glossary" in page.read_text(encoding="utf-8") or "sources" in page.name


def test_every_word_of_the_glossary_is_used():
    text = "".join(page.read_text(encoding="utf-8").lower() for page in ENGLISH if page.name != "glossary.md")
    for word in re.findall(r"^### (.+)$", (COURSE / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE):
        assert word.lower() in text or f"{word.lower()}".replace(" ", "\n") in text, word


# Pictures


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_the_one_that_its_command_draws(name):
    assert (IMAGES / f"{name}.png").read_bytes() == draw(name)


def test_every_picture_is_shown_beside_its_command_and_none_is_left_over():
    assert {path.stem for path in IMAGES.iterdir()} == set(PICTURES)
    for page in ENGLISH:
        text = page.read_text(encoding="utf-8")
        assert (
            "python -m tools.course pictures" in text
            or not re.search(r"\]\((course/)?images/(\w+)\.png", text)
            or (page.parent != COURSE)
        )
    shown = {name for page in PAGES for name in re.findall(r"(?:course/|\()images/(\w+)\.png", page.read_text("utf-8"))}
    assert set(PICTURES) <= shown


# Notebooks


@pytest.mark.parametrize("page", notebooks.pages(), ids=name_of)
def test_a_notebook_is_its_page(page):
    path, text = notebooks.written(page)
    assert path.read_text(encoding="utf-8") == text
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert len(sources) > 1
    assert not any(source.startswith("# ") for source in sources), "quoted code would be run"


def test_a_page_and_its_translation_make_the_same_cells_of_code():
    for page in KOREAN:
        if page in notebooks.pages():
            cells = [
                notebooks.notebook_of(one)["cells"] for one in (page, page.with_name(page.name.replace(".ko", "")))
            ]
            assert len({str([cell["source"] for cell in part if cell["cell_type"] == "code"]) for part in cells}) == 1


# Figures


def known_figures() -> set[str]:
    """Return every figure that a page may quote: measured ones, and what seeds do."""
    figures = [value for one in measured().values() for value in one["figures"].values()]
    known = {f"{value:.2f}" for value in figures}
    changes = [one["figures"] for one in measured().values()]
    for domain in ("captions", "talks"):
        before, after = f"{domain} after pretrain", f"{domain} after finetune"
        known |= {f"{abs(one[after] - one[before]):.2f}" for one in changes if {before, after} <= one.keys()}
    for one in json.loads(NOISE.read_text(encoding="utf-8")).values():
        deviation = statistics.stdev(one["scores"].values())
        known |= {f"{deviation:.2f}", f"{Noise(deviation, len(one['scores'])).reach:.2f}"}
    return known


@pytest.mark.parametrize("page", QUOTING, ids=name_of)
def test_every_score_on_a_page_was_measured(page):
    text = re.sub(
        r"^```(?:python|text)\n.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    text = re.sub(r"`[^`\n]*`|\]\([^)]*\)", " ", text)
    quoted = set(re.findall(r"(?<![\d.])\d+\.\d\d(?![\d.])", text))
    assert quoted <= known_figures() | EXAMPLES.get(page.name.replace(".ko.md", ".md"), set())


# Figures of an example that is computed by hand, of speed, which stand beside their commands, and Python's version.
EXAMPLES = {
    "5-decoding.md": {"0.20", "0.36"},
    "3-training.md": {"6.91", "8.99"},
    "using.md": {"3.11"},
    "guide.md": {"5.83"},
    "README.md": {"4.39", "3.11"},
}


def test_each_figure_has_its_command():
    for name, one in measured().items():
        assert one["commands"] and one["figures"] is not None, name


# Addresses


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_addresses_are_those_of_the_project(page):
    text = page.read_text(encoding="utf-8")
    language = "ko" if page in KOREAN else "en"
    assert addresses.with_address(text, language, addresses.repository()) == text
    named = addresses.repository()
    rest = re.sub(r"<!-- (clone|colab).*?<!-- /\1 -->", "", text, flags=re.DOTALL)
    assert not re.search(r"git clone http|YOUR_|colab\.research", rest), "an address outside of its marks"
    assert named or "git clone http" not in text


def test_a_named_repository_reaches_pages_and_badges():
    text = "a\n<!-- clone -->\nold\n<!-- /clone -->\n<!-- colab docs/course/notebooks/x.ipynb -->\n<!-- /colab -->\nb\n"
    filled = addresses.with_address(text, "en", "https://github.com/club/league")
    assert "git clone https://github.com/club/league league\n" in filled and "old" not in filled
    assert "(https://colab.research.google.com/github/club/league/blob/main/docs/course/notebooks/x.ipynb)" in filled
    assert addresses.with_address(filled, "en", "https://github.com/club/league") == filled


def test_the_licence_is_named_where_packages_look_for_it():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'license = "Apache-2.0"' in project and "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_pages_with_remote_code_warn_of_it():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if "trust_remote_code=True)" in text:
            after = text.split("trust_remote_code=True)")[-1][:600]
            assert re.search(r"^> \*\*", after, re.MULTILINE), page.name


def test_notebooks_of_the_course_lie_where_the_badges_say():
    for page in notebooks.pages():
        (named,) = re.findall(r"<!-- colab ([\w./-]+) -->", page.read_text(encoding="utf-8"))
        assert Path(named) == notebooks.written(page)[0].relative_to(ROOT)
