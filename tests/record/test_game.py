"""The clock of a game: the union of all work, through kills, clocks that are wrong, and folders that are lost."""

import json
import shutil
import time
from pathlib import Path

import pytest
from msgspec import to_builtins
from msgspec.structs import replace
from play import TINY

from league.errors import UserError
from league.record import game_clock
from league.record.game import GameLog, Span, facts_of, game_problems, hidden_minutes, union
from league.record.game_clock import GameClock, game_names, opened
from league.record.shape import read_record
from league.values import Options


@pytest.fixture
def runs(tmp_path) -> Path:
    return tmp_path / "runs"


def clock_in(runs: Path, name: str = "day", writes: bool = True) -> GameClock:
    return GameClock(name, TINY, writes, runs)


def earlier(runs: Path, *spans: tuple[str, str, float, float], is_running: bool = False, name: str = "earlier") -> None:
    """Let another process have worked, in seconds from now."""
    now = time.time()
    share = {
        "spans": [{"entry": one, "purpose": why, "began": now + a, "ended": now + b} for one, why, a, b in spans],
        "taken": {},
        "is_running": is_running,
    }
    folder = runs / ".games" / "day"
    clock_in(runs).begin()
    (folder / f"process-{name}.json").write_text(json.dumps(share))


def test_time_that_two_spend_at_once_counts_once(runs):
    earlier(runs, ("a", "pretrain", -100, -40), ("a", "score", -30, -20))
    earlier(runs, ("b", "pretrain", -60, -35), name="other")
    clock = clock_in(runs)
    assert clock.used == pytest.approx(75, abs=0.2)
    with clock.charge("c", "pretrain"):
        time.sleep(0.2)
        assert clock_in(runs).used == pytest.approx(75 + 2, abs=1)  # with what a kill may hide
    assert clock.used == clock_in(runs).used == pytest.approx(75.2, abs=0.5)
    assert clock.left == pytest.approx(TINY.minutes * 60 - 75.2, abs=0.5)


def test_a_kill_is_charged_what_it_may_have_hidden(runs):
    earlier(runs, ("a", "pretrain", -100, -90), is_running=True)
    assert clock_in(runs).used == pytest.approx(12, abs=0.2)


@pytest.mark.parametrize(("ahead", "charged"), [(3600.0, 10.0), (-3600.0, 10.0)])
def test_a_clock_that_was_set_back_or_forward_hides_no_time(runs, monkeypatch, ahead, charged):
    earlier(runs, ("a", "pretrain", -5, 0))
    now = time.time() + ahead
    monkeypatch.setattr(game_clock.time, "time", lambda: now)
    clock = clock_in(runs)
    with clock.charge("b", "pretrain"):
        clock._since -= 5
    assert clock.used == pytest.approx(charged, abs=0.1)


def test_a_clock_that_was_set_back_between_two_stretches_of_one_process_hides_no_time(runs, monkeypatch):
    now = time.time()
    monkeypatch.setattr(game_clock.time, "time", lambda: now)
    clock = clock_in(runs)
    for purpose in ("pretrain", "finetune"):
        with clock.charge("a", purpose):
            clock._since -= 5
        now -= 3
    assert clock.used == pytest.approx(10, abs=0.1)


def test_what_comes_from_outside_is_charged_once(runs):
    for _ in range(2):
        clock_in(runs).take("a" * 64, 30.0)
    clock_in(runs).take("b" * 64, 5.0)
    assert clock_in(runs).used == 35


def test_who_took_something_over_and_works_later_is_seen(runs):
    """Its share is written before any of its work, and a stage's validation follows on its training."""
    other, mine = clock_in(runs), clock_in(runs)
    other.take("a" * 64, 30.0)
    assert mine.used == 30
    for so_far in (0.0, 0.3):
        mine._read_at = float("-inf")
        with other.charge("b", "pretrain"):
            time.sleep(0.3)
        assert mine.used == clock_in(runs).used > 30.3 + so_far - 0.01
    assert {span.entry for span in mine.all()[0]} == {"b"}


def test_only_the_first_process_writes(runs):
    with clock_in(runs, writes=False).charge("a", "pretrain"):
        pass
    clock_in(runs, writes=False).take("a", 3.0)
    assert not runs.exists()


def test_many_that_begin_a_game_begin_one(runs):
    clocks = [clock_in(runs) for _ in range(5)]
    assert len({clock.id for clock in clocks}) == 1 and game_names(runs) == ["day"]


def test_a_game_is_of_one_league(runs):
    clock_in(runs).begin()
    path = runs / ".games" / "day" / "begun.json"
    path.write_text(path.read_text().replace("tiny", "demo"))
    with pytest.raises(UserError, match="it plays the demo league"):
        clock_in(runs)


def test_a_game_that_is_not_there_is_named(runs):
    with pytest.raises(UserError, match="there is no game 'day'"):
        opened("day", runs)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"spans": 3, "taken": {}, "is_running": false}'])
def test_a_damaged_share_is_told(runs, text):
    clock_in(runs).begin()
    (runs / ".games" / "day" / "process-x.json").write_text(text)
    with pytest.raises(UserError, match="process-x.json is damaged"):
        _ = clock_in(runs).used


def test_a_lost_folder_comes_back_from_what_the_entries_know(runs):
    earlier(runs, ("a", "pretrain", -100, -40), ("a", "score", -30, -20))
    clock = clock_in(runs)
    (runs / "a").mkdir()
    (runs / "a" / "game.json").write_text(json.dumps(to_builtins(clock.log())))
    shutil.rmtree(runs / ".games")
    again = clock_in(runs)
    assert again.id == clock.id and again.used == pytest.approx(70, abs=0.1)
    assert clock_in(runs).used == pytest.approx(70, abs=0.1)


def log_of(*spans: tuple[str, str, float, float], **taken: float) -> GameLog:
    return GameLog("day", "0" * 12, [Span(*span) for span in spans], taken)


A, B = ("a", "pretrain", 0.0, 60.0), ("b", "pretrain", 100.0, 130.0)


def test_a_log_that_leaves_out_another_entry_is_found_out():
    whole, forged = log_of(A, B), log_of(B)
    assert hidden_minutes(forged, [whole, log_of(A)]) == pytest.approx(1.0)
    assert hidden_minutes(whole, [log_of(A), forged]) == hidden_minutes(log_of(A), [whole]) == 0


def test_a_log_is_held_against_the_record(played):
    record = read_record(played / "runs" / "one" / "record.json")
    assert record.game == "practice"
    spans, begin = [], 0.0
    for purpose, minutes in record.clock.spent.items():
        spans.append((record.entry, purpose, begin, begin + 60 * minutes))
        begin += 60 * minutes + 5
    log = log_of(*spans)
    record = replace(record, game=facts_of(log))
    assert list(game_problems(log, record)) == []
    wrong = {
        "entries": replace(record, game=replace(record.game, entries=2)),
        "test_openings": replace(record, game=replace(record.game, test_openings=3)),
        "stands at": replace(record, game=replace(record.game, minutes=record.game.minutes + 1)),
        "names no game": replace(record, game="practice"),
        "and this entry alone": replace(record, clock=replace(record.clock, minutes=9.0)),
        "pretrain took 5.00": replace(record, clock=replace(record.clock, spent={"pretrain": 5.0})),
    }
    for words, changed in wrong.items():
        assert any(words in problem for problem in game_problems(log, changed)), words


def test_a_command_plays_the_game_of_its_terminal_unless_it_names_one(monkeypatch):
    monkeypatch.setenv("LEAGUE_GAME", "day")
    assert [Options().game, Options(game="other").game, Options(game="").game] == ["day", "other", ""]


@pytest.mark.parametrize("spans", [[], [(0, 1)], [(0, 3), (1, 2)], [(5, 6), (0, 1)], [(0, 2), (1, 4), (10, 11)]])
def test_a_union_is_never_more_than_the_sum_or_the_span(spans):
    covered = sum(any(a <= i / 100 < b for a, b in spans) for i in range(1200)) / 100
    assert union(spans) == pytest.approx(covered)
