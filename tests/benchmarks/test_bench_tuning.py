"""The comparison of searches: its curves, and what it resumes from."""

import dataclasses
import json
import math
import os
import signal
import statistics
from dataclasses import dataclass
from typing import Annotated

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from play import TINY

from benchmarks import __main__ as bench
from benchmarks import setting, tuning
from benchmarks.setting import Bench
from benchmarks.tuning import TuningOptions, common_grid, in_turn, merge, on_grid, time_to_reach
from league.errors import UserError
from league.rulebook import DEFAULT_TUNED
from league_config import FinetuneHP, ModelHP

MINUTES = 10.0
HUNDREDTHS = st.integers(1, 1200).map(lambda number: number / 100)  # of a minute: there is always one in between
POINTS = st.lists(st.tuples(HUNDREDTHS, st.floats(0.1, 60.0)), max_size=6)
RUNS = st.lists(POINTS, min_size=1, max_size=5)


# Curves


@given(POINTS)
def test_a_curve_is_the_best_of_what_was_there(points):
    grid = common_grid([points], MINUTES)
    curve = on_grid(points, grid)
    assert grid[0] == 0.0 and max(grid) == MINUTES and curve[0] == 0.0 and curve == sorted(curve)
    for minute, bleu in points:
        if minute <= MINUTES:
            assert curve[grid.index(minute)] >= bleu
    assert set(curve) <= {0.0, *(bleu for minute, bleu in points if minute <= MINUTES)}


@given(RUNS)
def test_median_and_range_of_runs_are_those_at_each_moment(runs):
    grid = common_grid(runs, MINUTES)
    merged = merge(runs, grid)
    assert merge(runs[::-1], grid) == merged
    for low, middle, high in zip(*(merged[name] for name in ("min", "median", "max")), strict=True):
        assert low <= middle <= high
    assert all(values == sorted(values) for values in merged.values())
    # Between two minutes of the grid no run changes: a finer grid shows nothing else.
    between = [(one + two) / 2 for one, two in zip(grid, grid[1:], strict=False)]
    assert merge(runs, between)["median"] == merged["median"][:-1]
    assert merged["median"][-1] == statistics.median(on_grid(points, [MINUTES])[0] for points in runs)


@given(RUNS, st.floats(0.0, 61.0))
def test_the_time_to_reach_a_level_is_the_first_one(runs, level):
    grid = common_grid(runs, MINUTES)
    median = merge(runs, grid)["median"]
    minute = time_to_reach(grid, median, level)
    if minute is None:
        assert max(median) < level
    else:
        at = grid.index(minute)
        assert median[at] >= level and all(value < level for value in median[:at])


@given(st.lists(st.sampled_from(list(tuning.JOBS)), min_size=1, unique=True), st.integers(1, 9))
def test_everyone_searches_once_a_repeat_and_is_first_in_turn(rivals, repeats):
    order = in_turn(rivals, repeats)
    assert sorted(order) == sorted((rival, repeat) for rival in rivals for repeat in range(1, repeats + 1))
    assert [repeat for _, repeat in order] == sorted(repeat for _, repeat in order)
    firsts = [order[i * len(rivals)][0] for i in range(repeats)]
    assert len(set(firsts)) == min(repeats, len(rivals))


def test_the_table_tells_when_ours_is_where_a_rival_ends():
    def run(*points):
        return {"entries": [{"minute": minute, "validation": bleu} for minute, bleu in points], "trials": len(points)}

    runs = {"ours": [run((2, 30.0), (4, 36.0))] * 3, "random": [run((3, 20.0), (8, 35.0)), run((9, 33.0)), run()]}
    (ours, random), curves = tuning.compare(runs, MINUTES)
    assert ours["final BLEU"]["median"] == 36.0 and ours["there at min"] == 4 and "share of time" not in ours
    assert random["final BLEU"] == {"median": 33.0, "min": 0.0, "max": 35.0, "values": [35.0, 33.0, 0.0]}
    assert (random["there at min"], random["ours there at min"], random["share of time"]) == (9, 4, 0.4)
    assert curves["random"]["minute"] == curves["ours"]["minute"] == [0.0, 2, 3, 4, 8, 9, 10.0]
    (better,), _ = tuning.compare({"random": runs["random"]}, MINUTES)
    assert "share of time" not in better, "there is nothing to compare with"
    scores = [
        dict(test=30.0, official=True, failed_checks=[]),
        dict(test=20.0, official=False, failed_checks=[]),
    ]
    scores.append(dict(test=40.0, official=True, failed_checks=["the files are there"]))
    (scored,), _ = tuning.compare({"ours": [run() | {"score": score} for score in scores]}, MINUTES)
    assert (scored["test BLEU"]["median"], scored["proven"]) == (30.0, "1 of 3") and "proven" not in ours
    (_, nothing), _ = tuning.compare({"ours": runs["ours"], "tpe": [run()]}, MINUTES)
    assert nothing["there at min"] is None and nothing["share of time"] is None, "there is nothing to reach"


# The comparison


@pytest.fixture
def arena(tmp_path, monkeypatch) -> Bench:
    """A benchmark whose searches are made up here, in no time."""
    monkeypatch.setattr(setting, "CACHE", tmp_path / "cache")
    (tmp_path / "multi30k").mkdir()
    for language in ("de", "en"):
        (tmp_path / "multi30k" / f"train.{language}").write_text("ein Hund\n")
    (tmp_path / "work").mkdir()
    return Bench(TuningOptions(repeats=2), tmp_path, tmp_path / "work")


class Searches:
    """In place of processes; ends with Ctrl-C after so many."""

    def __init__(self, most: float = math.inf):
        self.most, self.played = most, []

    def __call__(self, job, folder, **options):
        assert not list(folder.iterdir()), "nobody finds what another one has left"
        (folder / "runs").mkdir()
        if len(self.played) == self.most:
            raise KeyboardInterrupt
        self.played.append((job, options.get("sampler"), options["seed"]))
        entries = [
            {"minute": minute, "validation": options["seed"] + minute} for minute in (1.0, MINUTES, MINUTES + 0.1)
        ]
        return {"entries": entries, "trials": 7}

    @staticmethod
    def of(order: list[tuple[str, int]]) -> list[tuple]:
        """Return what is played for a list of rivals and repeats."""
        return [(tuning.JOBS[rival][0], tuning.JOBS[rival][1].get("sampler"), repeat) for rival, repeat in order]


def kept() -> list[dict]:
    [folder] = setting.CACHE.glob("tuning-*")
    return [json.loads(path.read_text()) for path in folder.iterdir()]


def test_a_study_goes_on_where_it_was_interrupted(arena, monkeypatch):
    first, second, third, fourth = Searches(3), Searches(), Searches(), Searches()
    monkeypatch.setattr(tuning, "once", first)
    with pytest.raises(KeyboardInterrupt):
        tuning.measure(arena)
    assert len(kept()) == 3, "each is written when it is over"
    assert not set(setting.CACHE.glob("*.png")), "no picture of a part"

    monkeypatch.setattr(tuning, "once", second)
    measured = tuning.measure(arena)
    assert first.played + second.played == Searches.of(in_turn(list(tuning.JOBS), 2))
    assert not list(arena.folder.iterdir())
    assert [row["final BLEU"]["values"] for row in measured["rows"]] == [[11.0, 12.0]] * 4, (
        "the late one does not count"
    )
    assert all(len(run["entries"]) == 2 for run in kept())
    assert {path.suffix for path in setting.CACHE.glob("tuning.*")} == {".png", ".svg"}

    # More of it is added, less of it is taken from what is there.
    monkeypatch.setattr(tuning, "once", third)
    more = dataclasses.replace(arena, options=TuningOptions(repeats=3, rivals=["ours", "tpe"]))
    assert len(tuning.measure(more)["rows"]) == 2
    assert third.played == Searches.of([("ours", 3), ("tpe", 3)])

    monkeypatch.setattr(tuning, "once", fourth)
    less = dataclasses.replace(arena, options=TuningOptions(repeats=1))
    assert [len(runs) for runs in tuning.measure(less)["runs"].values()] == [1] * 4 and not fourth.played


def test_searches_of_other_code_or_another_setting_do_not_count(arena, monkeypatch):
    monkeypatch.setattr(tuning, "once", Searches())
    tuning.measure(arena)
    code_of = tuning.code_of
    monkeypatch.setattr(tuning, "code_of", lambda rival: "mended" if rival == "ours" else code_of(rival))
    monkeypatch.setattr(tuning, "once", again := Searches())
    measured = tuning.measure(arena)
    assert again.played == Searches.of([("ours", 1), ("ours", 2)])
    assert len(measured["runs"]["ours"]) == 2 and len(kept()) == 10

    monkeypatch.setattr(tuning, "once", shorter := Searches())
    tuning.measure(dataclasses.replace(arena, options=TuningOptions(repeats=2, minutes=5)))
    assert len(shorter.played) == 8


def test_the_code_of_a_search_is_what_it_runs(monkeypatch, tmp_path):
    codes = {rival: tuning.code_of(rival) for rival in tuning.JOBS}
    assert codes["random"] == codes["tpe"] and len(set(codes.values())) == 3
    for path in (*ROOT.glob("tools/tune/*.py"), *ROOT.glob("benchmarks/*.py"), ROOT / "tools/trainer_search/trials.py"):
        place = tmp_path / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    monkeypatch.setattr(tuning, "ROOT", tmp_path)
    assert {rival: tuning.code_of(rival) for rival in tuning.JOBS} == codes
    runs_it = {
        "benchmarks/tuning.py": set(),
        "benchmarks/rivals.py": set(codes),
        "tools/tune/trial.py": set(codes),
        "tools/tune/plan.py": {"ours"},
        "tools/trainer_search/trials.py": {"trainer"},
    }
    for name, rivals_of_it in runs_it.items():
        before = (tmp_path / name).read_bytes()
        (tmp_path / name).write_text("")
        assert {rival for rival in codes if tuning.code_of(rival) != codes[rival]} == rivals_of_it, name
        (tmp_path / name).write_bytes(before)


@dataclass(frozen=True)
class WiderModelHP(ModelHP):
    d_model: Annotated[int, (16, 1024), ""] = 16


def test_searches_over_other_ranges_do_not_count(arena, monkeypatch):
    monkeypatch.setattr(tuning, "once", Searches())
    tuning.measure(arena)
    monkeypatch.setitem(DEFAULT_TUNED, "pretrain", WiderModelHP)
    monkeypatch.setattr(tuning, "once", again := Searches())
    tuning.measure(arena)
    assert len(again.played) == 8


def test_it_runs_only_where_it_is_named():
    assert not set(bench.ON_REQUEST) & set(bench._parts([])) and "tuning" in bench.ON_REQUEST
    assert sorted(bench.ON_REQUEST) == ["busy", "league", "tuning"]
    assert bench._parts(["tuning", "data"]) == ["data", "tuning"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--minutes", "0"], "--minutes 0: must be above 0"),
        (["--minutes", "11"], "no more than the league's 10"),
        (["--minutes", "nan"], "--minutes nan: must be above 0"),
        (["--repeats", "0"], "--repeats 0: must be at least 1"),
        (["--rivals", "ours", "ours"], "--rivals ours ours: each at most once"),
        (["--rivals", "nobody"], "invalid choice: 'nobody'"),
    ],
)
def test_what_cannot_be_compared_is_refused(words, message):
    with pytest.raises(UserError, match=message):
        bench.main(["tuning", *words])


@pytest.mark.slow
def test_the_part_runs_in_processes_of_its_own(monkeypatch, tmp_path):
    warm_up = int(FinetuneHP.warmup_steps)
    (tmp_path / "sitecustomize.py").write_text(
        "import dataclasses, league_config, play\n"
        f"stage = dataclasses.replace(play.TINY.finetune, arguments={{'max_steps': {warm_up}}})\n"
        "league_config.LEAGUES['tiny'] = dataclasses.replace(play.TINY, finetune=stage)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT / 'tests'}")
    monkeypatch.setattr(tuning, "league_of", lambda options: TINY)
    monkeypatch.setattr(setting, "CACHE", tmp_path / "cache")
    words = ["tuning", "--minutes", "0.5", "--repeats", "1", "--output", str(tmp_path / "bench.json")]
    handler = signal.getsignal(signal.SIGTERM)
    try:
        bench.main(words)
        first = json.loads((tmp_path / "bench.json").read_text())["parts"]["tuning"]
        monkeypatch.setattr(tuning, "once", None)
        bench.main(words)
    finally:
        signal.signal(signal.SIGTERM, handler)
    again = json.loads((tmp_path / "bench.json").read_text())["parts"]["tuning"]
    assert again["rows"] == first["rows"] and [row["arm"] for row in first["rows"]] == list(tuning.JOBS)
    assert all(run["trials"] > 0 for runs in first["runs"].values() for run in runs)
    assert str(tmp_path) not in json.dumps(first)
