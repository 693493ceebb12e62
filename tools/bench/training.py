"""Part `training`: tokens a second inside the real training loops, ours beside the library's own translator."""

from typing import Any

from tools.bench.setting import Bench
from tools.bench.shared import Worker, alternate, progress, ratios, spread

BASELINE = "marian-defaults"


def measure(bench: Bench) -> dict[str, Any]:
    options = bench.options
    shared = {"structure": options.structure, "data_dir": str(bench.data_dir)}
    marian = shared | {"max_steps": options.warm_up + (options.rounds + 1) * options.steps}
    jobs = {
        "ours": ("training.ours", shared),
        BASELINE: ("training.marian_arm", marian | {"best": False, "compiled": False}),
        "marian-best-flags": ("training.marian_arm", marian | {"best": True, "compiled": options.compile}),
    }
    workers = []
    try:
        for name, (job, values) in jobs.items():
            progress(f"training: preparing {name}")
            workers.append(Worker(job, bench.folder, name, **values))
            workers[-1].receive()
            workers[-1].ask(steps=options.warm_up)  # while the others wait
        answers = alternate(workers, options.rounds, steps=options.steps)
    finally:
        for worker in workers:
            worker.close()
    return {
        "notes": notes(options),
        "baseline": BASELINE,
        "rows": [row(name, answers[name], answers[BASELINE]) for name in jobs],
    }


def notes(options) -> list[str]:
    from importlib.util import find_spec

    told = [f"batch 64, {options.rounds} rounds of {options.steps} steps, tokens of both sides without padding"]
    if options.compile:
        told.append("marian-best-flags with torch_compile")
    if find_spec("joeynmt") is None:
        told.append("joeynmt is not installed: no such arm")
    return told


def row(name: str, answers: list[dict], baseline: list[dict]) -> dict[str, Any]:
    """Return an arm's line of the table."""

    def rates(rounds: list[dict], what: str) -> list[float]:
        return [one[what] / one["seconds"] for one in rounds]

    tokens = rates(answers, "tokens")
    return {
        "arm": name,
        "tokens/s": spread(tokens),
        "steps/s": spread(rates(answers, "steps")),
        "ratio of tokens/s": ratios(tokens, rates(baseline, "tokens")),
        "padding %": 100 * (1 - sum(one["tokens"] for one in answers) / sum(one["slots"] for one in answers)),
        "peak MiB": max(one["peak_mib"] for one in answers),
    }


def ours(channel, structure: dict[str, int], data_dir: str) -> None:
    """Job: the real stage A, step by step."""
    import train_pretrain
    from league import watch
    from tools.bench import pacer

    pacer.install(channel)
    watch.SAVE_EVERY = float("inf")  # the time that it is blocked would count; the other arms save nothing either
    flags = [word for name, value in structure.items() for word in (f"--{name}", str(value))]
    train_pretrain.main(["--entry", "bench", "--data_dir", data_dir, *flags])


def marian_arm(channel, structure: dict[str, int], data_dir: str, max_steps: int, best: bool, compiled: bool) -> None:
    """Job: the library's translator under its own Trainer, step by step."""
    from league_config import AING
    from tools.bench import marian, pacer

    tokenizer, pairs = marian.prepare(data_dir)
    model = marian.build(tokenizer, structure, AING)
    flags = marian.best_flags() | {"torch_compile": compiled} if best else {}
    pacer.install(channel)
    marian.trainer(model, tokenizer, pairs, max_steps=max_steps, **flags).train()
