"""Playing entries again with several workers: on one machine, and on machines without a common folder."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from conftest import ROOT
from play import TINY

from league.errors import UserError
from league.files import digests_of
from league.record.shape import read_record
from tools import seeds, verify
from tools.replay import Replays, again, data_of, finish, replay_all
from tools.workers import Lost, Seat

SHORT = ("--seeds", "3")


@pytest.fixture
def game(played, tmp_path, monkeypatch):
    """A folder with the scored entry `one`, which is played again as the tiny league."""
    home = tmp_path / "home"
    shutil.copytree(played, home)
    monkeypatch.chdir(home)
    play = str(ROOT / "tests/play.py")  # a function of this test's own travels to the workers as it is
    monkeypatch.setattr("tools.replay.command", lambda script: [sys.executable, play, script])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    return home


def test_an_entry_is_played_again_as_practice_and_with_its_own_threads(game, monkeypatch):
    played = []
    monkeypatch.setattr("tools.replay.finish", lambda words, folder, env, is_seen: played.append(env) or (0, None))
    monkeypatch.setenv("LEAGUE_GAME", "day")
    record = read_record(game / "runs/one/record.json")
    for number, stage in enumerate(record.stages.values(), 3):
        stage.num_threads = number
    Replays(None).play(again(record, "two", 1, game))
    assert [env["LEAGUE_GAME"] for env in played] == ["", "", ""]
    assert [env["OMP_NUM_THREADS"] for env in played] == ["3", "4", "4"]


def test_a_script_that_is_interrupted_may_save(tmp_path, monkeypatch):
    def interrupt(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupt)
    words = [sys.executable, "-c", "import time; time.sleep(0.6); open('saved', 'w')"]
    with pytest.raises(KeyboardInterrupt):
        finish(words, tmp_path, dict(os.environ), is_seen=True)
    assert (tmp_path / "saved").exists()


class Pair:
    """Two seats of a machine that shares no folder, whose workers do what the test says."""

    is_alone = is_local = False

    def __init__(self, *outcomes):
        self.outcomes, self.begun, self.cleared = list(outcomes), [], []
        self.seats = [Seat("chip", address="a"), Seat("chip", address="b")]

    def employ(self, work):
        self.work = work

    def free(self):
        busy = [seat for seat, *_ in self.begun]
        return [seat for seat in self.seats if seat not in busy]

    @property
    def is_busy(self):
        return bool(self.begun)

    def begin(self, seat, key, method, what):
        assert method == "play"
        self.begun.append((seat, key, what))

    def wait(self, seconds):
        seat, key, _ = self.begun.pop(0)
        return [(seat, key, self.outcomes.pop(0))]

    def notes(self):
        return {what.entry: "train_pretrain" for _, _, what in self.begun}

    def clear(self, name):
        self.cleared.append(name)


def files_of(home):
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_an_entry_that_lost_its_worker_is_played_again_and_comes_back_whole(game, capsys):
    record, files = read_record(game / "runs/one/record.json"), files_of(game / "runs/one")
    team = Pair(Lost("killed"), files, files)
    replay_all([again(record, name, 1, game) for name in ("two", "three")], None, team)
    assert files_of(game / "runs/two") == files_of(game / "runs/three") == files
    assert not team.outcomes and team.cleared == [team.work.name]
    printed = capsys.readouterr().out
    assert "two: train_pretrain.py" in printed and f"two: {record.score.value:.2f} after" in printed


def test_an_entry_that_loses_every_worker_is_given_up_and_the_others_are_played(game):
    record, files = read_record(game / "runs/one/record.json"), files_of(game / "runs/one")
    replays = [again(record, name, 1, game) for name in ("two", "three")]
    # One seat at a time is asked: two is lost, three comes back, two is lost again.
    failed = replay_all(replays, None, Pair(Lost("killed"), files, Lost("killed")))
    assert failed == {"two": "it has lost 2 workers, the last one so: killed"}
    assert files_of(game / "runs/three") == files


def test_of_several_entries_the_one_whose_script_fails_is_neither_proven_nor_refuted(game, monkeypatch, capsys):
    shutil.copytree(game / "runs/one", game / "runs/broken")
    command = [sys.executable, str(ROOT / "tests/play.py")]
    first = {"train_pretrain": [sys.executable, "-c", "raise SystemExit(7)"]}
    replayed = []

    def of(script):
        replayed.append(script)
        return first.pop(script, None) or [*command, script]

    monkeypatch.setattr("tools.replay.command", of)
    with pytest.raises(SystemExit) as ended:
        verify.main(["runs/broken", "runs/one", "--retrain"])
    printed = capsys.readouterr().out
    assert ended.value.code == 2 and "REFUTED" not in printed
    assert "NOT PROVEN: runs/broken, played again it came to no end: train_pretrain.py ended with code 7." in printed
    assert "PROVEN: one" in printed and replayed.count("train_pretrain") == 2


def test_what_a_league_reads_is_sent_and_nothing_else(game, tmp_path):
    record = read_record(game / "runs/one/record.json")
    what = again(record, "two", 1, game)
    assert what.league == TINY.name
    for name in ("captions", "talks", "secrets"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "train.de").write_text(name)
    assert data_of([what], str(tmp_path / "data")) == {"captions/train.de": b"captions", "talks/train.de": b"talks"}
    assert data_of([what], None) == {}


def test_a_script_that_fails_says_why_where_nobody_sees_its_terminal(game):
    record = read_record(game / "runs/one/record.json")
    what = again(record, "two", 1, game)
    broken = replace(what, scripts={"train_pretrain": [*what.scripts["train_pretrain"], "--dropout", "7"]})
    work = Replays(None, note=lambda entry, script: None)
    assert work.play(broken).reason.startswith("train_pretrain.py ended with code 2 (--dropout 7.0: must be")


def test_workers_without_retrain_have_nothing_to_do(game):
    with pytest.raises(UserError, match="without it there is nothing to share"):
        verify.main(["runs/one", "--workers", "2"])


@pytest.mark.slow
def test_two_workers_repeat_an_entry_and_prove_what_they_made(game, capsys):
    pytest.importorskip("ray", reason="needs Ray: pip install -r requirements-cluster.txt")
    seeds.main(["runs/one", *SHORT, "--workers", "2"])
    scores = json.loads((game / "runs/one/seeds.json").read_text())["scores"]
    assert set(scores) == {"1", "2", "3"}
    for seed in ("2", "3"):
        record = read_record(game / f"runs/one-seed{seed}/record.json")
        assert record.asked["seed"] == int(seed) and round(record.score.value, 2) == scores[seed]
        assert {stage.num_threads for stage in record.stages.values()} == {1}
    capsys.readouterr()
    verify.main(["runs/one-seed2", "runs/one-seed3", "--retrain", "--workers", "2"])
    printed = capsys.readouterr().out
    assert printed.count("the weights are the same to the last bit") == 2 and printed.count("PROVEN") == 2


@pytest.mark.slow
def test_machines_without_a_common_folder_hand_over_what_they_have_played(game, tmp_path, capsys, monkeypatch):
    pytest.importorskip("ray", reason="needs Ray: pip install -r requirements-cluster.txt")
    from ray.cluster_utils import Cluster

    caches = [tmp_path / f"machine-{number}" for number in (1, 2)]
    cluster = Cluster()
    try:
        for cache in caches:
            monkeypatch.setenv("XDG_CACHE_HOME", str(cache))  # which a node keeps for its workers
            cluster.add_node(num_cpus=1, include_dashboard=False, object_store_memory=200 * 2**20)
        cluster.wait_for_nodes()
        seeds.main(["runs/one", *SHORT, "--cluster", cluster.address])
    finally:
        cluster.shutdown()
    assert all(cache.exists() and not list(cache.glob("league/*")) for cache in caches), "nothing is kept there"
    for seed in ("2", "3"):
        verify.main([f"runs/one-seed{seed}"])
        assert "PROVEN" in capsys.readouterr().out
    before = digests_of(game / "runs/one-seed2/finetune")
    seeds.main(["runs/one", *SHORT])
    assert digests_of(game / "runs/one-seed2/finetune") == before, "nothing is trained twice"
