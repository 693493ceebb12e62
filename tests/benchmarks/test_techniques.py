"""Arms of stage A beside the run without them."""

import statistics
import sys

import pytest
from conftest import ROOT
from play import TINY  # noqa: F401

from benchmarks import setting, techniques
from league.errors import UserError
from league.files import digests_of
from league.record.shape import read_record

SMALL = ["--league", "tiny", "--d_model", "32", "--nhead", "2", "--num_layers", "1", "--d_ff", "64"]


def test_what_cannot_be_an_arm_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr("tools.replay.replay_all", lambda *_: pytest.fail("something was played"))
    for argv, message in (
        (["luck=1"], r"arm 'luck=1': 'luck=1' is not NAME=VALUE of a value of stage A: d_model, .*pretrain_r_drop"),
        (["ema"], "arm 'ema': 'ema' is not NAME=VALUE"),
        (["r_drop=2,"], "arm 'r_drop=2,': '' is not NAME=VALUE"),
        (["num_layers=two"], "arm 'num_layers=two': 'two' is not int for num_layers"),
        (["r_drop=2,ema=1"], r"--pretrain_ema 1.0: must be at least 0 and below 1"),
        (["ema=0.9", "--seeds", "0"], "--seeds 0: must be 1 or more"),
        ([], "required: arms"),
    ):
        with pytest.raises(UserError, match=message):
            techniques.main(argv)


def test_gains_are_those_of_the_records_and_nothing_is_played_twice(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(setting, "CACHE", tmp_path)
    play = str(ROOT / "tests/play.py")
    monkeypatch.setattr("tools.replay.command", lambda script: [sys.executable, play, script])
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    argv = ["d_ff=128,num_layers=2", *SMALL, "--seeds", "2"]
    techniques.main(argv)
    printed = capsys.readouterr().out
    entries = {path.parent.name: path.parent for path in tmp_path.glob("techniques/runs/*/record.json")}
    assert len(entries) == 4
    reached = {"without": [], "d_ff": []}
    for name, path in sorted(entries.items(), key=lambda one: one[0][-1]):
        record = read_record(path / "record.json")
        arm = name.split("-")[0]
        assert record.asked["d_ff"] == (64 if arm == "without" else 128) and record.score is None
        reached[arm].append(record.stages["pretrain"].validation["captions"])
    gains = [ours - base for base, ours in zip(*reached.values(), strict=True)]
    assert f"{statistics.mean(gains):.2f} ± {statistics.stdev(gains):.2f}" in printed

    before = {name: digests_of(path / "pretrain") for name, path in entries.items()}
    techniques.main(argv)
    assert capsys.readouterr().out.splitlines()[-3:] == printed.splitlines()[-3:]
    assert {name: digests_of(path / "pretrain") for name, path in entries.items()} == before
