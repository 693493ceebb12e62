"""Part `busy`: how much of its speed a run keeps beside other work, under several settings of its threads."""

import multiprocessing
import os
from contextlib import contextmanager
from typing import Any

from benchmarks.setting import Bench, bench_league, flags_of
from benchmarks.shared import Worker, arms, progress, spread
from league.threads import LIBRARYS_OWN, cores

SETTINGS = {
    "ours": {},
    "libgomp's own": LIBRARYS_OWN,
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
    "OMP_NUM_THREADS=1": {"OMP_NUM_THREADS": "1"},
}
ENDLESS = 1_000_000  # steps
FEW = 2_048  # training pairs, so that the shapes that kernels are compiled for soon come again
WORK = {"stage A": "pretrain", "stage B": "finetune"}
# Two runs of each setting are in memory together: of captions two gigabytes each, of talks nearly four.
ON_TALKS = ("ours", "libgomp's own")


def measure(bench: Bench) -> dict[str, Any]:
    rows = []
    for work, stage in WORK.items():
        rows += measure_work(bench, work, stage)
    return {"notes": notes_of(bench), "baseline": "libgomp's own, alone", "rows": rows}


def notes_of(bench: Bench) -> list[str]:
    options = bench.options
    return [
        f"tokens/s without padding, {options.rounds} rounds of {options.seconds} s; shares: of libgomp's own, alone",
        f"beside: one of the {cores()} cores counts endlessly; two at once: a second run of the same, for each of them",
    ]


def measure_work(bench: Bench, work: str, stage: str) -> list[dict[str, Any]]:
    """Return a line of the table for each setting: one kind of work alone, beside a busy core, and twice at once."""
    options = bench.options
    values = {"stage": stage, "structure": options.structure, "data_dir": str(bench.data_dir)}
    names = [name for name in SETTINGS if stage == "pretrain" or name in ON_TALKS]
    settings = {f"{name}, {number}": SETTINGS[name] for name in names for number in (1, 2)}
    pairs = dict.fromkeys(settings, ("busy.train", values))
    rates = {name: {"alone": [], "beside": [], "two at once": []} for name in names}
    with arms(f"busy, {work}", bench.folder, pairs, settings, steps=options.warm_up) as workers:
        teams = dict(zip(names, zip(workers[::2], workers[1::2], strict=True), strict=True))
        for number in range(options.rounds):
            for name, team in teams.items():
                rates[name]["alone"] += together(team[:1], options.seconds)
                with busy_core():
                    rates[name]["beside"] += together(team[:1], options.seconds)
                rates[name]["two at once"] += together(team, options.seconds)
            seen = ", ".join(
                f"{name} {'/'.join(f'{found[-1]:,.0f}' for found in one.values())}" for name, one in rates.items()
            )
            progress(f"{work}: round {number + 1} of {options.rounds}, tokens/s alone/beside/two at once: {seen}")
    whole = spread(rates["libgomp's own"]["alone"])["median"]
    return [{"work": f"{work}: {name}"} | columns(rates[name], whole) for name in names]


def columns(rates: dict[str, list[float]], whole: float) -> dict[str, Any]:
    cells = {}
    for condition, values in rates.items():
        cells[condition] = spread(values)
        cells[f"{condition}, share"] = cells[condition]["median"] / whole
    return cells


def together(team: tuple[Worker, ...], seconds: float) -> list[float]:
    """Return the tokens a second of runs that work at the same time."""
    for worker in team:
        worker.tell(seconds=seconds)
    answers = [worker.receive() for worker in team]
    return [one["tokens"] / one["seconds"] for one in answers]


@contextmanager
def busy_core():
    """Keep one core busy, as a browser or a game would."""
    process = multiprocessing.get_context("spawn").Process(target=count_endlessly, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def count_endlessly() -> None:
    while True:
        pass


def train(channel, stage: str, structure: dict[str, int], data_dir: str) -> None:
    """Job: a stage that does not end, step by step; stage B begins with a stage A of one step."""
    import train_finetune
    import train_pretrain
    from benchmarks import pacer
    from league.run import watch
    from league_config import LEAGUES

    watch.SAVE_EVERY = float("inf")
    steps = 1 if stage == "finetune" else ENDLESS
    LEAGUES["bench"] = bench_league(steps, finetune_steps=ENDLESS, num_train_pairs=FEW)
    words = ["--league", "bench", "--entry", f"busy-{os.getpid()}", "--data_dir", data_dir]
    if stage == "finetune":
        train_pretrain.main([*words, *flags_of(structure)])
    pacer.install(channel)
    train_finetune.main(words) if stage == "finetune" else train_pretrain.main([*words, *flags_of(structure)])
