"""The clock: seconds add up over commands, survive a kill, and stop for nobody."""

import json
import time
from types import SimpleNamespace

import pytest

from league.errors import UserError
from league.record.clock import Clock


def test_seconds_add_up_over_commands(tmp_path):
    for purpose in ("pretrain", "finetune", "pretrain"):
        with Clock(tmp_path / "clock.json", 1.0).charge(purpose):
            time.sleep(0.05)
    clock = Clock(tmp_path / "clock.json", 1.0)
    assert clock.spent["pretrain"] >= 0.1 > clock.spent["finetune"] >= 0.05
    assert clock.used == pytest.approx(sum(clock.spent.values())) and clock.left == pytest.approx(60 - clock.used)
    assert clock.interruptions == 0


def test_only_the_charged_block_counts(tmp_path):
    clock = Clock(tmp_path / "clock.json", 1.0)
    time.sleep(0.05)
    clock.save()
    assert clock.used == 0


def test_a_kill_is_counted_and_charged_at_least_what_it_took(tmp_path, monkeypatch):
    monkeypatch.setattr("league.record.clock.SAVE_EVERY", 0.02)
    killed = Clock(tmp_path / "clock.json", 1.0).charge("pretrain")
    killed.__enter__()  # and never left
    time.sleep(0.1)
    after = Clock(tmp_path / "clock.json", 1.0)
    assert after.spent["pretrain"] >= 0.08 and after.interruptions == 1


def test_what_runs_is_in_what_is_used(tmp_path):
    clock = Clock(tmp_path / "clock.json", 1.0)
    with clock.charge("score"):
        time.sleep(0.05)
        assert clock.used >= 0.05 and clock.left <= 60 - 0.05


def test_the_time_left_is_the_game_s_where_that_is_less(tmp_path):
    for game, left in ((7.0, 7.0), (600.0, 60.0), (-5.0, -5.0)):
        assert Clock(tmp_path / "clock.json", 1.0, game=SimpleNamespace(left=game)).left == left


def test_a_lost_clock_goes_on_from_the_record(tmp_path):
    clock = Clock(tmp_path / "clock.json", 1.0)
    clock.restore({"pretrain": 30.0, "score": 6.0}, 2)
    clock.restore({"pretrain": 12.0}, 1)
    assert clock.used == 36.0 and clock.interruptions == 2


def test_a_disk_that_is_full_for_a_while_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("league.record.clock.SAVE_EVERY", 0.01)
    clock = Clock(tmp_path / "clock.json", 1.0)
    with clock.charge("pretrain"):
        with monkeypatch.context() as broken:
            broken.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            time.sleep(0.05)
    assert Clock(tmp_path / "clock.json", 1.0).used >= 0.05


def test_other_processes_read_and_do_not_write(tmp_path):
    with Clock(tmp_path / "clock.json", 1.0, writes=False).charge("pretrain"):
        pass
    assert not (tmp_path / "clock.json").exists()


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"spent": {"pretrain": "soon"}}', '{"spent": 3}', "{", "[" * 100_000,
     '{"spent": {"pretrain": NaN}, "running": null, "interruptions": 0}',
     '{"spent": {"pretrain": -9}, "running": null, "interruptions": 0}'],
)  # fmt: skip
def test_a_damaged_clock_is_told(tmp_path, text):
    (tmp_path / "clock.json").write_text(text)
    with pytest.raises(UserError, match="clock.json is damaged"):
        Clock(tmp_path / "clock.json", 1.0)


def test_a_failed_write_leaves_the_old_state(tmp_path, monkeypatch):
    path = tmp_path / "clock.json"
    with Clock(path, 1.0).charge("pretrain"):
        pass
    before = path.read_text()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(UserError, match="No space left"):
        Clock(path, 1.0).save()
    assert path.read_text() == before and json.loads(before)
    assert list(tmp_path.iterdir()) == [path]
