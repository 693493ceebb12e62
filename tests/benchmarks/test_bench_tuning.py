"""The comparison of searches: its curves, what it goes on from, and each rival on a league of seconds."""

import dataclasses
import itertools
import json
import math
import os
import signal
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import optuna
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from play import TINY

from benchmarks import __main__ as bench
from benchmarks import rivals, setting, tuning
from benchmarks.setting import Bench
from benchmarks.tuning import TuningOptions, common_grid, in_turn, merge, on_grid, time_to_reach
from league.errors import UserError
from league.run import stage as training
from league_config import LEAGUES, FinetuneHP, ModelHP, Stage
from tools.tune import __main__ as tune
from tools.tune import space

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
    """A benchmark whose searches are told here, in no time."""
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
    tools, copy = tuning.ROOT / "tools", tmp_path / "tools"
    for path in (*tools.glob("tune/*.py"), *tools.glob("bench/*.py"), tools / "trainer_search.py"):
        place = copy / path.relative_to(tools)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    monkeypatch.setattr(tuning, "ROOT", tmp_path)
    assert {rival: tuning.code_of(rival) for rival in tuning.JOBS} == codes
    runs_it = {
        "bench/tuning.py": set(),
        "bench/rivals.py": set(codes),
        "tune/trial.py": set(codes),
        "tune/plan.py": {"ours"},
        "trainer_search.py": {"trainer"},
    }
    for name, rivals_of_it in runs_it.items():
        before = (copy / name).read_bytes()
        (copy / name).write_text("")
        assert {rival for rival in codes if tuning.code_of(rival) != codes[rival]} == rivals_of_it, name
        (copy / name).write_bytes(before)


def test_searches_over_other_ranges_do_not_count(arena, monkeypatch):
    monkeypatch.setattr(tuning, "once", Searches())
    tuning.measure(arena)
    monkeypatch.setitem(space.KINDS, "pretrain", SmallModelHP)
    monkeypatch.setattr(tuning, "once", again := Searches())
    tuning.measure(arena)
    assert len(again.played) == 8


def test_it_runs_only_where_it_is_named():
    assert not set(bench.ON_REQUEST) & set(bench._parts([])) and "tuning" in bench.ON_REQUEST
    assert sorted(bench._parts([])) + sorted(bench.ON_REQUEST) == sorted(bench._parts([])) + ["league", "tuning"]
    assert bench._parts(["tuning", "data"]) == ["data", "tuning"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--minutes", "0"], "--minutes 0: must be above 0"),
        (["--minutes", "11"], "no more than the league's 10"),
        (["--minutes", "nan"], "--minutes nan: must be above 0"),
        (["--repeats", "0"], "--repeats 0: must be at least 1"),
        (["--rivals", "ours", "ours"], "--rivals ours ours: each at most once"),
        (["--rivals", "nobody"], "invalid choice: 'nobody'"),
    ],
)
def test_what_cannot_be_compared_is_refused(words, told):
    with pytest.raises(UserError, match=told):
        bench.main(["tuning", *words])


# The rivals, on a league of seconds


class Answers:
    """In place of the channel to the benchmark."""

    def __init__(self):
        self.answers, self.said = [], []

    def answer(self, **facts):
        self.answers.append(json.loads(json.dumps(facts)))

    def say(self, text):
        self.said.append(text)


def quality(d_model: int, learning_rate: float) -> float:
    """Return what a model is worth here, where none learns anything in ten steps."""
    return round(d_model + 1e4 * learning_rate, 2)


def expected_of(trainer) -> float:
    return quality(trainer.model.config.d_model, trainer.args.learning_rate)


@dataclass(frozen=True)
class SmallModelHP(ModelHP):
    d_model: Annotated[int, (16, 32), ""] = 16
    nhead: Annotated[int, (2, 4), ""] = 2
    num_layers: Annotated[int, (1, 2), ""] = 1
    d_ff: Annotated[int, (16, 32), ""] = 16


@dataclass(frozen=True)
class SmallFinetuneHP(FinetuneHP):
    warmup_steps: Annotated[float, (0, 2, 4, 25), ""] = 2


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The tiny league, smaller, with ranges that fit it but for one value; here."""
    kinds = {"ModelHP": SmallModelHP, "FinetuneHP": SmallFinetuneHP}
    for (name, kind), stage in zip(kinds.items(), space.KINDS, strict=True):
        monkeypatch.setitem(space.KINDS, stage, kind)
        monkeypatch.setattr(tune, name, kind)
    stages = {}
    for name in space.KINDS:
        stage = getattr(TINY, name)
        corpus = dataclasses.replace(stage.corpus, num_validation_pairs=6)
        stages[name] = Stage(corpus, stage.arguments | {"max_steps": 15})
    league = dataclasses.replace(TINY, name="small", max_length=16, batch_size=4, **stages)
    monkeypatch.setitem(LEAGUES, "small", league)
    monkeypatch.setattr(training, "validate", lambda trainer, splits: dict.fromkeys(splits, expected_of(trainer)))
    monkeypatch.chdir(tmp_path)
    yield league
    optuna.logging.set_verbosity(optuna.logging.INFO)


class Ticking:
    """In place of the module `time`: each look at the clock costs so many seconds, however fast this machine is."""

    def __init__(self, seconds: float):
        self.monotonic = itertools.count(0.0, seconds).__next__


def search(job: str, minutes: float, **more) -> tuple[list[dict], int, dict | None]:
    """Let a rival search in this process; return its entries, how many trials it began, and the score if it has one."""
    channel = Answers()
    getattr(rivals, job)(channel, league="small", data_dir=None, minutes=minutes, seed=3, **more)
    [answer] = channel.answers
    for one in answer["entries"]:
        for stage, kind in space.KINDS.items():
            assert set(one[stage]) == set(kind.__dataclass_fields__)
            assert space.why_not(stage, one[stage], LEAGUES["small"]) is None
        assert one["validation"] == quality(one["pretrain"]["d_model"], one["finetune"]["learning_rate"])
    return answer["entries"], answer["trials"], answer.get("score")


def test_our_search_tells_its_complete_entries(small, monkeypatch, tmp_path):
    monotonic = time.monotonic
    for speed in (10, 3, 1):  # the plan knows trials of seconds, not less; a slow machine needs none of it
        monkeypatch.setattr(time, "monotonic", lambda speed=speed: speed * monotonic())
        (tmp_path / str(speed)).mkdir()
        monkeypatch.chdir(tmp_path / str(speed))
        entries, num_trials, score = search("ours", 2.0)
        if entries:
            break
    told = json.loads(Path("runs/ours/tune/study.json").read_text())
    assert (told["seed"], told["state"], len(told["trials"])) == (3, "done", num_trials)
    assert max(one["validation"] for one in entries) == told["best"]["validation"]
    record = json.loads(Path("runs/ours/record.json").read_text())
    assert (score["test"], score["official"]) == (record["score"]["bleu"], record["official"])
    assert score["failed_checks"] == [] and score["minutes"] == record["clock"]["minutes"]


def test_only_a_whole_fine_tune_is_an_entry():
    trials = [
        {"stage": stage, "fidelity": fidelity, "state": state, "ended_minute": number, "validation": 1.0}
        | {"structure": {"d_model": number}, "values": {}}
        for number, (stage, fidelity, state) in enumerate(
            itertools.product(("pretrain", "finetune"), (0.25, 1.0), ("complete", "cut", "diverged", "running"))
        )
    ]
    [entry] = rivals.complete_entries({"trials": trials})
    assert trials[entry["minute"]].items() >= {"stage": "finetune", "fidelity": 1.0, "state": "complete"}.items()
    assert entry["pretrain"] == {"d_model": entry["minute"]} and entry["finetune"] == {}


def test_samplers_play_whole_entries_until_the_time_is_over(small, monkeypatch):
    second_ones = []
    for rival in ("random", "tpe"):
        monkeypatch.setattr(rivals, "time", Ticking(60))
        entries, num_trials, _ = search("whole_entries", 12.0, **tuning.JOBS[rival][1])
        assert 2 <= len(entries) <= num_trials
        minutes = [one["minute"] for one in entries]
        assert minutes == sorted(minutes) and minutes[0] > 0
        assert not Path("runs/rival").exists(), "no checkpoints pile up"
        assert all(entries[0][stage] == space.start_values(stage) for stage in space.KINDS)
        second_ones.append(entries[1]["finetune"])
    assert second_ones[0] != second_ones[1], "two rivals, not one twice"


def test_the_librarys_search_is_judged_by_entries_with_its_values(small, monkeypatch):
    monkeypatch.setattr(rivals, "time", Ticking(1))
    bleu = itertools.count(1.0)
    monkeypatch.setattr("sacrebleu.corpus_bleu", lambda texts, references: SimpleNamespace(score=next(bleu)))
    entries, num_trials, _ = search("trainer", 0.75)
    assert num_trials == 3 and [one["told"] for one in entries] == [1.0, 2.0], "the last one was under way"
    assert all(one["pretrain"] == space.start_values("pretrain") for one in entries)
    assert 0 < entries[0]["minute"] < entries[1]["minute"] < 0.75


@given(st.lists(st.floats(0.0, 60.0), max_size=8), st.booleans())
def test_improvements_are_what_the_best_value_rose_by(values, is_one_under_way):
    found = [{"told": value, "minute": float(i)} for i, value in enumerate(values)]
    kept = rivals.improvements(found + [{"told": None, "minute": None}] * is_one_under_way)
    points = [(one["minute"], one["told"]) for one in found]
    assert on_grid([(one["minute"], one["told"]) for one in kept], range(8)) == on_grid(points, range(8))
    assert [one["told"] for one in kept] == sorted({one["told"] for one in kept})


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
    for module in (setting, bench):
        monkeypatch.setattr(module, "CACHE", tmp_path / "cache")
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
