"""The command that makes what the course's pages have beside their text: figures are kept, wrong words are told."""

import json
import shutil

import pytest

from league.errors import UserError
from tools.course import __main__ as tool
from tools.course import measure


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A table of figures with one experiment, in a folder without runs."""
    monkeypatch.chdir(tmp_path)
    for name in ("MEASURED", "CURVES"):
        monkeypatch.setattr(measure, name, tmp_path / f"{name.lower()}.json")
    commands = ["python train_pretrain.py --entry one --data_dir DIR", "python evaluate_bleu.py --entry one"]
    measure.MEASURED.write_text(json.dumps({"it": {"commands": commands, "figures": {"score": 1.0}}}))
    measure.CURVES.write_text("{}")
    return tmp_path


def test_what_is_not_known_is_told_in_one_line(kept):
    with pytest.raises(UserError, match="'picture': no part of the course: pictures, notebooks"):
        tool.main(["picture"])
    with pytest.raises(UserError, match="'that': no experiment of measured.json, which has it"):
        tool.main(["measure", "that"])
    with pytest.raises(UserError, match="needs --data_dir, the folder that DIR stands for"):
        tool.main(["measure", "it"])


@pytest.mark.parametrize("threads", [{}, {"threads": 2}])
def test_figures_and_curves_of_the_commands_are_kept(kept, played, monkeypatch, threads):
    experiments = json.loads(measure.MEASURED.read_text())
    measure.MEASURED.write_text(json.dumps({"it": experiments["it"] | threads}))
    (kept / "data").mkdir()
    ran = []
    done = type("Done", (), {"returncode": 0})
    monkeypatch.setattr(measure.subprocess, "run", lambda words, env: ran.append((words[1:], env)) or done)
    shutil.copytree(played / "runs" / "one", kept / "runs" / "one")
    tool.main(["measure", "it", "--data_dir", "data"])
    data = str(kept / "data")
    assert [words for words, _ in ran] == [
        ["train_pretrain.py", "--entry", "one", "--data_dir", data],
        ["evaluate_bleu.py", "--entry", "one"],
    ]
    assert {env["OMP_NUM_THREADS"] for _, env in ran} == {str(threads.get("threads", 1))}
    record = json.loads((kept / "runs" / "one" / "record.json").read_text())
    figures = json.loads(measure.MEASURED.read_text())["it"]["figures"]
    assert figures["score"] == round(record["score"]["value"], 2)
    assert figures["captions after pretrain"] == record["stages"]["pretrain"]["validation"]["captions"]
    steps, losses = json.loads(measure.CURVES.read_text())["it"]["pretrain"]
    assert len(steps) == len(losses) <= 2 * measure.POINTS and steps[-1] == record["stages"]["pretrain"]["steps"]


def test_a_command_that_fails_stops_the_measuring(kept, monkeypatch):
    monkeypatch.setattr(measure.subprocess, "run", lambda *words, **_: type("Done", (), {"returncode": 2}))
    with pytest.raises(UserError, match="train_pretrain.py --entry one .* ended with code 2"):
        measure.measure(["it"], str(kept))
    assert json.loads(measure.MEASURED.read_text())["it"]["figures"] == {"score": 1.0}
