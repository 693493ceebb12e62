"""The search's report can be drawn of every study."""

import copy
import os
from pathlib import Path

import pytest
from reports import Page
from studies import KNOBS, study_of

from tools.tune import report
from tools.tune.report import write_report
from tools.tune.summary import terminal_summary

HOSTILE = "<script>alert('x')</script> & $\\frac$ \"quoted\""


def with_accidents() -> dict:
    study = study_of(9, 6, final={"validation": 36.3, "test": 37.0, "interval": [35.1, 38.8], "official": True})
    for number, state in ((2, "failed"), (4, "diverged"), (6, "cut"), (-1, "running")):
        lost = {"state": state, "validation": None, "change": None, "reason": f"{state}: {HOSTILE}", "origin": HOSTILE}
        study["trials"][number].update(lost)
    study["trials"][4]["curve"] = [[10, 5.0], [20, 1e30]]
    study["trials"][-1].update(ended_minute=None, steps_per_second=None, curve=[])
    return {**study, "entry": HOSTILE, "state": "done", "commands": [HOSTILE], "next": [HOSTILE]}


def with_strange_values() -> dict:
    study = study_of(4, 4)
    study["trials"][0]["values"].update(d_model=320, dropout=0.9)
    study["trials"][1].update(validation=0.0, curve=[[10, 0.0]])
    study["trials"][-1]["values"].update(learning_rate=0.0, warmup_steps=0.06, lr_scheduler_type="$x$" * 40)
    study["trials"][-2].update(change=-1e6, validation=1e6, began_minute=0.0, ended_minute=1e5)
    return study


def with_a_task_for_each_stage() -> dict:
    metrics = {"pretrain": "masked accuracy", "finetune": "accuracy"}
    study = study_of(9, 6, metric="accuracy", metrics=metrics, has_one_task=False)
    for one in (*study["trials"], study["best"]):
        one["change"] = None
    study["best"]["pretrain_validation"] = None
    return study


STUDIES = {
    "nothing": lambda: study_of(0, 0, plan=[], next=[], commands=[]),
    "one trial": lambda: study_of(1, 0),
    "one structure that ran": lambda: {**study_of(1, 0), "trials": study_of(1, 0)["trials"][:1], "best": None},
    "only structures": lambda: study_of(12, 0),
    "only fine-tunes": lambda: study_of(0, 12, only="finetune", seed_deviation=None),
    "one stage has knobs": lambda: study_of(0, 12, knobs={"finetune": KNOBS["finetune"]}),
    "accidents": with_accidents,
    "strange values": with_strange_values,
    "a task for each stage": with_a_task_for_each_stage,
    "500 trials": lambda: study_of(240, 180),
}
WITH_PICTURE = ("nothing", "one stage has knobs", "accidents", "500 trials")  # of the very panels of the page


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_can_be_drawn(name, tmp_path, monkeypatch):
    study = STUDIES[name]()
    if name not in WITH_PICTURE:
        monkeypatch.setattr(report, "study_png", lambda *_: b"")
    before = copy.deepcopy(study)
    text = write_report(study, tmp_path).read_text(encoding="utf-8")
    assert study == before
    page = Page(text)
    rows = [row for row in page.rows if row.isdigit()]  # beside them those of the picked values
    assert sorted(map(int, rows)) == [one["number"] for one in study["trials"]]
    assert len(page.ids) == len(set(page.ids))
    assert page.labels and all(page.labels)
    assert "http" not in text and page.tags.count("script") == 3
    assert len(text.encode()) < 1_500_000
    assert text.count("<tr data-mark=") == len(study["trials"])
    assert page.text.count(study["entry"]) >= 2
    assert all(one["reason"] in page.text for one in study["trials"] if one["reason"])
    if picture := (tmp_path / "report.png").read_bytes():
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert [int.from_bytes(picture[place : place + 4], "big") for place in (16, 20)] == [1600, 1900]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.png"]


def test_a_stage_with_a_task_of_its_own_is_judged_by_its_own_metric(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "study_png", lambda *_: b"")
    study = with_a_task_for_each_stage()
    text = write_report(study, tmp_path).read_text(encoding="utf-8")
    assert all(f"masked accuracy {one['validation']:.2f}" in text for one in study["trials"][:9])
    assert ">change<" not in text and ">change<" in write_report(study_of(9, 6), tmp_path).read_text(encoding="utf-8")
    assert f"-> validation accuracy {study['best']['validation']:.2f}" in terminal_summary(study)


@pytest.mark.parametrize("name", STUDIES)
def test_the_summary_fits_a_screen(name):
    lines = terminal_summary(STUDIES[name](), Path("runs/mine/tune/report.html")).splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) <= 24
    assert lines[-1] == "Report: runs/mine/tune/report.html"


def test_the_summary_moves_no_cursor():
    assert "\x1b" not in terminal_summary({**study_of(1, 1), "entry": "a\x1b[2Jb"})


def test_a_kill_while_writing_leaves_the_old_picture(tmp_path, monkeypatch):
    (tmp_path / "report.png").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", lambda *_: pytest.fail("replaced"))
    with pytest.raises(pytest.fail.Exception):
        report.write_bytes(tmp_path / "report.png", b"new")
    assert (tmp_path / "report.png").read_bytes() == b"old"
