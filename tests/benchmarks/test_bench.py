"""The benchmark: its statistics, the protocol between it and its workers, what it refuses, what it writes."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path
from string import ascii_lowercase

import pytest
import torch
from conftest import ROOT, SMALL

from benchmarks import __main__ as bench
from benchmarks import data, gpu_day, products, setting, startup
from benchmarks.setting import Bench, BenchOptions
from benchmarks.shared import Worker, environment, ratios, show, spread, table
from league.errors import UserError
from league.threads import LIBRARYS_OWN


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    for name, register in setting.REGISTERS.items():
        for split, count in {"train": 300, "validation": 10, "test": 20}.items():
            setting.write_pairs(folder / name, register, split, count)
        # So few lines would not fill the league's vocabulary.
        letters = random.Random(1)
        for path in folder.glob(f"{name}/train.*"):
            words = ("".join(letters.choices(ascii_lowercase, k=20)) for _ in range(300))
            path.write_text("".join(map("{} {}\n".format, path.read_text().splitlines(), words)))
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Keep the cache out of the project, and the test process's own handler of SIGTERM."""
    monkeypatch.setattr(setting, "CACHE", tmp_path / "cache")
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


# Statistics


def test_median_range_and_ratios_are_right():
    assert spread([3.0, 1.0, 2.0, 10.0]) == {"median": 2.5, "min": 1.0, "max": 10.0, "values": [3.0, 1.0, 2.0, 10.0]}
    # The machine was twice as fast in the second round: the ratio does not see it.
    assert ratios([3.0, 6.0], [1.0, 2.0]) == {"median": 3.0, "min": 3.0, "max": 3.0, "values": [3.0, 3.0]}
    with pytest.raises(ValueError):
        ratios([1.0], [1.0, 2.0])


def test_the_table_shows_every_kind_of_value():
    assert show(spread([1.0, 2.0, 3.0])) == "2.00 (1.00..3.00)"
    assert [show(value) for value in (12345.6, 123.45, None, 8000, "a")] == ["12,346", "123.5", "-", "8,000", "a"]
    lines = table([{"arm": "ours", "x": 1}, {"arm": "marian", "y": 22}]).splitlines()
    assert lines == ["arm     x   y", "ours    1   -", "marian  -  22"]


# Workers


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_the_arms_of_training_alternate_and_wait_without_work(texts, tmp_path, monkeypatch, capsys):
    asked, workers, ask = [], {}, Worker.ask

    def watched(self, **question):
        workers[self.name] = self.process
        others = [process.pid for name, process in workers.items() if name != self.name]
        before = sum(map(cpu_seconds, others))
        answer = ask(self, **question)
        asked.append((self.name, answer, sum(map(cpu_seconds, others)) - before))
        return answer

    monkeypatch.setattr(Worker, "ask", watched)
    output = tmp_path / "bench.json"
    flags = ["--rounds", "2", "--steps", "2", "--warm_up", "2", "--data_dir", str(texts)]
    bench.main(["training", *flags, "--output", str(output), *SMALL])
    arms = ["ours", "marian-defaults", "our-products-alone", "marian-best-flags"]
    assert [name for name, _, _ in asked] == arms + arms + [*arms[1:], arms[0]], "warm-up, then two rounds"
    for _, answer, idle in asked:
        assert answer["steps"] == 2 and 2 * 64 * 10 < answer["tokens"] <= answer["slots"] and idle < 0.1
    assert all(process.poll() is not None for process in workers.values()), "none is left"

    text = output.read_text()
    result = json.loads(text)
    machine, part = result["environment"], result["parts"]["training"]
    assert (
        machine["cpu"] and machine["cores"] and machine["threads"] and machine["precision"] in ("bf16", "fp16", "fp32")
    )
    assert {"torch", "transformers", "ctranslate2"} <= set(machine["versions"]) and "gpu" in machine
    for secret in (ROOT, texts, tmp_path, Path.home(), socket.gethostname()):
        assert str(secret) not in text
    assert [row["arm"] for row in part["rows"]] == arms and part["baseline"] == arms[1]
    assert part["rows"][1]["ratio of tokens/s"]["median"] == 1.0
    assert ["GFLOP/s" in row for row in part["rows"]] == [True, False, True, False]
    last = [answer for name, answer, _ in asked if name == "ours"][-1]
    assert part["rows"][0]["tokens/s"]["values"][-1] == pytest.approx(last["tokens"] / last["seconds"])
    assert "marian-best-flags" in capsys.readouterr().out


def test_each_product_of_a_step_is_noted_as_it_was():
    mode, block = products.ProductsMode(), torch.nn.Linear(8, 16)
    x = torch.randn(4, 8, requires_grad=True)
    with mode:
        (torch.relu(block(x)) ** 2).sum().backward()
    sizes = [[one.size for one in args if isinstance(one, products.Operand)] for _, args, _ in mode.noted]
    # Forward, and the gradients of the input and of the weights.
    assert sorted(map(sorted, sizes)) == sorted([[(4, 8), (8, 16), (16,)], [(4, 16), (16, 8)], [(4, 8), (16, 4)]])
    assert products.operations(mode.noted) == 3 * 2 * 4 * 8 * 16
    for _, args, _ in mode.noted:
        for one in args:
            assert not isinstance(one, products.Operand) or products.Operand.of(one.made()) == one


def test_a_worker_that_dies_says_of_what(tmp_path, capsys):
    with Worker("shared.no_such_job", tmp_path, "some arm") as worker:
        with pytest.raises(UserError, match="^the worker of some arm ended with code 1: AttributeError: .*no_such_job"):
            worker.receive()
    assert "Traceback" in capsys.readouterr().err
    with Worker("shared.table", tmp_path, "other", rows=[]) as worker:
        worker.process.kill()
        with pytest.raises(UserError, match="other ended with code -9"):
            worker.ask(steps=1)


def test_no_worker_outlives_the_benchmark(tmp_path):
    with pytest.raises(KeyboardInterrupt), Worker("shared.no_such_job", tmp_path) as worker:
        raise KeyboardInterrupt
    assert worker.process.poll() is not None
    # Where the parent was killed, a worker that waits for its next question ends.
    waiting = "from benchmarks.shared import Channel; Channel().wait(); raise SystemExit(9)"
    words = [sys.executable, "-c", waiting]
    assert subprocess.run(words, env=environment(), stdin=subprocess.DEVNULL, timeout=20).returncode == 0


# Parts


def test_data_of_any_size_is_measured(tmp_path):
    part = data.measure(Bench(BenchOptions(pairs=[500]), tmp_path, tmp_path))
    assert [row["arm"] for row in part["rows"]] == [part["baseline"], "500 texts"] == ["500 pairs", "500 texts"]
    assert part["rows"][0]["ratio of rows/s"] == 1.0
    assert all(row["peak MiB"] > row["start MiB"] > 50 and row["rows/s tokenized"] > 100 for row in part["rows"])
    assert not list(tmp_path.glob("pairs-*"))


def test_numbered_pairs_are_as_many_as_asked_and_all_different(tmp_path):
    setting.write_pairs(tmp_path, "captions", "train", 250, unique=100)
    lines = (tmp_path / "train.de").read_text().splitlines()
    assert len(lines) == len(set(lines)) == 250 == len((tmp_path / "train.en").read_text().splitlines())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], "unknown part 'nonsense'"),
        (["--rounds", "0"], "--rounds 0: must be at least 1"),
        (["--round", "3"], "did you mean --rounds"),
        (["training", "--rounds", "100"], "2100 steps; stage A has 1500"),
        (["readers", "--rounds", "20", "--steps", "200"], "steps; stage A has 4000"),
        (["--d_model", "30", "--nhead", "4"], "must be divisible by nhead"),
        (["--data_dir", "nowhere"], "is not a folder"),
        (["--pairs", "1"], "--pairs 1: must be at least 100"),
        (["scoring", "--checkpoint", "nowhere"], "holds no model.safetensors"),
        (["scoring", "--marian_steps", "3"], "only babbles"),
        (["--output", "nowhere/bench.json"], "not a file in a folder that exists"),
    ],
)
def test_what_cannot_be_measured_is_refused(words, message):
    with pytest.raises(UserError, match=message):
        bench.main(words)


@pytest.mark.slow
def test_scoring_and_translating_run(texts, tmp_path):
    output = tmp_path / "bench.json"
    flags = ["--rounds", "2", "--marian_steps", "50", "--sentences", "10", "--data_dir", str(texts)]
    bench.main(["scoring", "translating", *flags, "--output", str(output), *SMALL])
    parts = json.loads(output.read_text())["parts"]
    arms = {row["arm"]: row for row in parts["scoring"]["rows"]}
    assert arms["ours-library-search"]["identical"] == "10 of 10 to ours"
    if setting.has_ctranslate2():
        assert arms["ctranslate2-float32"]["identical"] == "10 of 10 to marian", "the conversion is right"
    rows = {row["arm"]: row for row in parts["translating"]["rows"]}
    assert rows["translate"]["identical"] == 10 and rows["translate"]["BLEU"] == rows["evaluate_bleu"]["BLEU"]


@pytest.mark.slow
def test_a_run_is_timed_alone_beside_a_busy_core_and_beside_another(texts, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.busy.SETTINGS", {"libgomp's own": LIBRARYS_OWN})
    output = tmp_path / "bench.json"
    flags = ["--rounds", "1", "--seconds", "1", "--warm_up", "2", "--data_dir", str(texts)]
    bench.main(["busy", *flags, "--output", str(output), *SMALL])
    rows = json.loads(output.read_text())["parts"]["busy"]["rows"]
    assert [row["work"] for row in rows] == ["stage A: libgomp's own", "stage B: libgomp's own"]
    for row in rows:
        assert row["alone, share"] == 1 and row["beside"]["min"] > 0
        assert len(row["two at once"]["values"]) == 2 * len(row["alone"]["values"])


@pytest.mark.slow
def test_startup_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.startup.RUNS", 1)
    rows = startup.measure(Bench(BenchOptions(), tmp_path, tmp_path))["rows"]
    assert len(rows) == 3
    for row in rows:
        assert 0 < row["--help s"]["median"] < row["first begun s"]["median"] < row["first done s"]["median"]


def test_a_part_without_a_baseline_is_printed_too(capsys):
    bench._print_part("startup", {"minutes": 0.1, "notes": ["once"], "rows": [{"command": "--help", "seconds": 0.1}]})
    assert "startup (0.1 min)" in capsys.readouterr().out


def test_a_part_that_is_interrupted_leaves_nothing_at_work(tmp_path, monkeypatch):
    started = []

    class Interrupted(subprocess.Popen):
        def wait(self, timeout=None):
            if timeout is None:
                return super().wait()
            started.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(gpu_day.subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        gpu_day.run_part([["-c", "import time; time.sleep(100)"]], 60, tmp_path / "log")
    assert started[0].returncode == -signal.SIGKILL


def test_a_day_shows_no_figures_of_an_earlier_one(tmp_path):
    (tmp_path / "runs/gpu").mkdir(parents=True)
    (tmp_path / "runs/gpu/record.json").write_text('{"stages": {}}')
    for name in ("training", "launches-small"):
        (tmp_path / f"{name}.json").write_text("{}")
    assert set(gpu_day.figures(tmp_path)) == {"gpu", "training", "launches-small"}
    for part in gpu_day.SECONDS:
        gpu_day.clear(tmp_path, part)
    assert gpu_day.figures(tmp_path) == {}
