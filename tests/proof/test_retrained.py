"""An entry that was played again on another machine: how far its score may be from the record's."""

import json
import shutil
from pathlib import Path

import play  # noqa: F401  (the tiny league)
import pytest

from league.proof.noise import Noise
from league.record.shape import read_record
from tools import verify


@pytest.fixture
def entry(played, tmp_path) -> Path:
    shutil.copytree(played / "runs" / "one", tmp_path / "one")
    return tmp_path / "one"


def records_of_another_machine(entry) -> list:
    again = json.loads((entry / "record.json").read_text())
    again["stages"]["finetune"]["sha256"]["model.safetensors"] = "0" * 64
    again["score"]["value"] += 1
    (entry / "again.json").write_text(json.dumps(again))
    return [read_record(entry / name) for name in ("record.json", "again.json")]


@pytest.mark.parametrize(("deviation", "proven"), [(0.0, False), (0.05, False), (50.0, True)])
def test_weights_of_another_machine_are_judged_by_the_seeds_deviation(entry, monkeypatch, deviation, proven):
    monkeypatch.setattr("league.proof.noise.noise_of", lambda *_: Noise(deviation, 5))
    assert bool(verify.differences(*records_of_another_machine(entry))) != proven


@pytest.mark.parametrize("noise", [None, Noise(0.2, 5)], ids=["never measured", "farther than seeds usually move it"])
def test_what_seeds_may_explain_or_not_proves_nothing_and_refutes_nothing(entry, monkeypatch, capsys, noise):
    monkeypatch.setattr("league.proof.noise.noise_of", lambda *_: noise)
    _, played = records_of_another_machine(entry)
    monkeypatch.setattr("tools.replay.replay_all", lambda *_: {})
    monkeypatch.setattr(verify, "read_record", lambda _: played)
    with pytest.raises(SystemExit) as ended:
        verify.main([str(entry), "--retrain"])
    printed = capsys.readouterr().out
    assert ended.value.code == 2 and "REFUTED" not in printed
    assert "NOT PROVEN: " in printed and "on a machine like its own" in printed
