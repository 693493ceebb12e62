"""The notebook: all its cells, in a real kernel, from top to bottom; nothing of a run is kept in it."""

import json
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOK = ROOT / "league.ipynb"
# Lets every process of the kernel know the tiny league: long enough for the start values' warm-up, small to search.
TINY = """
import dataclasses, typing
import league_config, play

stage = play.TINY.finetune
stage = dataclasses.replace(stage, arguments=stage.arguments | {"max_steps": 50})
play.TINY_LEAGUES["tiny"] = league_config.LEAGUES["tiny"] = dataclasses.replace(play.TINY, finetune=stage)
for name, span in {"d_model": (32, 64), "num_layers": (1, 2), "d_ff": (64, 128)}.items():
    league_config.ModelHP.__annotations__[name] = typing.Annotated[int, span, name]
"""


def read() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def is_code(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "code"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder that looks like the project's, without its runs."""
    for path in (*ROOT.glob("*.py"), *(ROOT / name for name in ("league", "modeling", "tools"))):
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    for name, value in {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def played(notebook: nbformat.NotebookNode, folder: Path, seconds: int) -> dict[str, str]:
    """Run all cells; return what each one of them said and showed, by its name."""
    NotebookClient(notebook, timeout=seconds, resources={"metadata": {"path": str(folder)}}).execute()
    said = {}
    for cell in filter(is_code, notebook.cells):
        data = [output.get("data", {}) for output in cell.outputs]
        shown = [text for one in data for text in (one.get("text/html"), one.get("text/markdown")) if text]
        text = "".join([output.get("text", "") for output in cell.outputs] + shown)
        said[cell.id] = text.replace("\r\n", "\n")  # of a terminal
    return said


def check_the_game(said: dict[str, str], folder: Path) -> None:
    for name, entry in {"score": "mine", "tune": "tuned"}.items():
        score = re.search(r"^FINAL_TEST_BLEU = ([\d.]+)$", said[name], re.MULTILINE).group(1)
        record = json.loads((folder / "runs" / entry / "record.json").read_text(encoding="utf-8"))
        assert f"{record['score']['value']:.2f}" == score
        assert record["official"], record["broken_rules"]
    for name in ("report", "tune-report"):
        assert said[name].startswith("<div><iframe") and "<svg" not in said[name] and "&lt;svg" in said[name]
    assert said["status"].startswith("mine: league ") and "complete" in said["status"]
    translations = (folder / "translated.txt").read_text(encoding="utf-8")
    assert re.fullmatch(r"(.+\n){3}", translations) and said["translate"].endswith(translations + "\n")
    assert said["compare"].startswith("mine")
    assert "| mine |" in re.sub(r"\[(\w+)\]\(.*?\)", r"\1", said["board"]) and "tuned" in said["board"]
    assert (folder / "mine.zip").stat().st_size > 1000
    assert not any("error: " in text or "Traceback" in text for text in said.values()), said
    assert said["setup"] == said["keep"] == said["hub-login"] == said["hub-push"] == ""


@pytest.mark.slow
def test_the_notebook_plays_the_whole_game(folder, monkeypatch):
    (folder / "sitecustomize.py").write_text(TINY)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT / "tests")]))
    monkeypatch.setenv("MINUTES", "1.2")
    notebook = read()
    cell = cell_of(notebook, "league")
    assert cell.source.count('LEAGUE = "demo"') == 1
    cell.source = cell.source.replace('LEAGUE = "demo"', 'LEAGUE = "tiny"')
    check_the_game(played(notebook, folder, 120), folder)


@pytest.mark.slow
def test_the_notebook_plays_the_demo_league_as_it_stands(folder, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    check_the_game(played(read(), folder, 1200), folder)


def cell_of(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    return next(cell for cell in notebook.cells if cell.id == name)


@pytest.fixture
def colab(folder, monkeypatch) -> nbformat.NotebookNode:
    """The cell that sets up, as Colab would run it: `git` makes what it would clone, whose tools.colab only says so."""
    commands = folder / "bin"
    commands.mkdir()
    made = "mkdir -p $4/tools && touch $4/league_config.py && echo 'print(\"installed\")' > $4/tools/colab.py"
    (commands / "git").write_text(f"#!/bin/sh\n{made} && echo git $*\n")
    (commands / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=os.pathsep)
    (folder / "empty").mkdir()
    notebook = read()
    stand_in = nbformat.v4.new_code_cell("import sys\nsys.modules['google.colab'] = sys")
    notebook.cells = [stand_in, cell_of(notebook, "setup")]
    return notebook


def test_only_colab_clones_and_installs(colab, folder):
    setup = colab.cells[1]
    assert setup.source.count('REPOSITORY = ""') == 1
    setup.source = setup.source.replace('REPOSITORY = ""', 'REPOSITORY = "https://github.com/club/league"')
    colab.cells.append(nbformat.v4.new_code_cell(setup.source, id="again"))
    said = played(colab, folder / "empty", 60)
    assert "git clone -q https://github.com/club/league league" in said["setup"]
    assert "installed" in said["setup"] and said["again"] == ""


def test_without_an_address_colab_is_told_what_is_missing(colab, folder):
    with pytest.raises(CellExecutionError, match="Put the address of your fork into REPOSITORY"):
        played(colab, folder / "empty", 60)


def test_runs_are_kept_in_a_second_place_and_brought_back(folder, tmp_path_factory):
    kept = tmp_path_factory.mktemp("drive") / "league"
    (folder / "runs" / "mine").mkdir(parents=True)
    (folder / "runs" / "mine" / "record.json").write_text("{}")
    notebook = read()
    keep = cell_of(notebook, "keep")
    keep.source = re.sub("KEEP = False", "KEEP = True", re.sub('KEPT = ".*?"', f'KEPT = "{kept}"', keep.source))
    end = nbformat.v4.new_code_cell("keeper.terminate(); keeper.wait()")
    notebook.cells = [cell_of(notebook, "setup"), keep, end]
    assert played(notebook, folder, 60)["keep"] == ""
    assert (kept / "mine" / "record.json").read_text() == "{}"
    (folder / "runs" / "mine" / "record.json").unlink()
    (folder / "runs" / "mine").rmdir()
    assert "brought back: mine" in played(notebook, folder, 60)["keep"]


def test_no_run_is_kept_in_it():
    notebook = read()
    nbformat.validate(notebook)
    for cell in filter(is_code, notebook.cells):
        assert cell.outputs == [] and cell.execution_count is None, cell.id
    assert set(notebook.metadata) == {"kernelspec", "language_info", "accelerator", "colab"}


def test_every_text_is_in_both_languages():
    for cell in read().cells:
        if not is_code(cell):
            assert re.search("[a-z]{4}", cell.source) and re.search("[가-힣]{2}", cell.source), cell.id
