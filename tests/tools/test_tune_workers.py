"""Searches with several workers: on one machine, on machines without a common folder, and through their deaths."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT
from play import TINY
from searches import assert_each_trial_has_one_outcome, charged_for_search, trials_of, used_by, write_from

import league_config
from league.cli.options import parse_options
from league.data.corpora import load_split
from league.errors import UserError
from league.record.clock import SAVE_EVERY
from league.record.shape import read_record
from league.untrusted import read_json
from tools import team, verify, workers
from tools.folders import read_folder, write_folder
from tools.workers import WorkerOptions

ray = pytest.importorskip("ray", reason="needs Ray: pip install -r requirements-cluster.txt")

SETTINGS = {**os.environ, "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true", "PYTHONUNBUFFERED": "1"}
FLAGS = ("--from", "from.json", "--preset", "best", "--only", "finetune")  # of one small structure
PATIENCE = 300
LONGER = "16"  # so that a kill meets a trial, on a fast machine, too
STEPS = {"pretrain": 24 * int(LONGER), "finetune": 10 * int(LONGER)}


def start(folder: Path, *flags: str, **settings: str) -> subprocess.Popen:
    """Start a search of the tiny league in `folder`, as anybody would."""
    words = [sys.executable, str(ROOT / "tests/play.py"), "tools.tune.__main__", *FLAGS, *flags]
    output = (folder / "output.txt").open("a")
    asked = {"cwd": folder, "env": SETTINGS | settings, "stdout": output, "stderr": output}
    # Where the tests run in the background they ignore Ctrl-C, and their children would, too.
    return subprocess.Popen(words, **asked, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def end(process: subprocess.Popen, folder: Path) -> str:
    """Wait for a search to end well; return what it has printed."""
    try:
        code = process.wait(PATIENCE)
    finally:
        process.kill()
    output = (folder / "output.txt").read_text()
    assert code == 0 and "Traceback" not in output, output
    return output


def wait_for(condition, process: subprocess.Popen, folder: Path):
    until = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert process.poll() is None and time.monotonic() < until, (folder / "output.txt").read_text()
        time.sleep(0.05)
    return found


def processes(*words: str) -> list[int]:
    """Return the processes that have all of these words in their command line or their folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            about = (path / "cmdline").read_bytes().decode(errors="replace") + os.readlink(path / "cwd")
        except OSError:
            continue
        if all(word in about for word in words):
            found.append(int(path.name))
    return found


def assert_is_whole(folder: Path, entry: str, capsys, monkeypatch) -> dict:
    """Hold a search and its entry against what each of them must be; return its study."""
    home = folder / "runs" / entry
    record, study = read_record(home / "record.json"), read_json(home / "tune" / "study.json")
    assert record.official and record.test_openings == 1 and record.trials == len(study["trials"])
    assert_each_trial_has_one_outcome(home / "tune")
    asked = [trial.user_attrs["asked"] for trial in trials_of(home / "tune")]
    new = [one for one in asked if "again" not in one["origin"]]
    trained = [json.dumps([one["stage"], one["fidelity"], one["values"], one["base"]]) for one in new]
    assert len(set(trained)) == len(trained), "nothing is trained twice"
    assert charged_for_search(home) >= used_by(home / "tune") - 0.01
    assert not (home / "tune" / "workers").exists() and not (home / "tune" / "running.json").exists()
    monkeypatch.chdir(folder)
    longer = {
        name: replace(getattr(TINY, name), arguments=getattr(TINY, name).arguments | {"max_steps": steps})
        for name, steps in STEPS.items()
    }
    monkeypatch.setitem(league_config.LEAGUES, "tiny", replace(TINY, **longer))
    verify.main([f"runs/{entry}"])
    assert f"PROVEN: {entry}, " in capsys.readouterr().out
    return study


# Without Ray, or before it starts


@pytest.mark.parametrize("asked", ["0", "-1", "two", "1.5", ""])
def test_a_number_of_workers_is_a_number_or_auto(asked):
    with pytest.raises(UserError, match="--workers .*: must be a number above 0, or auto"):
        parse_options("", WorkerOptions, argv=["--workers", asked])


def test_one_worker_needs_no_ray_and_several_say_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for asked in (None, "1"):
        assert workers.open_team(WorkerOptions(asked)).is_alone
    for options in (WorkerOptions("2"), WorkerOptions("auto"), WorkerOptions(cluster="auto")):
        with pytest.raises(UserError, match="needs Ray: pip install -r requirements-cluster.txt"):
            workers.open_team(options)


def node(cpus: int, gpus: int = 0, memory: float = 64e9) -> dict:
    resources = {"CPU": float(cpus), "memory": memory} | ({"GPU": float(gpus)} if gpus else {})
    return {"NodeID": "n", "NodeManagerAddress": "a", "Resources": resources}


@pytest.mark.parametrize(
    ("machine", "options", "seats"),
    [
        (node(2), WorkerOptions("2"), [(1, 0), (1, 0)]),
        (node(9), WorkerOptions("2"), [(4, 0), (4, 0)]),
        (node(2), WorkerOptions("auto"), [(1, 0), (1, 0)]),
        (node(16), WorkerOptions("auto"), [(4, 0)] * 4),
        (node(16, memory=5e9), WorkerOptions("auto"), [(8, 0)] * 2),
        (node(16, gpus=4), WorkerOptions("auto"), [(4, 1)] * 4),
        (node(16, gpus=4), WorkerOptions("2"), [(8, 1)] * 2),
        (node(2), WorkerOptions("3", cluster="auto"), [(1, 0), (1, 0)]),
        (node(0), WorkerOptions(cluster="auto"), []),
    ],
)
def test_the_seats_of_a_machine(machine, options, seats):
    assert [(seat.threads, seat.gpus) for seat in team.seats_of(machine, options, "n")] == seats


def test_a_machine_has_no_more_workers_than_cores():
    with pytest.raises(UserError, match="--workers 3: this machine has 2 cores"):
        team.seats_of(node(2), WorkerOptions("3"), "n")


def test_a_folder_and_a_split_arrive_as_they_were(tmp_path):
    import pickle

    (tmp_path / "one" / "pretrain").mkdir(parents=True)
    (tmp_path / "one" / "pretrain" / "weights").write_bytes(b"\x00\xff" * 9)
    (tmp_path / "one" / "record.json").write_text("{}")
    (tmp_path / "one" / "other").write_text("stays")
    write_folder(tmp_path / "two", read_folder(tmp_path / "one", "record.json", "clock.json", "pretrain"))
    names = {path.relative_to(tmp_path / "two").as_posix() for path in (tmp_path / "two").rglob("*")}
    assert names == {"record.json", "pretrain", "pretrain/weights"}
    assert (tmp_path / "two/pretrain/weights").read_bytes() == b"\x00\xff" * 9
    split = load_split(TINY, TINY.pretrain.corpus, "validation", None)
    again = pickle.loads(pickle.dumps(split))
    assert list(again.sources) == list(split.sources) and again.report == split.report


def test_other_packages_are_refused_by_name():
    wanted = workers.versions() | {"torch": "1.0"}
    with pytest.raises(UserError, match=r"it has torch \S+, and this machine torch 1.0"):
        team.Worker().greet(wanted)


def test_a_cluster_that_is_not_there_is_refused_in_a_line(tmp_path):
    write_from(tmp_path)
    process = start(tmp_path, "--entry", "none", "--cluster", "127.0.0.1:1", RAY_raylet_start_wait_time_s="5")
    code, output = process.wait(PATIENCE), (tmp_path / "output.txt").read_text()
    assert code == 2 and output.strip().splitlines()[-1].startswith("error: --cluster 127.0.0.1:1: no Ray cluster")
    assert "Traceback" not in output


# One machine


@pytest.mark.slow
def test_two_workers_share_a_search_and_survive_a_death(tmp_path, capsys, monkeypatch):
    write_from(tmp_path)
    process = start(tmp_path, "--entry", "w", "--minutes", "3", "--workers", "2", "--game", "day", LONGER=LONGER)
    trials = tmp_path / "runs/w/tune/workers/trials"
    wait_for(lambda: len(list(trials.glob("*"))) == 2, process, tmp_path)
    (victim, *_) = processes("ray::Worker", "runs/w/tune/workers")
    os.kill(victim, signal.SIGKILL)
    output = end(process, tmp_path)
    assert "is gone" in output and "another one starts there" in output
    study, record = assert_is_whole(tmp_path, "w", capsys, monkeypatch), read_record(tmp_path / "runs/w/record.json")
    assert any(trial["origin"].endswith("again after a kill") for trial in study["trials"])
    (kind,) = record.workers
    assert record.workers == {kind: 2} and kind.endswith(", 1 thread") and study["device"] == f"2 × {kind}"
    assert {stage.num_threads for stage in record.stages.values()} == {1}
    assert f"2 × {kind}" in (tmp_path / "runs/w/report.html").read_text()
    assert record.game.entries == 1 and record.game.minutes == pytest.approx(record.clock.minutes, abs=0.1)


@pytest.mark.slow
def test_a_driver_that_is_killed_leaves_nothing_running_and_the_same_command_resumes(tmp_path, capsys, monkeypatch):
    write_from(tmp_path)
    flags = ("--entry", "k", "--minutes", "3", "--workers", "2")
    home = tmp_path / "runs/k"
    for stop in (signal.SIGKILL, signal.SIGINT):
        process = start(tmp_path, *flags, LONGER=LONGER)
        running = home / "tune/running.json"
        running.unlink(missing_ok=True)
        wait_for(lambda: running.exists() and read_json(running)["trials"], process, tmp_path)  # noqa: B023
        used = used_by(home / "tune")
        process.send_signal(stop)
        code = process.wait(60)
        assert code == (-signal.SIGKILL if stop == signal.SIGKILL else 130)
        assert used <= used_by(home / "tune") <= used + 3 * SAVE_EVERY + 1
        until = time.monotonic() + 20
        while (left := processes("ray::Worker", str(home))) and time.monotonic() < until:
            time.sleep(0.2)
        assert not left
    end(start(tmp_path, *flags, LONGER=LONGER), tmp_path)
    study = assert_is_whole(tmp_path, "k", capsys, monkeypatch)
    assert any(trial["origin"].endswith("again after a kill") for trial in study["trials"])


# Machines without a common folder


@pytest.mark.slow
def test_two_machines_without_a_common_folder_of_which_one_dies(tmp_path, capsys, monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # a token that earlier tests have left would be asked for
    caches = [tmp_path / f"machine-{number}" for number in (1, 2)]
    home = tmp_path / "home"
    home.mkdir()
    write_from(home)
    cluster = Cluster()
    try:
        nodes = []
        for cache in caches:
            monkeypatch.setenv("XDG_CACHE_HOME", str(cache))  # which a node keeps for its workers
            nodes.append(cluster.add_node(num_cpus=1, include_dashboard=False, object_store_memory=200 * 2**20))
        cluster.wait_for_nodes()
        flags = ("--entry", "c", "--minutes", "3", "--cluster", cluster.address)
        process = start(home, *flags, LONGER=LONGER, RAY_AUTH_MODE="disabled")
        # Each works in a folder of its own.
        wait_for(lambda: all(list(cache.glob("league/*/trials/*")) for cache in caches), process, home)
        assert not list((home / "runs/c/tune").glob("workers"))
        began = time.monotonic()
        cluster.remove_node(nodes[1], allow_graceful=False)
        output = end(process, home)
        assert time.monotonic() - began < 180 + 60 and "the others go on without it" in output
        study = assert_is_whole(home, "c", capsys, monkeypatch)
        assert any(trial["origin"].endswith("again after a kill") for trial in study["trials"])
        assert sum(read_record(home / "runs/c/record.json").workers.values()) == 2
        assert not list(caches[0].glob("league/*")), "a machine that worked to the end keeps nothing"
    finally:
        cluster.shutdown()
