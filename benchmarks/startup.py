"""Part `startup`: seconds until `--help` is there, and until the scripts' first step or batch, tokens cached."""

import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

from benchmarks.setting import Bench, bench_league
from benchmarks.shared import ROOT, Worker, environment, once, progress, spread
from league.errors import UserError

SCRIPTS = ("train_pretrain", "train_finetune", "evaluate_bleu")
HELP_RUNS = 5
RUNS = 3
PREPARED_STEPS = 100  # enough for a translator that mostly ends its sentences


def measure(bench: Bench) -> dict[str, Any]:
    helps = {script: [] for script in SCRIPTS}
    for _ in range(HELP_RUNS):
        for script in SCRIPTS:
            helps[script].append(seconds_of_help(bench, script))
        progress(f"--help: {', '.join(f'{script} {values[-1]:.2f} s' for script, values in helps.items())}")
    shared = {"data_dir": bench.options.data_dir and str(bench.data_dir)}
    progress(f"startup: preparing an entry of {PREPARED_STEPS} steps")
    once("startup.prepare", bench.folder, **shared)
    firsts = {script: [] for script in SCRIPTS}
    for number in range(RUNS):
        for script in SCRIPTS:
            firsts[script].append(seconds_to_first(bench, script, number, **shared))
        progress(f"first step or batch: {', '.join(f'{name} {last[-1][1]:.2f} s' for name, last in firsts.items())}")
    rows = []
    for script in SCRIPTS:
        begun, done = (spread(values) for values in zip(*firsts[script], strict=True))
        rows.append({"arm": script, "--help s": spread(helps[script]), "first begun s": begun, "first done s": done})
        rows[-1]["ratio to --help"] = begun["median"] / rows[-1]["--help s"]["median"]
    notes = ["seconds from the start of the process; first: the first training step, or the first translated batch"]
    notes.append(f"start values, {'text files' if bench.options.data_dir else 'demo league'}, tokens in the cache")
    return {"notes": notes, "rows": rows}


def seconds_of_help(bench: Bench, script: str) -> float:
    started = time.perf_counter()
    words = [sys.executable, str(ROOT / f"{script}.py"), "--help"]
    done = subprocess.run(words, cwd=bench.folder, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{script}.py --help ended with code {done.returncode}: {done.stderr[-300:]}")
    return time.perf_counter() - started


def seconds_to_first(bench: Bench, script: str, number: int, **shared: Any) -> tuple[float, float]:
    """Return the seconds until the script's first step or batch begins, and until it is done."""
    entry = f"{script}-{number}"
    flags = {
        "train_pretrain": ["--entry", entry],
        "train_finetune": ["--entry", entry, "--pretrained", "prepared"],
        "evaluate_bleu": ["--entry", "prepared", "--again"],
    }
    started = time.perf_counter()
    with Worker("startup.first", bench.folder, script, script=script, flags=flags[script], **shared) as worker:
        worker.receive()
        begun = time.perf_counter() - started
        worker.receive()
        return begun, time.perf_counter() - started


# Jobs


def play(script: str, data_dir: str | None, *flags: str) -> None:
    """Run a script's main in this process, under a short league on the same data."""
    import importlib

    from league_config import AING, DEMO, LEAGUES, FinetuneHP

    league = bench_league(PREPARED_STEPS, AING if data_dir else DEMO, finetune_steps=10)
    LEAGUES["bench"] = replace(league, minutes=120.0)
    warmup = ["--warmup_steps", str(min(FinetuneHP.warmup_steps, 5))] if script == "train_finetune" else []
    where = ["--data_dir", data_dir] if data_dir else []
    importlib.import_module(script).main(["--league", "bench", *where, *warmup, *flags])


def prepare(channel, data_dir: str | None) -> None:
    """Job: play both stages to their end, which fills the cache of tokens too."""
    for script in ("train_pretrain", "train_finetune"):
        play(script, data_dir, "--entry", "prepared")
    channel.answer(done=True)


def first(channel, script: str, flags: list[str], data_dir: str | None) -> None:
    """Job: run a script, and report when its first step or batch begins and ends."""
    watch_generate(channel) if script == "evaluate_bleu" else watch_steps(channel)
    play(script, data_dir, *flags)


def watch_steps(channel) -> None:
    from transformers import TrainerCallback
    from transformers.trainer import DEFAULT_CALLBACKS

    class First(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            channel.answer(begun=True)

        def on_step_end(self, args, state, control, **kwargs):
            channel.answer(done=True)
            channel.wait()  # to be ended by the parent

    DEFAULT_CALLBACKS.append(First())


def watch_generate(channel) -> None:
    from modeling import AingForConditionalGeneration

    generate = AingForConditionalGeneration.generate

    def watched(self, *words, **named):
        channel.answer(begun=True)
        output = generate(self, *words, **named)
        channel.answer(done=True)
        channel.wait()
        return output

    AingForConditionalGeneration.generate = watched
