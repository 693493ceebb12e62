"""A game played by hand: its clock is the union of what its entries did, whatever befell them."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import FIXED, SMALL, command, run
from deck import read

from league.errors import UserError
from league.proof.claim import Claim, quick_checks
from league.proof.data import DataAtHand
from league.proof.source import in_folder
from league.record.game import union
from league.record.shape import read_record
from tools import status
from tools.board import build

pytestmark = pytest.mark.long

GAME = ("--game", "day")
TUNED = ["--warmup_steps", "2"]


def seconds_of_work(path: Path) -> float:
    """Return how long at least one process was at work, as they wrote it down."""
    began, spans = {}, []
    for line in path.read_text().splitlines():
        pid, what, moment = line.split()
        if what == "begins":
            began[pid] = float(moment)
        elif what == "ends":
            spans.append((began.pop(pid), float(moment)))
    assert not began
    return union(spans)


def play(folder: Path, script: str, entry: str, *flags: str, expect: int = 0, **environment: str) -> str:
    words = command(script, *GAME, "--entry", entry, *flags)
    return run(words, folder, expect, WORK_NOTED=str(folder / "work.txt"), **environment).stdout


def begin(folder: Path, script: str, entry: str, *flags: str, **environment: str) -> subprocess.Popen:
    words = command(script, *GAME, "--entry", entry, *flags)
    environment = {**os.environ, **FIXED, "WORK_NOTED": str(folder / "work.txt"), **environment}
    return subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def game(tmp_path_factory):
    """Three entries: `a`, `b` that was killed once and then played beside it, and `c` that took over from `a`."""
    folder = tmp_path_factory.mktemp("game")
    play(folder, "train_pretrain", "a", *SMALL)
    killed = {"SIGNAL_AT": "12:SIGKILL", "SLOW_STEPS": "0.1"}
    play(folder, "train_pretrain", "b", *SMALL, "--seed", "2", expect=-signal.SIGKILL, **killed)
    beside = begin(folder, "train_finetune", "a", *TUNED, SLOW_STEPS="0.7")
    other = begin(folder, "train_pretrain", "b", *SMALL, "--seed", "2", SLOW_STEPS="0.4")
    told, _ = beside.communicate(timeout=120)
    other.communicate(timeout=120)
    assert beside.returncode == other.returncode == 0
    play(folder, "train_finetune", "c", *TUNED, "--pretrained", "a", "--learning_rate", "2e-5")
    play(folder, "evaluate_bleu", "c")
    play(folder, "evaluate_bleu", "a")
    return folder, seconds_of_work(folder / "work.txt"), told


def test_the_games_clock_is_the_union_of_what_its_entries_did(game):
    folder, seconds, told = game
    record = read(folder / "runs" / "a")
    assert record["game"]["minutes"] * 60 == pytest.approx(seconds + 1, abs=2)  # up to two for what a kill may hide
    alone = {name: read(folder / "runs" / name)["clock"]["spent"] for name in "abc"}
    total = 60 * sum(sum(spent.values()) for spent in alone.values()) - 60 * alone["c"]["pretrain"]
    assert record["game"]["minutes"] * 60 < total - 1, "two at once were charged once, and a take-over nothing"
    assert "game 'day': " in told and " left" in told


def test_the_record_names_the_game_and_its_share(game):
    folder, *_ = game
    games = {name: read(folder / "runs" / name)["game"] for name in "abc"}
    assert {one["name"] for one in games.values()} == {"day"} and len({one["id"] for one in games.values()}) == 1
    assert games["a"]["entries"] == 3 and games["a"]["test_openings"] == 2 and games["c"]["test_openings"] == 1
    assert games["a"]["minutes"] >= games["c"]["minutes"] > games["b"]["minutes"] > 0
    assert read(folder / "runs" / "a")["official"]


def test_an_entry_of_a_game_is_proven(game):
    assert not problems_of(game[0] / "runs" / "a") and not problems_of(game[0] / "runs" / "c")


def problems_of(folder: Path) -> list[str]:
    claim = Claim(read_record(folder / "record.json"), in_folder(folder), DataAtHand(None))
    return [problem for check in quick_checks(claim) for problem in check.problems]


@pytest.fixture
def runs(game, tmp_path, monkeypatch) -> Path:
    shutil.copytree(game[0] / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def change(path: Path, how) -> dict:
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))
    return content


def test_a_forged_game_clock_is_refuted(runs):
    def forget(log):  # the longest part: shorter ones are within what is rounded
        log["spans"] = [span for span in log["spans"] if (span["entry"], span["purpose"]) != ("a", "finetune")]

    change(runs / "a" / "game.json", forget)
    assert any("finetune took" in problem for problem in problems_of(runs / "a"))


def test_a_game_forged_in_one_piece_contradicts_its_other_entries(runs):
    """One who leaves out the other entries, in the game's clock and in the record, is found out beside them."""

    def keep_own(log: dict) -> None:
        log["spans"] = [span for span in log["spans"] if span["entry"] == "c" or span["purpose"] == "pretrain"]
        log["spans"] = [span for span in log["spans"] if span["entry"] != "b"]

    log = change(runs / "c" / "game.json", keep_own)
    minutes = sum(span["ended"] - span["began"] for span in log["spans"]) / 60
    change(runs / "c" / "record.json", lambda record: record["game"].update(minutes=round(minutes, 2), entries=2))
    assert not problems_of(runs / "c")
    states = {row.name: row for standing in build(runs).standings for row in standing.rows}
    assert states["a"].is_official
    assert states["c"].state == "refuted" and "leaves out" in states["c"].reasons[0]


def test_a_forged_hand_in_is_no_witness_against_the_others_of_a_game(runs):
    shutil.copytree(runs / "c", runs / "forged")
    change(runs / "forged/game.json", lambda log: log["spans"].append({**log["spans"][0], "began": -1e5, "ended": 0}))
    states = {row.name: row.state for standing in build(runs).standings for row in standing.rows}
    assert states["forged"] == "refuted" and states["a"] != "refuted" and states["c"] != "refuted"


def test_what_comes_after_the_end_is_late(runs):
    share = {"entry": "b", "purpose": "finetune", "began": time.time() - 400, "ended": time.time() - 90}
    share = {"spans": [share], "taken": {}, "is_running": False}
    (runs / ".games" / "day" / "process-long.json").write_text(json.dumps(share))
    play(runs.parent, "train_pretrain", "d", *SMALL)
    play(runs.parent, "train_finetune", "d", *TUNED)
    told = play(runs.parent, "evaluate_bleu", "d")
    record = read(runs / "d")
    assert record["stages"]["pretrain"]["out_of_time"] and record["stages"]["pretrain"]["steps"] == 1
    assert not record["official"] and "game.minutes" in {rule["rule"] for rule in record["broken_rules"]}
    assert "The game's clock stands at" in told and ", 0.0 left" in told
    row = next(row for standing in build(runs).standings for row in standing.rows if row.name == "d")
    assert row.state == "late"


def test_an_entry_stays_in_its_game(runs):
    play(runs.parent, "evaluate_bleu", "a")
    words = command("evaluate_bleu", "--entry", "a", "--game", "other")
    assert "belongs to game 'day'" in run(words, runs.parent, 2).stderr
    shutil.copytree(runs / "a", runs / "old")
    change(runs / "old" / "record.json", lambda record: record.update(game="practice", entry="old"))
    words = command("evaluate_bleu", "--entry", "old", "--game", "day")
    assert "was begun as practice" in run(words, runs.parent, 2).stderr


def test_a_copy_of_an_entry_is_not_played_on(runs):
    shutil.copytree(runs / "a", runs / "e")
    done = run(command("evaluate_bleu", *GAME, "--entry", "e", "--again"), runs.parent, 2)
    assert "runs/e is a copy of entry 'a'" in done.stderr and "--pretrained a takes its stage A over" in done.stderr


def test_status_of_an_entry_whose_game_did_not_come_along_is_whole(runs, capsys, monkeypatch):
    shutil.move(runs / ".games", runs.parent / "elsewhere")
    status.main(["a"])
    told = capsys.readouterr().out
    assert "game 'day', as the entry last saw it: " in told and "finetune: complete" in told and "BLEU" in told


def test_status_shows_what_a_game_went_into(runs, capsys):
    status.main(["--game", "day"])
    told = capsys.readouterr().out
    assert "game 'day': " in told and "test set opened: 2" in told
    assert all(f"  {name} " in told for name in "abc") and "at once, charged once" in told
    status.main([])
    assert "game 'day': " in capsys.readouterr().out
    with pytest.raises(UserError, match="there is no game 'none'"):
        status.main(["--game", "none"])
