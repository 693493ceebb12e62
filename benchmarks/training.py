"""Part `training`: tokens a second inside the real training loops, ours beside the library's own translator."""

from typing import Any

from benchmarks.setting import Bench, BenchOptions, flags_of
from benchmarks.shared import alternate, arms, rates, ratios, spread
from league.hardware import has_gpu
from league.threads import LIBRARYS_OWN

BASELINE, BEST_FLAGS = "marian-defaults", "marian-best-flags"
OURS, PRODUCTS = "ours", "our-products-alone"
ONE_BY_ONE = "ours-kernel-by-kernel"  # on a GPU, without graphs


def measure(bench: Bench) -> dict[str, Any]:
    options = bench.options
    shared = {"structure": options.structure, "data_dir": str(bench.data_dir)}
    marian = shared | {"max_steps": options.warm_up + (options.rounds + 1) * options.steps}
    jobs = {
        OURS: ("training.ours", shared),
        BASELINE: ("training.marian_arm", marian | {"is_best": False}),
        PRODUCTS: ("products.alone", shared | {"steps": options.steps}),
        BEST_FLAGS: ("training.marian_arm", marian | {"is_best": True}),
    }
    if has_gpu():
        jobs[ONE_BY_ONE] = ("training.kernel_by_kernel", shared)
    marians = dict.fromkeys((BASELINE, BEST_FLAGS), LIBRARYS_OWN)
    with arms("training", bench.folder, jobs, marians, steps=options.warm_up) as workers:
        answers = alternate(workers, options.rounds, steps=options.steps)
    rows = [row(name, answers[name], answers[BASELINE]) for name in jobs]
    add_operations(rows, answers)
    return {"notes": notes_of(options), "baseline": BASELINE, "rows": rows}


def notes_of(options: BenchOptions) -> list[str]:
    notes = [f"batch 64, {options.rounds} rounds of {options.steps} steps, tokens of both sides without padding"]
    notes.append(f"{PRODUCTS}: our steps' matrix products and nothing else, which no such step can do without")
    return notes


def row(name: str, answers: list[dict], baseline: list[dict]) -> dict[str, Any]:
    """Return an arm's line of the table."""
    tokens = rates(answers, "tokens")
    return {
        "arm": name,
        "tokens/s": spread(tokens),
        "steps/s": spread(rates(answers, "steps")),
        "ratio of tokens/s": ratios(tokens, rates(baseline, "tokens")),
        "padding %": 100 * (1 - sum(one["tokens"] for one in answers) / sum(one["slots"] for one in answers)),
        "peak MiB": max(one["peak_mib"] for one in answers),
    }


def add_operations(rows: list[dict[str, Any]], answers: dict[str, list[dict]]) -> None:
    """Add to our arms the operations a second of their products, all padding included."""
    per_slot = sum(one["operations"] for one in answers[PRODUCTS]) / sum(one["slots"] for one in answers[PRODUCTS])
    for line in rows:
        if line["arm"] in (OURS, PRODUCTS):
            done = [per_slot * one["slots"] / one["seconds"] / 1e9 for one in answers[line["arm"]]]
            line["GFLOP/s"] = spread(done)


def ours(channel, **shared: Any) -> None:
    """Job: the real stage A, step by step."""
    from benchmarks import pacer

    pacer.install(channel)
    play_stage_a("ours", **shared)


def kernel_by_kernel(channel, **shared: Any) -> None:
    """Job: the same without CUDA graphs."""
    from league.run import stage

    stage.use_graphs = lambda trainer: None
    ours(channel, **shared)


def play_stage_a(entry: str, structure: dict[str, int], data_dir: str, league: str = "aing") -> None:
    import train_pretrain
    from league.run import watch

    watch.SAVE_EVERY = float("inf")  # the time that it is blocked would count; the other arms save nothing either
    train_pretrain.main(["--league", league, "--entry", entry, "--data_dir", data_dir, *flags_of(structure)])


def marian_arm(channel, structure: dict[str, int], data_dir: str, max_steps: int, is_best: bool) -> None:
    """Job: the library's translator under its own Trainer, step by step, by its defaults or its best flags."""
    from benchmarks import marian, pacer
    from league_config import AING

    tokenizer, pairs = marian.prepare(data_dir)
    model = marian.build(tokenizer, structure, AING)
    fast = marian.best_flags() if is_best else {}
    pacer.install(channel)
    marian.trainer(model, tokenizer, pairs, max_steps=max_steps, **fast).train()
