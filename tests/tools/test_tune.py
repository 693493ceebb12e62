"""The search from end to end: whole, killed, fed to the scripts."""

import dataclasses
import json
import random
import shutil
import time
from pathlib import Path

import play
import pytest
from play import TINY
from searches import (
    FROM,
    Process,
    assert_each_trial_has_one_outcome,
    charged_for_search,
    trials_of,
    used_by,
    write_from,
)
from tunables import SCHEDULE, STRUCTURE

import league_config
import train_pretrain
from league.errors import UserError
from league.files import lock
from league.record import clock
from league.record.game import GameLog, game_problems
from league.record.shape import read_record
from league.run import takeover
from league.run.entry import Entry
from league.untrusted import read_as, read_json
from league.values import TrainingOptions, as_values
from league_config import OpenFinetuneHP, OpenHP
from tools import verify
from tools.tune.trial import Runner

pytestmark = pytest.mark.long

SEARCH_MINUTES = 0.5  # of a search that is played to its end, with measuring the machine, on a busy one


# A whole search


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Process:
    """A search that was played to its end, entry `t`; `words` names its outputs, in the folder of runs/."""
    folder = tmp_path_factory.mktemp("searched")
    write_from(folder)
    words = ("--from", "from.json", "--entry", "t", "--preset", "best", "--game", "day")
    return Process(folder, *words, minutes=SEARCH_MINUTES).end()


def test_a_search_and_its_entry_are_charged_to_their_game_once(searched):
    entry = searched.words.parent / "runs" / "t"
    record, log = read_record(entry / "record.json"), read_as(GameLog, entry / "game.json")
    assert record.game.minutes == pytest.approx(record.clock.minutes, abs=0.1)
    assert (record.game.name, record.game.entries, record.game.test_openings) == ("day", 1, 1)
    assert list(game_problems(log, record)) == [] and not log.taken
    assert all(stage.from_search for stage in record.stages.values() if stage.reused)
    assert read_json(entry / "tune" / "best.json")["game"] == record.game.id


@pytest.fixture
def at_home(searched, tmp_path, monkeypatch) -> Path:
    """A copy of the folder of that search, and in it, under the very rules that it was played by."""
    home = tmp_path / "home"
    shutil.copytree(searched.words.parent, home)
    monkeypatch.chdir(home)
    rules = dataclasses.replace(TINY, minutes=SEARCH_MINUTES)
    monkeypatch.setattr(play, "TINY", rules)
    monkeypatch.setitem(league_config.LEAGUES, "tiny", rules)
    return home


def test_a_whole_search_ends_in_an_official_score(searched):
    entry = searched.words.parent / "runs" / "t"
    record, tune_folder = read_record(entry / "record.json"), entry / "tune"
    assert searched.last_line == f"FINAL_TEST_BLEU = {record.score.value:.2f}"
    assert record.official and not record.broken_rules and record.test_openings == 1
    assert record.trials == len({trial.user_attrs["asked"]["number"] for trial in trials_of(tune_folder)}) >= 2
    assert_each_trial_has_one_outcome(tune_folder)
    names = {"best.json", "study.json", "report.html", "report.png"}
    assert names <= {path.name for path in tune_folder.iterdir() if path.stat().st_size > 100}
    content, best = read_json(tune_folder / "study.json"), read_json(tune_folder / "best.json")
    assert content["state"] == "done" and content["final"]["test"] == record.score.value
    played = {name: record.asked[name] for name in (*STRUCTURE, *SCHEDULE)}
    assert played == best["model_hp"] | best["finetune_hp"]
    assert not list(tune_folder.glob("*probe*")) and "Traceback" not in searched.output()


def test_the_time_of_a_search_is_charged_once(searched):
    entry = searched.words.parent / "runs" / "t"
    spent = read_json(entry / "clock.json")["spent"]
    assert set(spent) == {"trials", "pretrain", "finetune", "score"} and min(spent.values()) > 0
    assert sum(spent.values()) <= SEARCH_MINUTES * 60
    assert used_by(entry / "tune") - 0.01 <= charged_for_search(entry) < searched.took


def test_the_winner_is_the_best_that_was_tried(searched):
    content = read_json(searched.words.parent / "runs" / "t" / "tune" / "study.json")
    record = read_record(searched.words.parent / "runs" / "t" / "record.json")
    fulls = [one for one in content["trials"] if one["fidelity"] == 1 and one["state"] == "complete"]
    best = max((one for one in fulls if one["stage"] == "finetune"), key=lambda one: one["validation"])
    assert record.stages["finetune"].validation["captions"] == best["validation"]
    assert {name: record.asked[name] for name in SCHEDULE} == best["values"]
    assert all(facts.reused for facts in record.stages.values())


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
    monkeypatch.setattr(Runner, "probe", lambda *_: {"pretrain": 0.05, "finetune": 0.05})
    play.play("tools.tune.__main__", "--from", "from.json", "--entry", "w", "--minutes", "0.001")
    assert read_record(tmp_path / "runs/w/record.json").official
    output = capsys.readouterr()
    assert "No entry was whole by the end of the search" in output.err and "FINAL_TEST_BLEU = " in output.out


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
        assert hand.stages[stage].sha256 == searched.stages[stage].sha256
        assert not hand.stages[stage].reused
    assert hand.official and hand.trials == best["trials"] == searched.trials
    assert hand.score.value == searched.score.value


def test_a_flag_beside_from_wins(at_home, monkeypatch):
    monkeypatch.setitem(league_config.LEAGUES, "tiny", TINY)
    path = write_from(at_home, seed=4, trials=7, minutes=1.5)
    train_pretrain.main(["--from", str(path), "--entry", "own", "--d_model", "64", "--seed", "5"])  # the league, too
    record = read_record(at_home / "runs/own/record.json")
    wanted = {"league": "tiny", "seed": 5} | FROM["model_hp"] | {"d_model": 64}
    assert record.asked == wanted and record.stages["pretrain"].effective["d_model"] == 64
    assert record.trials == 7 and record.clock.spent["trials"] == 1.5


def test_what_was_trained_with_other_values_is_not_scored_as_the_search_s(at_home):
    settings = read_json(at_home / "runs/t/tune/best.json")
    settings["finetune_hp"]["weight_decay"] = 0.0321
    (at_home / "other.json").write_text(json.dumps(settings))
    before = (at_home / "runs/t/record.json").read_bytes()
    with pytest.raises(UserError, match=r"other values than those of --from \(weight_decay .*leave --from out"):
        play.play("evaluate_bleu", "--entry", "t", "--from", "other.json", "--again")
    assert (at_home / "runs/t/record.json").read_bytes() == before


def test_a_file_of_another_league_leaves_nothing_in_the_record_that_is_not_tuned_here(at_home):
    before = read_record(at_home / "runs/t/record.json")
    structure, schedule = ({name: before.asked[name] for name in names} for names in (STRUCTURE, SCHEDULE))
    best = {"league": "aing-open", "seed": 1, "trials": 0, "minutes": 0.0}
    best |= {"model_hp": as_values(OpenHP(**structure)), "finetune_hp": as_values(OpenFinetuneHP(**schedule))}
    (at_home / "other.json").write_text(json.dumps(best))
    play.play("evaluate_bleu", "--entry", "t", "--from", "other.json", "--again")
    after = read_record(at_home / "runs/t/record.json")
    assert after.asked == before.asked and after.official and after.test_openings == before.test_openings + 1


def test_a_fine_tune_on_a_searched_structure_is_charged_for_the_search(at_home, monkeypatch):
    searched = read_record(at_home / "runs/t/record.json")
    for _ in range(2):
        options = TrainingOptions(league="tiny", entry="second")
        takeover.reuse(Entry(options), "--pretrained", "t", "pretrain")
    record = read_record(at_home / "runs/second/record.json")
    assert record.trials == searched.trials and record.stages["pretrain"].reused
    for purpose in ("trials", "pretrain"):
        assert record.clock.spent[purpose] == pytest.approx(searched.clock.spent[purpose], abs=0.011)


def test_a_second_command_beside_the_first_is_refused(at_home, monkeypatch, capsys):
    path = at_home / "runs/t/record.json"
    content = read_json(path)
    path.write_text(json.dumps({name: value for name, value in content.items() if name != "score"}))
    held = lock(at_home / "runs/t/lock")
    with pytest.raises(UserError, match="entry 't' is in use by .*: wait for it, stop it, or take another --entry"):
        play.play("tools.tune.__main__", "--from", "from.json", "--entry", "t", "--preset", "best")
    held.close()


# Killed


def wait_for(condition, process: Process, seconds: float = 90.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert process.process.is_alive() and time.monotonic() < until, process.output()
        time.sleep(0.02)


def num_ended(tune_folder: Path) -> int:
    path = tune_folder / "journal.log"
    return path.read_bytes().count(b'"outcome"') if path.exists() else 0


@pytest.mark.slow
def test_five_kills_lose_nothing_and_hide_no_time(tmp_path):
    write_from(tmp_path)
    flags = ("--from", "from.json", "--entry", "k", "--preset", "best")
    folder = tmp_path / "runs" / "k" / "tune"
    dice, lived, seen_outcomes = random.Random(5), 0.0, {}
    moments = [
        lambda: (folder / "clock.json").exists(),  # the machine is being measured
        lambda: num_ended(folder) >= 1,
        lambda: list(folder.glob("trials/*/under_way/*/checkpoint-*/complete.json")),
        lambda: num_ended(folder) >= 2,
        lambda: list(folder.glob("trials/*/under_way/finetune/checkpoint-*/complete.json")),
    ]
    for moment in moments:
        process = Process(tmp_path, *flags, minutes=0.8, save_every=0.0)
        wait_for(moment, process)
        time.sleep(dice.uniform(0, 0.1))
        before = used_by(folder)
        process.kill()
        assert used_by(folder) >= max(before, lived)
        lived = used_by(folder)
        ended = {one.user_attrs["asked"]["number"]: one.user_attrs["outcome"] for one in with_outcome(folder)}
        assert seen_outcomes.items() <= ended.items(), "an outcome was written again"
        seen_outcomes = ended
    last = Process(tmp_path, *flags, minutes=0.8).end()
    record = read_record(tmp_path / "runs" / "k" / "record.json")
    assert record.official and record.test_openings == 1
    assert_each_trial_has_one_outcome(folder)
    outcomes = {one.user_attrs["asked"]["number"]: one.user_attrs["outcome"] for one in with_outcome(folder)}
    assert seen_outcomes.items() <= outcomes.items() and record.trials == len(outcomes)
    again = [one for one in with_outcome(folder) if one.user_attrs["asked"]["origin"].endswith("again after a kill")]
    assert len(again) >= 2
    charged = charged_for_search(tmp_path / "runs" / "k")
    assert lived < charged <= lived + time.time() - last.began + clock.SAVE_EVERY + 1


def with_outcome(folder: Path) -> list:
    return [trial for trial in trials_of(folder) if "outcome" in trial.user_attrs]
