"""The clock: seconds add up over commands, survive a kill, and stop for nobody."""

import json
import time

import pytest

from league.clock import Clock
from league.errors import UserError


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
    clock.tick()
    assert clock.used == 0


def test_what_was_ticked_survives_a_kill_and_the_kill_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("league.clock.SAVE_EVERY", 0.0)
    killed = Clock(tmp_path / "clock.json", 1.0).charge("pretrain")
    clock = killed.__enter__()  # and never left
    time.sleep(0.05)
    clock.tick()
    after = Clock(tmp_path / "clock.json", 1.0)
    assert after.spent["pretrain"] >= 0.05 and after.interruptions == 1


def test_other_processes_read_and_do_not_write(tmp_path):
    with Clock(tmp_path / "clock.json", 1.0, writes=False).charge("pretrain"):
        pass
    assert not (tmp_path / "clock.json").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"spent": {"pretrain": "soon"}}', '{"spent": 3}', "{"])
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
