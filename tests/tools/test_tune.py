"""The search from end to end: whole, killed, shared by two, fed to the scripts, refused; and its parts one by one."""

import dataclasses
import functools
import importlib.metadata
import json
import math
import os
import random
import re
import shlex
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import optuna
import play
import pytest
import searches
from conftest import SMALL, command, run
from play import TINY
from searches import FROM, Process, spans_of, studies_of, trials_of

import league_config
import train_pretrain
from league.cli.options import parse_options
from league.data.corpora import load_split
from league.errors import UserError
from league.record.rules import SCHEDULE, STRUCTURE, scheduled_rate
from league.record.shape import read_record
from league.run import evidence, watch
from league.run.entry import Entry
from league.tasks.loss import SmoothedLoss
from league.untrusted import read_json
from league.values import TrainingOptions, as_values
from league_config import FinetuneHP, ModelHP, Range
from tools import verify
from tools.tune import __main__ as tune
from tools.tune import presence, study
from tools.tune.plan import Job, Planner, Wait
from tools.tune.presence import Presence, union
from tools.tune.search import Search
from tools.tune.space import ranges, start_values, why_not
from tools.tune.study import Study, distributions, from_params, to_params
from tools.tune.trial import Bench, share_left
from train_finetune import FinetuneOptions

SECONDS_A_TRIAL = 3.0  # in a search that is only simulated


def write_from(folder: Path, **changes) -> Path:
    path = folder / "from.json"
    path.write_text(json.dumps(FROM | changes))
    return path


def charged_for_search(folder: Path) -> float:
    """Return the seconds on an entry's clock but for the score."""
    spent = read_json(folder / "clock.json")["spent"]
    return sum(seconds for name, seconds in spent.items() if name != "score")


def assert_each_trial_has_one_outcome(tune_folder: Path) -> None:
    trials = trials_of(tune_folder)
    numbers = {trial.user_attrs["asked"]["number"] for trial in trials}
    ended = [trial.user_attrs["asked"]["number"] for trial in trials if "outcome" in trial.user_attrs]
    assert sorted(ended) == sorted(numbers) == list(range(len(numbers)))


# A whole search


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Process:
    """A search that was played to its end, entry `t`; `words` names its outputs, in the folder of runs/."""
    folder = tmp_path_factory.mktemp("searched")
    write_from(folder)
    process = Process(folder, "--from", "from.json", "--entry", "t", "--preset", "best", minutes=0.5)
    return process.end()


@pytest.fixture
def at_home(searched, tmp_path, monkeypatch) -> Path:
    """A copy of the folder of that search, and in it, under the very rules that it was played by."""
    home = tmp_path / "home"
    shutil.copytree(searched.words.parent, home)
    monkeypatch.chdir(home)
    rules = dataclasses.replace(TINY, minutes=0.5)
    monkeypatch.setattr(play, "TINY", rules)
    monkeypatch.setitem(league_config.LEAGUES, "tiny", rules)
    return home


def test_a_whole_search_ends_in_an_official_score(searched):
    entry = searched.words.parent / "runs" / "t"
    record, tune_folder = read_record(entry / "record.json"), entry / "tune"
    assert searched.last_line == f"FINAL_TEST_BLEU = {record['score']['bleu']:.2f}"
    assert record["official"] and not record["broken_rules"] and record["test_openings"] == 1
    assert record["trials"] == len({trial.user_attrs["asked"]["number"] for trial in trials_of(tune_folder)}) >= 2
    assert_each_trial_has_one_outcome(tune_folder)
    names = {"best.json", "study.json", "report.html", "report.png"}
    assert names <= {path.name for path in tune_folder.iterdir() if path.stat().st_size > 100}
    content, best = read_json(tune_folder / "study.json"), read_json(tune_folder / "best.json")
    assert content["state"] == "done" and content["final"]["test"] == record["score"]["bleu"]
    played = {name: record["asked"][name] for name in (*STRUCTURE, *SCHEDULE)}
    assert played == best["model_hp"] | best["finetune_hp"]
    assert not list(tune_folder.glob("*probe*")) and "Traceback" not in searched.told()


def test_the_time_of_a_search_is_charged_once(searched):
    entry = searched.words.parent / "runs" / "t"
    spent, ((began, seen),) = read_json(entry / "clock.json")["spent"], spans_of(entry / "tune")
    assert set(spent) == {"trials", "pretrain", "finetune", "score"} and min(spent.values()) > 0
    assert sum(spent.values()) <= 0.5 * 60
    assert seen - began - 0.01 <= charged_for_search(entry) < searched.took


def test_the_winner_is_the_best_that_was_tried(searched):
    content = read_json(searched.words.parent / "runs" / "t" / "tune" / "study.json")
    record = read_record(searched.words.parent / "runs" / "t" / "record.json")
    fulls = [one for one in content["trials"] if one["fidelity"] == 1 and one["state"] == "complete"]
    best = max((one for one in fulls if one["stage"] == "finetune"), key=lambda one: one["validation"])
    assert record["stages"]["finetune"]["validation_bleu"]["captions"] == best["validation"]
    assert {name: record["asked"][name] for name in SCHEDULE} == best["values"]
    assert all(facts["reused"] for facts in record["stages"].values())


def test_the_record_of_a_search_proves_itself(at_home, capsys):
    verify.main(["runs/t"])
    assert "PROVEN: t, " in capsys.readouterr().out


def test_a_report_that_lacks_the_score_gets_it(at_home, capsys):
    path = at_home / "runs/t/tune/study.json"
    whole = read_json(path)
    path.write_text(json.dumps(whole | {"state": "final", "final": None}))
    page = at_home / "runs/t/tune/report.html"
    page.unlink()
    play.play("tools.tune.__main__", "--from", "from.json", "--entry", "t", "--preset", "best")
    assert read_json(path) == whole and page.stat().st_size > 100


def test_a_search_with_another_seed_does_not_tell_the_old_score(at_home, capsys):
    with pytest.raises(UserError, match="has a score with seed 1: take another --entry"):
        play.play("tools.tune.__main__", "--from", "from.json", "--entry", "t", "--preset", "best", "--seed", "2")
    assert "FINAL_TEST_BLEU" not in capsys.readouterr().out


def test_an_entry_is_played_whole_where_the_search_had_no_time(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_from(tmp_path)
    monkeypatch.setattr(Bench, "probe", lambda *_: {"pretrain": 0.05, "finetune": 0.05})
    play.play("tools.tune.__main__", "--from", "from.json", "--entry", "w", "--minutes", "0.001")
    assert read_record(tmp_path / "runs/w/record.json")["official"]
    told = capsys.readouterr()
    assert "No entry was whole by the end of the search" in told.err and "FINAL_TEST_BLEU = " in told.out


def test_the_same_command_again_only_tells_the_score(at_home, searched, capsys):
    before = {path: path.read_bytes() for path in at_home.rglob("*") if path.is_file()}
    play.play("tools.tune.__main__", "--from", "from.json", "--entry", "t", "--preset", "best")
    assert capsys.readouterr().out.splitlines()[-1] == searched.last_line
    after = {path: path.read_bytes() for path in at_home.rglob("*") if path.is_file()}
    assert {path for path in before | after if before.get(path) != after.get(path)} <= {at_home / "runs/t/lock"}


# What it hands on


def test_the_scripts_train_from_best_json_what_the_search_took_over(at_home, monkeypatch):
    monkeypatch.setitem(league_config.LEAGUES, "tiny", TINY)  # with time for the search and for this
    monkeypatch.setattr(play, "TINY", TINY)
    best = read_json(at_home / "runs/t/tune/best.json")
    for script in ("train_pretrain", "train_finetune", "train_finetune", "evaluate_bleu"):
        play.play(script, "--entry", "hand", "--from", "runs/t/tune/best.json")
        spent = read_json(at_home / "runs/hand/clock.json")["spent"]
        assert spent["trials"] == pytest.approx(60 * best["minutes"])
    hand, searched = (read_record(at_home / "runs" / name / "record.json") for name in ("hand", "t"))
    for stage in ("pretrain", "finetune"):
        assert hand["stages"][stage]["sha256"] == searched["stages"][stage]["sha256"]
        assert not hand["stages"][stage]["reused"]
    assert hand["official"] and hand["trials"] == best["trials"] == searched["trials"]
    assert hand["score"]["bleu"] == searched["score"]["bleu"]


def test_a_flag_beside_from_wins(at_home, monkeypatch):
    monkeypatch.setitem(league_config.LEAGUES, "tiny", TINY)
    path = write_from(at_home, seed=4, trials=7, minutes=1.5)
    train_pretrain.main(["--from", str(path), "--entry", "own", "--d_model", "64", "--seed", "5"])  # the league, too
    record = read_record(at_home / "runs/own/record.json")
    wanted = {"league": "tiny", "seed": 5} | FROM["model_hp"] | {"d_model": 64}
    assert record["asked"] == wanted and record["stages"]["pretrain"]["effective"]["d_model"] == 64
    assert record["trials"] == 7 and record["clock"]["spent"]["trials"] == 1.5


def test_what_was_trained_with_other_values_is_not_scored_as_the_search_s(at_home):
    settings = read_json(at_home / "runs/t/tune/best.json")
    settings["finetune_hp"]["weight_decay"] = 0.0321
    (at_home / "other.json").write_text(json.dumps(settings))
    before = (at_home / "runs/t/record.json").read_bytes()
    with pytest.raises(UserError, match=r"other values than those of --from \(weight_decay .*leave --from out"):
        play.play("evaluate_bleu", "--entry", "t", "--from", "other.json", "--again")
    assert (at_home / "runs/t/record.json").read_bytes() == before


def test_a_fine_tune_on_a_searched_structure_is_charged_for_the_search(at_home, monkeypatch):
    found = read_record(at_home / "runs/t/record.json")
    for _ in range(2):
        options = TrainingOptions(league="tiny", entry="second")
        Entry(options).reuse("--pretrained", "t", "pretrain")
    record = read_record(at_home / "runs/second/record.json")
    assert record["trials"] == found["trials"] and record["stages"]["pretrain"]["reused"]
    for purpose in ("trials", "pretrain"):
        assert record["clock"]["spent"][purpose] == pytest.approx(found["clock"]["spent"][purpose], abs=0.011)


# Killed, and shared


def wait_for(condition, process: Process, seconds: float = 90.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert process.process.is_alive() and time.monotonic() < until, process.told()
        time.sleep(0.02)


def num_ended(tune_folder: Path) -> int:
    path = tune_folder / "journal.log"
    return path.read_bytes().count(b'"outcome"') if path.exists() else 0


def test_five_kills_lose_nothing_and_hide_no_time(tmp_path):
    write_from(tmp_path)
    flags = ("--from", "from.json", "--entry", "k", "--preset", "best")
    folder = tmp_path / "runs" / "k" / "tune"
    dice, lived, seen_outcomes = random.Random(5), 0.0, {}
    moments = [
        lambda: len(list(folder.glob("processes/*.json"))) == 1,  # the machine is being measured
        lambda: num_ended(folder) >= 1,
        lambda: list(folder.glob("trials/*/under_way/*/checkpoint-*/complete.json")),
        lambda: num_ended(folder) >= 2,
        lambda: list(folder.glob("trials/*/under_way/finetune/checkpoint-*/complete.json")),
    ]
    for moment in moments:
        process = Process(tmp_path, *flags, minutes=0.8, save_every=0.0)
        wait_for(moment, process)
        time.sleep(dice.uniform(0, 0.1))
        now = process.kill()
        began = max((began for began, _ in spans_of(folder)), default=now)
        lived += max(0.0, now - max(began, process.began))
        ended = {one.user_attrs["asked"]["number"]: one.user_attrs["outcome"] for one in with_outcome(folder)}
        assert seen_outcomes.items() <= ended.items(), "an outcome was written anew"
        seen_outcomes = ended
    last = Process(tmp_path, *flags, minutes=0.8).end()
    record = read_record(tmp_path / "runs" / "k" / "record.json")
    assert record["official"] and record["test_openings"] == 1
    assert_each_trial_has_one_outcome(folder)
    outcomes = {one.user_attrs["asked"]["number"]: one.user_attrs["outcome"] for one in with_outcome(folder)}
    assert seen_outcomes.items() <= outcomes.items() and record["trials"] == len(outcomes)
    again = [one for one in with_outcome(folder) if one.user_attrs["asked"]["origin"].endswith("again after a kill")]
    assert len(again) >= 2
    began, seen = spans_of(folder)[-1]
    charged = charged_for_search(tmp_path / "runs" / "k")
    assert lived + seen - began - 0.1 <= charged <= lived + time.time() - last.began + 5 * presence.SAVE_EVERY + 1


def with_outcome(folder: Path) -> list:
    return [trial for trial in trials_of(folder) if "outcome" in trial.user_attrs]


def test_two_processes_share_a_search(tmp_path):
    write_from(tmp_path)
    flags = ("--from", "from.json", "--entry", "p", "--preset", "best")
    paces = {"pretrain": 0.05, "finetune": 0.1}
    pair = [Process(tmp_path, *flags, minutes=0.5, paces=paces) for _ in range(2)]
    assert len({process.end().last_line for process in pair}) == 1
    entry = tmp_path / "runs" / "p"
    record, trials = read_record(entry / "record.json"), trials_of(entry / "tune")
    assert pair[0].last_line == f"FINAL_TEST_BLEU = {record['score']['bleu']:.2f}"
    assert record["official"] and record["test_openings"] == 1 and record["trials"] == len(trials)
    assert sum("The search is over" in process.told() for process in pair) == 2
    assert_each_trial_has_one_outcome(entry / "tune")
    asked = [trial.user_attrs["asked"] for trial in trials]
    assert len({one["worker"] for one in asked}) == 2, "both work"
    trained = [(one["stage"], one["fidelity"], json.dumps([one["values"], one["base"]])) for one in asked]
    assert len(set(trained)) == len(trained), "nothing is trained twice"
    spans, charged = spans_of(entry / "tune"), charged_for_search(entry)
    assert union(spans) - 0.01 <= charged <= max(seen for _, seen in spans) - min(began for began, _ in spans) + 15
    assert charged < 0.8 * sum(seen - began for began, seen in spans), "the union, not the sum"
    assert read_json(entry / "tune" / "study.json")["state"] == "done"


# Trials


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    """What trials of the tiny league share; here."""
    monkeypatch.chdir(tmp_path)
    splits = {}
    for stage in (TINY.pretrain, TINY.finetune):
        for name in ("train", "validation"):
            splits[f"{stage.corpus} {name}"] = load_split(TINY, stage.corpus, name, None)
    return Bench(TINY, FinetuneOptions(league="tiny", entry="x"), "x", splits)


def rates_of(folder: Path, stage: str) -> list[float]:
    return [point["learning_rate"] for point in read_record(folder / "record.json")["stages"][stage]["curve"]]


def test_a_trial_in_full_is_the_stage_as_the_scripts_train_it(bench, played, tmp_path):
    by_hand = read_record(played / "runs" / "one" / "record.json")
    values = {
        "pretrain": {name: by_hand["asked"][name] for name in STRUCTURE},
        "finetune": {name: by_hand["asked"][name] for name in SCHEDULE},
    }
    assert values["pretrain"]["d_model"] == int(SMALL[1])
    for stage, base in (("pretrain", None), ("finetune", tmp_path / "pretrain")):
        outcome = bench.run(stage, values[stage], 1.0, tmp_path / stage, 100.0, base)
        assert outcome["state"] == "complete"
        assert outcome["sha256"] == by_hand["stages"][stage]["sha256"], "the very weights, or taking over is a lie"
        assert outcome["validation"] == by_hand["stages"][stage]["validation_bleu"]["captions"]


def test_a_short_trial_runs_through_the_whole_schedule(bench, tmp_path):
    outcome = bench.run("pretrain", FROM["model_hp"], 0.5, tmp_path / "a", 100.0)
    peak, schedule = TINY.pretrain.arguments["learning_rate"], {"decay_type": "linear", "num_decay_steps": 5}
    short = TINY.pretrain.arguments | {"max_steps": 12, "warmup_steps": 2, "lr_scheduler_kwargs": schedule}
    rates = rates_of(tmp_path / "a", "pretrain")
    assert rates == pytest.approx([scheduled_rate(short, step) for step in range(1, 13)])
    assert rates[0] == 0 and max(rates) == peak and rates[-1] == pytest.approx(peak / 5) and outcome["steps"] == 12

    bench.run("pretrain", FROM["model_hp"], 1.0, tmp_path / "whole", 100.0)
    values = FROM["finetune_hp"] | {"warmup_steps": 4, "lr_scheduler_type": "cosine"}
    bench.run("finetune", values, 0.5, tmp_path / "b", 100.0, tmp_path / "whole")
    wanted = [scheduled_rate(values | {"max_steps": 5, "warmup_steps": 2}, step) for step in range(1, 6)]
    assert rates_of(tmp_path / "b", "finetune") == pytest.approx(wanted) and wanted[-1] < 0.3 * max(wanted)


def test_a_value_that_takes_no_effect_ends_the_search(bench, tmp_path, monkeypatch):
    class Deaf(SmoothedLoss):
        epsilon = property(lambda self: 0.1, lambda self, asked: None)

    bench.run("pretrain", FROM["model_hp"], 1.0, tmp_path / "a", 100.0)
    monkeypatch.setattr("league.tasks.loss.SmoothedLoss", Deaf)
    with pytest.raises(AssertionError, match="asked for one thing, trained another.*label_smoothing_factor"):
        values = FROM["finetune_hp"] | {"label_smoothing_factor": 0.3}
        bench.run("finetune", values, 1.0, tmp_path / "b", 100.0, tmp_path / "a")


def test_a_trial_without_time_is_cut_and_one_that_explodes_has_diverged(bench, tmp_path):
    outcome = bench.run("pretrain", FROM["model_hp"], 1.0, tmp_path / "a", 0.0)
    assert outcome["state"] == "cut" and "could no longer end in time" in outcome["reason"]
    bench.run("pretrain", FROM["model_hp"], 1.0, tmp_path / "b", 100.0)
    values = FROM["finetune_hp"] | {"learning_rate": 1000, "warmup_steps": 0}
    for _ in range(2):  # killed after it was recorded, and begun again
        outcome = bench.run("finetune", values, 1.0, tmp_path / "c", 100.0, tmp_path / "b")
        assert outcome["state"] == "diverged" and outcome["validation"] is None


def test_what_is_left_of_a_trial_is_read_off_its_folder(bench, tmp_path):
    assert share_left(tmp_path / "none", "pretrain", 24) == 1
    bench.run("pretrain", FROM["model_hp"], 1.0, tmp_path / "a", 100.0)
    assert share_left(tmp_path / "a", "pretrain", 24) == 0
    assert share_left(tmp_path / "a", "finetune", 10) == 1
    (tmp_path / "a/under_way/finetune/checkpoint-4").mkdir(parents=True)
    assert share_left(tmp_path / "a", "finetune", 10) == pytest.approx(0.6)


def test_a_machine_that_hardly_moves_is_measured_too(bench, tmp_path):
    paces = bench.probe(FROM["model_hp"], tmp_path / "probe", 1e-6, "")
    assert set(paces) == {"pretrain"} and 0 < paces["pretrain"] < 1e-5


# A search that is only simulated: no trial is trained


def assert_nothing_was_lost(before: dict[Path, bytes], after: dict[Path, bytes]) -> None:
    for path, content in before.items():
        assert after[path].startswith(content) if path.suffix == ".log" else after[path] == content, path


@dataclasses.dataclass
class Simulated:
    """A folder, and what was tried in it: stage, fidelity and values."""

    folder: Path
    ran: list[tuple[str, float, dict]]

    def play(self, *flags: str) -> None:
        play.play("tools.tune.__main__", "--from", "from.json", "--entry", "s", "--no_final", *flags)

    @property
    def tune(self) -> Path:
        return self.folder / "runs" / "s" / "tune"

    def files(self) -> dict[Path, bytes]:
        kept = [self.folder / "runs/s/record.json", self.tune / "journal.log", *self.tune.glob("processes/*.json")]
        return {path: path.read_bytes() for path in kept if path.exists()}


@pytest.fixture
def simulated(tmp_path, monkeypatch) -> Simulated:
    """Here, trials end at once and cost a few seconds of the search's time."""
    monkeypatch.chdir(tmp_path)
    write_from(tmp_path)
    for kind, spans in searches.RANGES.items():
        for name, span in spans.items():
            monkeypatch.setitem(kind.__annotations__, name, searches.annotated(kind, span, name))
    ran = []

    def run(self, stage, values, fidelity, folder, seconds, base=None, headline=""):
        ran.append((stage, fidelity, values))
        size = values.get("d_model", 0) / 10 - values.get("weight_decay", 0)
        curve = {"curve": [[1, 5.0]], "validation_seconds": 0.5, "pace": 0.05, "seconds": 1.5, "steps": 10}
        return curve | {"state": "complete", "reason": None, "validation": 20 + 5 * fidelity + size, "sha256": {}}

    # What these search for is not lost by a kill, and the code stands still meanwhile.
    monkeypatch.setattr(os, "fsync", lambda file: None)
    monkeypatch.setattr("league.run.evidence.code_digest", functools.cache(evidence.code_digest))
    monkeypatch.setattr("league.run.entry.version", functools.cache(importlib.metadata.version))
    monkeypatch.setattr(Bench, "run", run)
    monkeypatch.setattr(Bench, "probe", lambda *_: {"pretrain": 0.05, "finetune": 0.05})
    monkeypatch.setattr(Search, "used", property(lambda self: SECONDS_A_TRIAL * len(self.study.rows())))
    monkeypatch.setattr("tools.tune.search.write_report", lambda content, folder: [folder / "report.html"])
    monkeypatch.setattr("tools.tune.search.terminal_summary", lambda content, paths: "summary")
    return Simulated(tmp_path, ran)


def test_without_the_final_it_ends_with_three_commands_that_parse(simulated, capsys):
    simulated.play("--minutes", "2")
    record = read_record(simulated.folder / "runs/s/record.json")
    assert record["test_openings"] == 0 and not record["stages"] and "captions.test" not in record["data"]
    assert record["trials"] == len(simulated.ran) > 10 and not (simulated.folder / "runs/.cache/test").exists()
    words = [shlex.split(line) for line in capsys.readouterr().out.splitlines()[-3:]]
    assert [word[1] for word in words] == ["train_pretrain.py", "train_finetune.py", "evaluate_bleu.py"]
    best = read_json(simulated.tune / "best.json")
    options, structure = parse_options("", TrainingOptions, ModelHP, argv=words[0][2:])
    _, schedule = parse_options("", FinetuneOptions, FinetuneHP, argv=words[1][2:])
    (scoring,) = parse_options("", TrainingOptions, argv=words[2][2:])
    assert as_values(structure) == best["model_hp"] and as_values(schedule) == best["finetune_hp"]
    assert options.entry == scoring.entry == "s-by-hand" and options.league == "tiny"


def test_the_same_search_again_tries_nothing_more_and_a_longer_one_goes_on(simulated):
    simulated.play("--minutes", "2")
    before = len(simulated.ran)
    simulated.play("--minutes", "2")
    assert len(simulated.ran) == before
    simulated.play("--minutes", "4")
    assert len(simulated.ran) > before
    assert_each_trial_has_one_outcome(simulated.tune)


def test_a_search_that_is_over_stays_so_whatever_the_plan_says_later(simulated, monkeypatch):
    simulated.play("--minutes", "2")
    before = len(simulated.ran)
    jobs = iter([Job("pretrain", 1.0, "late", 9.0, FROM["model_hp"])])
    monkeypatch.setattr(Planner, "decide", lambda *_: next(jobs, None))
    simulated.play("--minutes", "2")
    assert len(simulated.ran) == before


def identity_of(folder: Path) -> dict[str, str]:
    (identity,) = {json.dumps(one.user_attrs["identity"]) for one in studies_of(folder) if one.user_attrs}
    return json.loads(identity)


def begin_elsewhere(simulated, other: Presence, identity: dict[str, str], outcome: dict, monkeypatch) -> None:
    """Begin a structure in another process's name; it ends as soon as the search waits."""
    shared = Study(simulated.tune, identity, "tpe", 1, other)
    with shared.locked():
        claim = shared.claim(Job("pretrain", 1.0, "other's", 9.0, FROM["model_hp"]), None)

    def end_it(seconds: float) -> None:
        with shared.locked():
            shared.end(claim, outcome)

    monkeypatch.setattr("tools.tune.search.time", SimpleNamespace(sleep=end_it, monotonic=time.monotonic))


def test_the_end_waits_for_a_trial_of_another_process(simulated, monkeypatch):
    simulated.play("--minutes", "1")
    before = len(simulated.ran)
    identity = identity_of(simulated.tune)
    outcome = {"state": "complete", "validation": 99.0, "steps": 24, "pace": 0.05, "seconds": 2.0}
    outcome |= {"validation_seconds": 0.5, "reason": None, "curve": []}
    with Presence(simulated.tune / "processes") as other:
        begin_elsewhere(simulated, other, identity, outcome, monkeypatch)
        monkeypatch.setattr(Planner, "decide", lambda *_: None)
        simulated.play("--minutes", "3")
    content = read_json(simulated.tune / "study.json")
    assert [one["state"] for one in content["trials"]].count("complete") == before + 1 == len(content["trials"])


def test_the_end_waits_for_the_first_structure_of_another_process(simulated, monkeypatch):
    simulated.play("--minutes", "1")
    identity = identity_of(simulated.tune)
    shutil.rmtree(simulated.folder / "runs")
    simulated.tune.mkdir(parents=True)
    outcome = {"state": "complete", "validation": 30.0, "steps": 24, "pace": 0.05, "seconds": 2.0, "sha256": {}}
    outcome |= {"validation_seconds": 0.5, "reason": None, "curve": []}
    with Presence(simulated.tune / "processes") as other:
        begin_elsewhere(simulated, other, identity, outcome, monkeypatch)

        def decide(planner, tried, left):
            return Wait() if any(one.state == "running" for one in tried) else None

        monkeypatch.setattr(Planner, "decide", decide)
        simulated.play("--minutes", "0.6")  # too short for another structure, long enough for that one's fine-tune
    (trial,) = read_json(simulated.tune / "study.json")["trials"]
    assert trial["state"] == "complete"


def test_what_outlives_the_final_entry_neither_searches_nor_charges(at_home):
    entry = at_home / "runs" / "t"
    before = {path: path.read_bytes() for path in (entry / "clock.json", entry / "record.json")}
    options = FinetuneOptions(league="tiny", entry="t")
    search = Search(Entry(options), options, None, "best", 4.0, "tpe", None, {})
    del search.entry.record["score"]  # it was read before the end
    search.entry.record["stages"].clear()
    with Presence(search.folder / "processes") as search.presence:
        search.study = Study(search.folder, identity_of(search.folder), "tpe", 1, search.presence)
        search.earlier_trials, search.earlier = 0, 100.0
        assert search._next() is None
    assert {path: path.read_bytes() for path in before} == before


def test_a_search_of_other_minutes_ends_when_the_final_entry_has_begun(simulated):
    simulated.play("--minutes", "1")
    before = len(simulated.ran)
    with Presence(simulated.tune / "processes") as other:
        Study(simulated.tune, identity_of(simulated.tune), "tpe", 1, other).note("final", True)
    simulated.play("--minutes", "4")
    assert len(simulated.ran) == before


def test_what_another_search_has_spent_is_not_planned_with(simulated):
    write_from(simulated.folder, trials=7, minutes=TINY.minutes - 1)
    simulated.play("--minutes", "2")
    content = read_json(simulated.tune / "study.json")
    assert content["budget_minutes"] == pytest.approx(1) and content["used_minutes"] <= 1


def test_without_a_fine_tune_in_full_the_best_short_one_is_played(simulated, monkeypatch):
    run = Bench.run

    def cut_in_full(self, stage, values, fidelity, *rest):
        outcome = run(self, stage, values, fidelity, *rest)
        is_cut = stage == "finetune" and fidelity == 1
        return outcome | ({"state": "cut", "validation": None, "reason": "late"} if is_cut else {})

    monkeypatch.setattr(Bench, "run", cut_in_full)
    simulated.play("--minutes", "4")
    trials = read_json(simulated.tune / "study.json")["trials"]
    shorts = [one for one in trials if one["stage"] == "finetune" and one["state"] == "complete"]
    best = read_json(simulated.tune / "best.json")
    ours = [one for one in shorts if one["structure"] == best["model_hp"]]
    assert best["finetune_hp"] == max(ours, key=lambda one: one["change"])["values"]


def test_the_report_is_there_while_the_search_runs(simulated, monkeypatch):
    pages = []
    monkeypatch.setattr("tools.tune.search.FIRST_PAGE", 0.0)
    monkeypatch.setattr("tools.tune.search.write_report", lambda content, folder: pages.append(content["state"]))
    simulated.play("--minutes", "2")
    assert pages[0] == "searching" and pages[-1] == "done"


def test_only_one_half_is_searched(simulated):
    simulated.play("--minutes", "2", "--only", "structure")
    assert {stage for stage, _, _ in simulated.ran} == {"pretrain"}
    best = read_json(simulated.tune / "best.json")
    assert best["finetune_hp"] == FROM["finetune_hp"]
    assert best["model_hp"]["d_model"] == max(values["d_model"] for _, _, values in simulated.ran)
    del simulated.ran[:]
    shutil.rmtree(simulated.folder / "runs")
    simulated.play("--minutes", "2", "--only", "finetune")
    structures = [values for stage, _, values in simulated.ran if stage == "pretrain"]
    assert structures == [FROM["model_hp"]] and len(simulated.ran) > 10


@pytest.mark.parametrize("sampler", ["random", "grid", "tpe"])
def test_every_sampler_picks_new_values_within_the_ranges(simulated, sampler):
    simulated.play("--minutes", "4", "--sampler", sampler)
    asked = [trial.user_attrs["asked"] for trial in trials_of(simulated.tune)]
    picked = [(one["stage"], one["values"]) for one in asked if one["origin"] == "sampler"]
    assert len({str(one) for one in picked}) == len(picked) > 10
    for stage, values in picked:
        for name, span in ranges(stage).items():
            inside = span.low <= values[name] <= span.high if isinstance(span, Range) else values[name] in span
            assert inside, f"{name} {values[name]}"
        assert why_not(stage, values, TINY) is None
    if sampler == "grid":
        rates = {values["weight_decay"] for stage, values in picked if stage == "finetune"}
        grid = pytest.approx(0), pytest.approx(0.0333), pytest.approx(0.0667), pytest.approx(0.1)
        assert rates and all(rate in grid for rate in rates)


@pytest.mark.parametrize("sampler", ["random", "grid", "tpe"])
def test_a_sampler_that_is_refused_everything_ends_the_search_well(simulated, monkeypatch, sampler, capsys):
    monkeypatch.setattr(study, "MOST_REFUSED", 5)
    monkeypatch.setattr(Search, "_allows", lambda *_: False)
    simulated.play("--minutes", "4", "--sampler", sampler)
    assert any(stage == "finetune" and fidelity == 1 for stage, fidelity, _ in simulated.ran)
    assert capsys.readouterr().out.splitlines()[-1].startswith("python evaluate_bleu.py")


def test_a_grid_that_is_used_up_ends_nothing(simulated, monkeypatch):
    monkeypatch.setattr(study, "MOST_REFUSED", 5)
    monkeypatch.setattr(study, "_grid", lambda span: [span.low] if isinstance(span, Range) else _first(span))
    simulated.play("--minutes", "3", "--sampler", "grid")
    assert any(stage == "finetune" and fidelity == 1 for stage, fidelity, _ in simulated.ran)


def _first(span: tuple) -> list:
    return [span[0]] if isinstance(span[0], str) else [0]


def test_what_a_search_started_from_is_charged_once_and_not_forgotten(simulated):
    write_from(simulated.folder, trials=7, minutes=1.0)
    simulated.play("--minutes", "2")
    trials = len(simulated.ran)
    for changes in ({"trials": 7, "minutes": 1.0}, {}):
        write_from(simulated.folder, **changes)
        simulated.play("--minutes", "2")
        best = read_json(simulated.tune / "best.json")
        assert len(simulated.ran) == trials and best["trials"] == 7 + trials
        assert best["minutes"] == pytest.approx(1 + trials * SECONDS_A_TRIAL / 60, abs=0.01)
        assert read_record(simulated.folder / "runs/s/record.json")["trials"] == 7 + trials


# What is damaged or does not fit


def test_half_a_line_at_the_end_of_the_journal_is_mended(simulated):
    simulated.play("--minutes", "1")
    before = (simulated.tune / "journal.log").read_bytes()
    (simulated.tune / "journal.log").write_bytes(before + b'{"op_code":9,"trial_id":3,"user_attr":{"outc')
    simulated.play("--minutes", "2")
    assert (simulated.tune / "journal.log").read_bytes().startswith(before)
    assert_each_trial_has_one_outcome(simulated.tune)


@pytest.mark.parametrize("damage", ["torn", "bytes", "other JSON", "last", "gone", "process", "no process"])
def test_a_damaged_search_is_told_in_one_line(simulated, damage):
    simulated.play("--minutes", "1")
    journal, process = simulated.tune / "journal.log", next(simulated.tune.glob("processes/*.json"))
    lines = journal.read_bytes().splitlines(keepends=True)
    middle = next(i for i, line in enumerate(lines) if b'"asked"' in line and i > len(lines) // 2)
    broken = {"torn": lines[middle][:20] + b"\n", "bytes": b"\xff\xfe\n", "other JSON": b"[3]\n", "gone": b""}
    if damage == "process":
        process.write_text('{"began": "soon"}')
    elif damage == "no process":
        process.write_bytes(b"")
    elif damage == "last":
        journal.write_bytes(b"".join(lines) + b"{{{\n")
    else:
        journal.write_bytes(b"".join([*lines[:middle], broken[damage], *lines[middle + 1 :]]))
    before = simulated.files()
    with pytest.raises(UserError) as error:
        simulated.play("--minutes", "2")
    told = str(error.value)
    assert "is damaged" in told and "put it back from a copy" in told and told.count("\n") == 0
    assert ("processes" if "process" in damage else "journal.log") in told
    assert_nothing_was_lost(before, simulated.files())
    if "process" not in damage:
        follow_the_advice(told)
        simulated.play("--minutes", "1")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("seed", "begun with other seed:"),
        ("code", "begun with other code:"),
        ("data", "begun with other data:"),
        ("rules", "begun with other rules:"),
        ("ranges", "begun with other ranges:"),
    ],
)
def test_a_search_does_not_go_on_with_something_else(simulated, monkeypatch, changed, told):
    simulated.play("--minutes", "1")
    before, flags = simulated.files(), []
    if changed == "seed":
        flags = ["--seed", "2"]
    elif changed == "code":
        monkeypatch.setattr("tools.tune.search.code_digest", lambda: "0" * 64)
    elif changed == "rules":
        monkeypatch.setitem(league_config.LEAGUES, "tiny", dataclasses.replace(TINY, batch_size=8))
    elif changed == "ranges":
        wider = searches.annotated(ModelHP, (32, 48, 64), "d_model")
        monkeypatch.setitem(ModelHP.__annotations__, "d_model", wider)
    else:
        flags = ["--data_dir", str(write_data(simulated.folder / "data"))]
    with pytest.raises(UserError) as error:
        simulated.play("--minutes", "2", *flags)
    assert told in str(error.value) and str(error.value).count("\n") == 0
    assert_nothing_was_lost(before, simulated.files())
    follow_the_advice(str(error.value))
    simulated.play("--minutes", "1", *flags)


def follow_the_advice(told: str) -> None:
    folder = Path(re.search(r"delete (\S+) to", told)[1])
    shutil.rmtree(folder)


def write_data(folder: Path) -> Path:
    for stage in (TINY.pretrain, TINY.finetune):
        for name in ("train", "validation", "test"):
            split = load_split(TINY, stage.corpus, name, None)
            (folder / stage.corpus.name).mkdir(parents=True, exist_ok=True)
            for language, texts in (("de", split.sources), ("en", split.targets)):
                path = folder / stage.corpus.name / f"{name}.{language}"
                path.write_text("\n".join(["Ja." if language == "de" else "Yes.", *texts]) + "\n")
    return folder


@pytest.mark.parametrize(
    ("flags", "environment", "told"),
    [
        (["--minutes", "0"], {}, "--minutes 0: must be above 0"),
        (["--minutes", "-1"], {}, "--minutes -1: must be above 0"),
        (["--minutes", "nan"], {}, "--minutes nan: must be above 0"),
        (["--minutes", "5.1"], {}, "no more than the league's 5"),
        (["--minutes", "soon"], {}, "--minutes"),
        (["--preset", "slow"], {}, "--preset"),
        (["--sampler", "luck"], {}, "--sampler"),
        ([], {"WORLD_SIZE": "2"}, "a trial uses one device"),
        (["--entry", "../up"], {}, "--entry"),
        (["--d_model", "64"], {}, "--d_model"),
    ],
)
def test_a_bad_command_is_told(simulated, monkeypatch, flags, environment, told):
    for name, value in environment.items():
        monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(UserError) as error:
        simulated.play(*flags)
    assert told in str(error.value) and str(error.value).count("\n") == 0
    assert not (simulated.folder / "runs").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "o such file"),
        ("{", "Expecting"),
        ("[]", "it is not an object"),
        (json.dumps(FROM | {"host": 3}), "unknown field 'host'"),
        (json.dumps(FROM | {"league": "chess"}), "league 'chess'"),
        (json.dumps(FROM | {"minutes": -1.0}), "its minutes are -1.0"),
        (json.dumps(FROM | {"trials": -1}), "it.trials is '-1'"),
        (json.dumps(FROM | {"model_hp": FROM["model_hp"] | {"d_model": 33}}), "must be divisible by nhead"),
        (json.dumps(FROM | {"finetune_hp": FROM["finetune_hp"] | {"warmup_steps": 50}}), "--warmup_steps 50"),
        (json.dumps({name: FROM[name] for name in FROM if name != "seed"}), "it.seed is missing"),
    ],
)
def test_a_broken_from_is_told(simulated, content, told):
    path = simulated.folder / "from.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError) as error:
        simulated.play()
    assert told in str(error.value) and str(error.value).count("\n") == 0
    assert not (simulated.folder / "runs").exists()


def test_a_place_that_cannot_be_written_is_told(simulated):
    (simulated.folder / "runs").write_text("a file")
    with pytest.raises(UserError, match="runs") as error:
        simulated.play("--minutes", "1")
    assert str(error.value).count("\n") == 0


def test_another_league_than_the_file_s_is_a_flag_that_wins(simulated):
    options, _ = parse_options(
        "", tune.EntryOptions, tune.TuneOptions, argv=["--from", "from.json", "--league", "demo"]
    )
    assert options.league == "demo" and options.settings == FROM


def test_an_error_is_one_line_and_exit_code_2(played):
    words = command("tools.tune.__main__", "--entry", "new", "--minutes", "nan")
    done = run(words, played, expect=2)
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr and not done.stdout
    assert not (played / "runs" / "new").exists()


@pytest.mark.parametrize("stages", [("pretrain",), ("pretrain", "finetune", "score"), ()])
def test_an_entry_that_was_begun_by_hand_is_not_searched(simulated, played, stages):
    shutil.copytree(played / "runs" / "one", simulated.folder / "runs" / "s")
    path = simulated.folder / "runs" / "s" / "record.json"
    record = json.loads(path.read_text())
    record["stages"] = {name: facts for name, facts in record["stages"].items() if name in stages}
    if "score" not in stages:
        del record["score"]
    path.write_text(json.dumps(record))
    before = path.read_bytes()
    with pytest.raises(UserError, match="was begun without a search: take another --entry"):
        simulated.play()
    assert path.read_bytes() == before and not simulated.tune.exists()


# The time


def test_the_union_of_spans_is_what_counting_gives():
    dice = random.Random(3)
    for _ in range(200):
        spans = [(began := dice.randrange(50), began + dice.randrange(20)) for _ in range(dice.randrange(1, 8))]
        seconds = {second for began, ended in spans for second in range(began, ended)}
        assert union(spans) == len(seconds), spans
    assert union([]) == 0


def test_the_time_of_several_processes_adds_up(tmp_path, monkeypatch):
    for _ in range(3):
        with Presence(tmp_path):
            time.sleep(0.1)
    with Presence(tmp_path) as mine:
        with Presence(tmp_path) as other:
            time.sleep(0.1)
            assert mine.is_alive(other.name) and other.is_alive(mine.name)
        assert not mine.is_alive(other.name)
        assert 0.4 <= mine.used() < 0.4 + 0.3 and mine.count() == 5


def test_a_killed_process_is_gone_and_charged_what_it_may_have_hidden(tmp_path):
    killed = Presence(tmp_path)
    killed.__enter__()
    killed._ended.set()
    killed._heart.join()
    killed._held.close()  # as the system does
    with Presence(tmp_path) as mine:
        assert not mine.is_alive(killed.name)
        assert presence.SAVE_EVERY <= mine.used() < presence.SAVE_EVERY + 1


def test_a_clock_that_is_set_back_gives_no_time_away(tmp_path, monkeypatch):
    moment = time.time()
    monkeypatch.setattr("tools.tune.presence.time.time", lambda: moment)  # each begins when the first one did
    for _ in range(4):
        with Presence(tmp_path) as mine:
            time.sleep(0.1)
            used = mine.used()
    assert 0.4 <= used < 1


def test_a_process_on_another_machine_is_gone_after_a_while_whatever_its_clock_says(tmp_path, monkeypatch):
    monkeypatch.setattr(presence, "GONE", 0.1)
    state = {"began": 5.0, "seen": 6.0, "has_ended": False, "host": "elsewhere", "name": "abc"}
    (tmp_path / "abc.json").write_text(json.dumps(state))
    with Presence(tmp_path) as mine:
        for seen in (7.0, 8.0):  # its clock stands in another century
            time.sleep(0.15)
            (tmp_path / "abc.json").write_text(json.dumps(state | {"seen": seen}))
            assert mine.is_alive("abc")
        time.sleep(0.15)
        assert not mine.is_alive("abc")


# Optuna's parameters


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_values_go_through_optuna_and_come_back(stage):
    dice, spans = random.Random(4), ranges(stage)
    for _ in range(100):
        params = {}
        for name, span in distributions(stage).items():
            if hasattr(span, "choices"):
                params[name] = dice.choice(span.choices)
            else:
                params[name] = dice.randint(span.low, span.high) if name in indexed(spans) else uniform(dice, span)
        values = from_params(stage, params)
        assert from_params(stage, to_params(stage, values)) == values
        for name, value in to_params(stage, values).items():
            distribution = distributions(stage)[name]
            assert distribution._contains(distribution.to_internal_repr(value)), f"{name} {value}"
    assert from_params(stage, to_params(stage, start_values(stage))) == start_values(stage)


def indexed(spans: dict) -> set[str]:
    return {name for name, span in spans.items() if not isinstance(span, Range) and not isinstance(span[0], str)}


def uniform(dice: random.Random, span) -> float:
    return dice.uniform(span.low, span.high)


def test_values_beside_the_ranges_become_the_nearest():
    params = to_params("pretrain", {"d_model": 5, "nhead": 3, "num_layers": 99, "d_ff": 4096, "dropout": 0.9})
    values = from_params("pretrain", params)
    assert values == {"d_model": 64, "nhead": 2, "num_layers": 6, "d_ff": 2048, "dropout": 0.4}


# A trial's process is gone


class AllGone:
    name = "me"

    def is_alive(self, name: str) -> bool:
        return name == self.name

    def used(self) -> float:
        return 0.0


@pytest.mark.parametrize("moment", ["written down", "begun", "given up", "ended"])
def test_a_trial_goes_on_under_its_number_whenever_it_was_killed(tmp_path, monkeypatch, moment):
    first = AllGone()
    first.name = "first"
    begun = Study(tmp_path, {"a": "b"}, "tpe", 1, first)
    job = Job("pretrain", 1.0, "baseline", 9.0, start_values("pretrain"))

    class Killed(Exception):
        pass

    def die(*_, **__):
        raise Killed

    with begun.locked():
        begun.claim(job, lambda values: True)
    later = Job("pretrain", 1.0, "baseline", 9.0, start_values("pretrain") | {"d_model": 256})
    with monkeypatch.context() as patch, pytest.raises(Killed), begun.locked():
        if moment == "written down":
            patch.setattr(optuna.Study, "ask", die)
        claim = begun.claim(later, lambda values: True)
        if moment == "given up":
            begun.studies["pretrain"].tell(claim.trial, state=optuna.trial.TrialState.FAIL)
        if moment == "ended":
            patch.setattr(optuna.Study, "tell", die)
            begun.end(claim, {"state": "complete", "validation": 3.0, "steps": 5})
        raise Killed
    after, found = Study(tmp_path, {"a": "b"}, "tpe", 1, AllGone()), {}
    with after.locked():
        while claim := after.orphan():
            found[claim.asked["number"]] = claim.asked["values"]["d_model"], claim.trial.params["d_model"]
            after.end(claim, {"state": "complete", "validation": 4.0, "steps": 5})
    widths = ranges("pretrain")["d_model"]
    expected = {0: (128, widths.index(128)), 1: (256, widths.index(256))}
    if moment == "ended":
        del expected[1]
    assert found == expected
    assert [row["validation"] for row in after.rows()] == [4.0, 3.0 if moment == "ended" else 4.0]


# The watch


@pytest.mark.parametrize(
    ("losses", "diverges"),
    [
        ([2.6, 2.5, 2.4, 2.3, 2.2, 2.1, 2.05, 1.9, 1.0], False),  # a wide model begins far above an even guess
        ([1.1, 2.4, 2.5, 2.6, 2.6, 2.7], True),
        ([1.1, 2.4, 2.5, 1.9, 2.6, 2.7, 2.8], False),
        ([2.6, 2.7, 2.8, 2.8, 2.9, 3.0], True),
        ([1.1, math.nan], True),
    ],
)
def test_a_loss_diverges_that_rises_not_one_that_begins_high(losses, diverges):
    rules = SimpleNamespace(vocab_size=8000)
    stage = watch.StageWatch(SimpleNamespace(rules=rules, is_trial=True, headline=""), "pretrain")
    control = SimpleNamespace(should_training_stop=False, should_save=False)
    history = []
    for step, share in enumerate(losses, start=1):
        history.append({"loss": share * math.log(rules.vocab_size), "learning_rate": 0.1})
        stage.on_log(None, SimpleNamespace(log_history=history, global_step=step), control, logs=history[-1])
    assert control.should_training_stop == diverges == bool(stage.diverged)
