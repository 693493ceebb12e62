"""The experiments of the readers' page."""

from types import SimpleNamespace

import pytest

import train_finetune
import train_pretrain
from benchmarks import findings
from league.errors import UserError
from league.run import entry, takeover
from league.values import GAME_VARIABLE
from league_config import DEMO_READERS


def test_what_cannot_be_played_is_refused():
    for argv, message in (
        (["--seeds", "0"], "--seeds 0: must be 1 or more"),
        (["--league", "demo"], "is no readers' league"),
        (["luck"], "unknown finding 'luck'"),
    ):
        with pytest.raises(UserError, match=message):
            findings.main(argv)


def test_no_game_pays_for_them(tmp_path, monkeypatch):
    games = []

    class Seen:
        """An entry that trains nothing."""

        def __init__(self, options, *_):
            games.append(options.game)
            stage = SimpleNamespace(validation={"accuracy": 1.0})
            self.record = SimpleNamespace(stages={"pretrain": stage, "finetune": stage})

        def release(self):
            pass

    for module, name, stub in (
        (entry, "Entry", Seen),
        (takeover, "build_on", lambda *_: None),
        (train_pretrain, "pretrain", lambda *_: None),
        (train_finetune, "finetune", lambda *_: None),
    ):
        monkeypatch.setattr(module, name, stub)
    monkeypatch.setenv(GAME_VARIABLE, "kim")
    player = findings.Player(DEMO_READERS, findings.FindingsOptions(), {}, {}, tmp_path)
    assert player(findings.Arm("as it is"), 1) == (1.0, 1.0)
    assert games == ["", ""]
