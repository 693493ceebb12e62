"""What the app shows of running entries, from files that anyone may have written."""

import contextlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from msgspec import to_builtins
from play import TINY

from league.errors import UserError
from league.files import lock
from league.record.game_clock import GameClock
from league.run.progress import Progress
from tools.app.folder import Folder
from tools.app.live import LiveEntry, games, look
from tools.app.live_page import HEIGHT, WIDTH, lasting, live_page

HOSTILE = "<img src=x onerror=alert(1)>${alert(2)}{{alert(3)}}"
NOTHING = {"sentence": "", "glimpses": []}
PROGRESS = NOTHING | {
    "stage": "finetune",
    "step": 5,
    "max_steps": 10,
    "loss": 4.25,
    "seconds": 60.0,
    "curve": [6.0, 5.0, 4.25],
}


@pytest.fixture
def runs(played, tmp_path) -> Path:
    shutil.copytree(played / "runs", tmp_path / "runs", ignore=shutil.ignore_patterns(".cache"))
    return tmp_path / "runs"


def without_score(folder: Path, *stages: str) -> dict:
    """Turn an entry into one that is not finished."""
    record = json.loads((folder / "record.json").read_text())
    record = {key: value for key, value in record.items() if key != "score"} | {"official": False}
    record["stages"] = {name: facts for name, facts in record["stages"].items() if name in stages}
    (folder / "record.json").write_text(json.dumps(record))
    return record


@contextlib.contextmanager
def at_work(folder: Path, purpose: str | None):
    """Let an entry look as if a process were at work on it."""
    clock = {"spent": {"pretrain": 60.0}, "running": purpose, "interruptions": 0}
    (folder / "clock.json").write_text(json.dumps(clock))
    held = lock(folder / "lock")
    try:
        yield
    finally:
        held.close()


def row(runs: Path, name: str = "one") -> LiveEntry:
    return next(row for row in look(Folder(runs), games(Folder(runs))) if row.name == name)


# What is running


def test_a_finished_entry_is_done_with_its_score(runs):
    assert row(runs).state == "done, official" and row(runs).score is not None and not row(runs).is_running


def test_an_entry_that_trains_shows_how_far_it_is(runs):
    without_score(runs / "one", "pretrain")
    (runs / "one" / "progress.json").write_text(json.dumps(PROGRESS))
    with at_work(runs / "one", "finetune"):
        found = row(runs)
        assert found.is_running and found.state == "training stage B" and to_builtins(found.progress) == PROGRESS
        assert found.minutes_left == pytest.approx(4.0)
        page = live_page([found])
    assert "step 5 of 10, 60 s to go" in page and ">4.250<" in page and "<polyline" in page
    found = row(runs)
    assert found.progress is None and found.state == "interrupted" and not found.is_running


GLIMPSES = [
    {"step": step, "scores": {"captions": 40.0 - step, "talks": step / 2}, "prediction": f"A dog {HOSTILE} {step}"}
    for step in (1, 3, 5)
]


def test_both_domains_are_seen_while_a_fine_tune_runs_and_what_the_model_writes(runs):
    without_score(runs / "one", "pretrain")
    progress = PROGRESS | {"sentence": "Ein Hund", "glimpses": GLIMPSES}
    (runs / "one" / "progress.json").write_text(json.dumps(progress))
    with at_work(runs / "one", "finetune"):
        page = live_page([row(runs)])
    assert "captions <b>35.0</b>" in page and "talks <b>2.5</b>" in page and "<img" not in page
    assert "Ein Hund" in page and "A dog" in page and page.count("<polyline") == 3
    assert "updated" in page


def test_earlier_runs_of_the_stage_lie_behind_its_loss(runs):
    shutil.copytree(runs / "one", runs / "before")
    without_score(runs / "one", "pretrain")
    (runs / "one" / "progress.json").write_text(json.dumps(PROGRESS))
    with at_work(runs / "one", "finetune"):
        assert len(row(runs).behind) == 1 and 'class="behind"' in live_page([row(runs)])


def test_a_score_whose_report_is_drawn_is_not_loading(runs):
    with at_work(runs / "one", None):
        assert row(runs).state == "drawing the report"


def test_an_entry_that_stopped_says_at_which_step(runs):
    without_score(runs / "one", "pretrain")
    for step in (3, 7):
        (runs / "one" / "under_way" / "finetune" / f"checkpoint-{step}").mkdir(parents=True)
    assert row(runs).state == "stopped in stage B at step 7 of 10"


def test_the_best_ten_are_ranked_and_a_games_clock_is_seen(runs):
    for number in range(12):
        shutil.copytree(runs / "one", runs / f"e{number}")
    clock = GameClock("day", TINY, runs=runs)
    clock.take("a" * 64, 90.0)
    page = live_page(look(Folder(runs)), games(Folder(runs)))
    record = json.loads((runs / "one" / "record.json").read_text())
    record["game"] = {"name": "day", "id": "0" * 12, "minutes": 1.0, "entries": 2, "test_openings": 1}
    (runs / "one" / "record.json").write_text(json.dumps(record))
    assert row(runs).minutes_left == pytest.approx(3.5), "which the entries of a game share"
    assert page.count('class="place"') == 10
    assert "game day: 1.5 of 5 min used, 4 min left" in page


def test_a_game_with_a_damaged_file_is_left_out_and_the_others_are_seen(runs):
    for name in ("day", "night"):
        GameClock(name, TINY, runs=runs).take("a" * 64, 90.0)
    (damaged, *_) = (runs / ".games" / "night").glob("process-*.json")
    damaged.write_text("{")
    page = live_page(look(Folder(runs)), games(Folder(runs)))
    assert "game day: 1.5 of 5 min used" in page and "night" not in page


def test_scores_of_another_league_are_not_ranked_beside_these():
    rows = [LiveEntry(f"e{number}", "done", score=50.0 + number, league="demo", metric="BLEU") for number in range(3)]
    rows += [LiveEntry("reader", "done", score=99.0, league="demo-readers", metric="accuracy")]
    page = live_page(rows)
    assert page.count('class="place"') == 3 and "reader" not in page and "Best scores: demo, BLEU" in page
    rows += [LiveEntry(f"damaged {number}", "its record is damaged") for number in range(9)]
    assert "Best scores: demo, BLEU" in live_page(rows)
    rows.append(LiveEntry("other", "training", is_running=True, league="demo-readers"))
    assert "Best scores: demo-readers, accuracy" in live_page(rows)


@pytest.mark.parametrize(("seconds", "words"), [(-3, "0 s"), (59.6, "60 s"), (119, "119 s"), (150, "2 min")])
def test_a_time_is_said_in_what_one_counts_it_in(seconds, words):
    assert lasting(seconds) == words


@pytest.mark.parametrize(
    ("purpose", "stages", "state"),
    [
        (None, (), "loading"),
        ("pretrain", (), "validating"),
        ("score", ("pretrain", "finetune"), "scoring"),
    ],
)
def test_other_work_has_a_word(runs, purpose, stages, state):
    without_score(runs / "one", *stages)
    with at_work(runs / "one", purpose):
        assert row(runs).state == state


def test_between_two_commands_the_last_stage_is_told_with_its_bleu(runs):
    without_score(runs / "one", "pretrain")
    found = row(runs)
    assert found.state == "stage A complete" and "validation BLEU captions" in live_page([found])


def test_an_entry_left_alone_for_long_is_not_shown(runs):
    without_score(runs / "one", "pretrain")
    for name in ("record.json", "clock.json"):
        os.utime(runs / "one" / name, (1e9, 1e9))
    assert "Nothing is running" in live_page(look(Folder(runs)))


STUDY = {"state": "searching", "used_minutes": 15.0, "budget_minutes": 60.0, "trials": [{}, {}], "curves": "more"}


@pytest.mark.parametrize(
    ("study", "told"),
    [
        (
            STUDY | {"best": {"validation": None, "pretrain_validation": 31.5}},
            "2 trials; the search took 15 of its 60 min; best 31.50 BLEU",
        ),
        (STUDY | {"best": None}, "2 trials; the search took 15 of its 60 min<"),
        (STUDY | {"best": {"validation": HOSTILE}}, "2 trials; the search took 15 of its 60 min<"),
        (STUDY | {"best": None, "budget_minutes": 0}, "2 trials; the search took 15 of its 0 min<"),
        (
            STUDY | {"best": None, "trials": [{"number": 0, "stage": HOSTILE, "validation": 3.5}, {"number": 1}]},
            'class=""',
        ),
        (STUDY | {"best": None, "used_minutes": "x"}, "searching"),
        ([], "searching"),
        ({"trials": 3}, "searching"),
    ],
)
def test_a_search_shows_its_trials(runs, study, told):
    without_score(runs / "one")
    (runs / "one" / "tune").mkdir()
    (runs / "one" / "tune" / "study.json").write_text(json.dumps(study))
    with at_work(runs / "one", None):
        assert row(runs).state == "searching"
        assert told in live_page([row(runs)])


def test_a_search_shows_each_trial_that_runs(runs):
    without_score(runs / "one")
    (runs / "one" / "tune").mkdir()
    study = {"state": "searching", "used_minutes": 1.0, "budget_minutes": 5.0, "trials": [], "best": None}
    (runs / "one" / "tune" / "study.json").write_text(json.dumps(study))
    trials = [
        {"number": number, "stage": "pretrain", "device": f"GPU {number} {HOSTILE}", "step": 5, "steps": 1500}
        for number in (3, 4)
    ]
    with at_work(runs / "one", None):
        (runs / "one" / "tune" / "running.json").write_text(json.dumps({"trials": trials}))
        page = live_page([row(runs)])
        assert "trial 3, stage A: step 5 of 1,500, on GPU 3" in page and "trial 4, stage A" in page
        assert "<img" not in page
        (runs / "one" / "tune" / "running.json").write_text("{")
        assert "trial 3" not in live_page([row(runs)])


def test_damaged_entries_say_so_and_stop_nothing(runs):
    for name, content in (("broken", "{"), ("other", "[]"), ("half", '{"format": 2}')):
        (runs / name).mkdir()
        (runs / name / "record.json").write_text(content)
    (runs / "one" / "clock.json").write_text("{")
    rows = {row.name: row.state for row in look(Folder(runs))}
    assert [rows[name] for name in ("broken", "other", "half")] == ["its record is damaged"] * 3
    assert rows["one"] == "done, official"
    assert live_page(look(Folder(runs))).count("is damaged") == 3


def test_an_entry_that_vanishes_while_one_looks_is_left_out(runs, monkeypatch):
    folder = Folder(runs)
    monkeypatch.setattr(folder, "names", lambda: ["gone", "one"])
    assert {row.name for row in look(folder) if row.score is not None} == {"one"}


def test_words_of_others_never_become_html():
    page = live_page(
        [
            LiveEntry(HOSTILE, HOSTILE, is_running=True, validation={HOSTILE: 1.0}),
            LiveEntry(HOSTILE, HOSTILE, score=1.0),
        ]
    )
    assert "<img" not in page


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0], [3.0, 2.0, 1e14]])
def test_a_curve_stays_in_its_box(values):
    page = live_page([LiveEntry("one", "training", is_running=True, progress=Progress(**PROGRESS | {"curve": values}))])
    points = re.findall(r"([\d.-]+),([\d.-]+)", (re.search(r'points="([^"]*)"', page) or ["", ""])[1])
    assert len(points) == (len(values) if len(values) > 1 else 0)
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in points)


# The folder


def test_only_plain_names_of_real_folders_are_entries(runs):
    (runs / "link").symlink_to(runs / "one")
    shutil.copytree(runs / "one", runs / "bad name")
    (runs / "empty").mkdir()
    (runs / "file").write_text("x")
    assert Folder(runs).names() == ["one"]
    assert Folder(runs / "nowhere").names() == []


@pytest.mark.parametrize("name", ["..", "../runs/one", "/etc", "one/", "", None, "link", ["one"], "two"])
def test_a_name_that_is_not_listed_leads_nowhere(runs, name):
    (runs / "link").symlink_to(runs / "one")
    with pytest.raises(UserError, match="there is no entry"):
        Folder(runs).entry(name)
