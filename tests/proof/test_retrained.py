"""An entry that was played again on another machine: how far its score may be from the record's."""

import json
import shutil
from pathlib import Path

import play  # noqa: F401  (the tiny league)
import pytest

from league.errors import NotAtHand
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


@pytest.mark.parametrize("which", [0, 1])
def test_what_the_clock_cut_short_refutes_nothing(entry, monkeypatch, which):
    monkeypatch.setattr("league.proof.noise.noise_of", lambda *_: Noise(0.0, 5))
    both = records_of_another_machine(entry)
    both[which].stages["pretrain"].out_of_time = True
    with pytest.raises(NotAtHand, match="the clock cut .* training short"):
        verify.differences(*both)


@pytest.mark.parametrize("error", [MemoryError("out of memory"), OSError(28, "No space left on device")])
def test_a_machine_that_cannot_prove_an_entry_does_not_refute_it(entry, monkeypatch, capsys, error):
    def break_off(*_):
        raise error
        yield

    monkeypatch.setattr("league.proof.checks.checks", break_off)
    with pytest.raises(SystemExit) as ended:
        verify.main([str(entry)])
    assert ended.value.code == 2 and "NOT PROVEN: " in capsys.readouterr().out


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
