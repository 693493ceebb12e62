"""Part `growth`: seconds and memory of a training step, and of a scored sentence, as one size at a time grows."""

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.setting import CACHE, Bench
from benchmarks.shared import once, progress, spread

# The base of every row, apart from the one value that is varied; vocabulary 8,000.
LENGTH, BATCH, BEAMS = 20, 64, 4
GROWN = {
    "d_model": (64, 128, 256, 512),
    "num_layers": (1, 2, 3, 6),
    "length": (10, 20, 40, 80),
    "batch": (16, 32, 64, 128),
}
GROWN_BEAMS = (1, 2, 4, 8)
STEPS = 5
SENTENCES = 50
NEW_TOKENS = 20


def measure(bench: Bench) -> dict[str, Any]:
    structure, rows = bench.options.structure, []
    for name, values in GROWN.items():
        for value in values:
            sizes = {**structure, "length": LENGTH, "batch": BATCH, name: value}
            if sizes["d_model"] % (2 * sizes["nhead"]):
                continue
            facts = once("growth.step", bench.folder, **sizes)
            tokens = 2 * sizes["batch"] * sizes["length"]
            rows.append(row("training step", name, value, facts, tokens))
    for beams in GROWN_BEAMS:
        facts = once("growth.search", bench.folder, **structure, beams=beams)
        facts["seconds"] = [seconds / SENTENCES for seconds in facts["seconds"]]
        rows.append(row("scored sentence", "beams", beams, facts, NEW_TOKENS))
    add_ratios(rows)
    notes = [
        f"base: {'/'.join(map(str, structure.values()))}, {BATCH} pairs of {LENGTH} tokens a side; "
        f"search: {SENTENCES} sentences a batch, {LENGTH} tokens in, at most {NEW_TOKENS} out",
        "forward, backward and AdamW under the league's precision; each line in a process of its own; memory is what "
        "the work adds to a process that has only imported everything",
        plot(rows),
    ]
    return {"notes": notes, "baseline": "the line above", "rows": rows}


def row(what: str, name: str, value: int, facts: dict, tokens: int) -> dict[str, Any]:
    seconds = spread(facts["seconds"])
    progress(f"growth: {what}, {name} {value}: {seconds['median']:.4f} s, {facts['mib']:.0f} MiB")
    milliseconds = {key: 1000 * seconds[key] for key in ("median", "min", "max")}
    return {
        "arm": what,
        "grown": name,
        "value": value,
        "ms": milliseconds,
        "tokens/s": tokens / seconds["median"],
        "MiB": facts["mib"],
    }


def add_ratios(rows: list[dict[str, Any]]) -> None:
    """Add to each line how it relates to the one before with the same value grown."""
    for before, line in zip(rows, rows[1:], strict=False):
        if before["grown"] == line["grown"]:
            line["size ×"] = line["value"] / before["value"]
            line["time ×"] = line["ms"]["median"] / before["ms"]["median"]
            line["memory ×"] = line["MiB"] / before["MiB"] if before["MiB"] else None


def plot(rows: list[dict[str, Any]]) -> str:
    """Draw time and memory over each size, where matplotlib is there; return what to say about it."""
    if find_spec("matplotlib") is None:
        return "matplotlib is not installed: no plot"
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(line["grown"] for line in rows))
    figure, axes = pyplot.subplots(2, len(names), figsize=(3 * len(names), 6), squeeze=False)
    for column, name in zip(axes.T, names, strict=True):
        lines = [line for line in rows if line["grown"] == name]
        values = [line["value"] for line in lines]
        column[0].plot(values, [line["ms"]["median"] for line in lines], marker="o")
        column[1].plot(values, [line["MiB"] for line in lines], marker="o")
        column[0].set_title(f"{lines[0]['arm']}\nover {name}")
        column[1].set_xlabel(name)
    axes[0][0].set_ylabel("milliseconds")
    axes[1][0].set_ylabel("MiB")
    figure.tight_layout()
    CACHE.mkdir(parents=True, exist_ok=True)
    figure.savefig(Path(CACHE) / "growth.png", dpi=120)
    return "plot: .cache/bench/growth.png"


# Jobs


def prepared(d_model: int, nhead: int, num_layers: int, d_ff: int):
    """Return a model as the recipe makes it, its device, and the memory held before."""
    import torch
    from accelerate import PartialState

    from benchmarks.pacer import peak_mib
    from league import hardware
    from league.tasks.task import task_of
    from league_config import AING
    from modeling import AingConfig, AingForConditionalGeneration

    start = peak_mib()
    hardware.prepare_process()
    torch.manual_seed(1)
    config = AingConfig(
        vocab_size=AING.vocab_size, d_model=d_model, nhead=nhead, num_layers=num_layers, d_ff=d_ff, dropout=0.1
    )
    model = AingForConditionalGeneration(config)
    task_of(AING).prepare(model)
    device = PartialState(cpu=not hardware.has_gpu()).device
    return model.to(device), device, start


def timed(work, count: int) -> list[float]:
    """Return the seconds of each repetition, after two to warm up."""
    from benchmarks.pacer import finish_device_work

    seconds = []
    for _ in range(count + 2):
        finish_device_work()
        started = time.perf_counter()
        work()
        finish_device_work()
        seconds.append(time.perf_counter() - started)
    return seconds[2:]


def step(channel, length: int, batch: int, **structure: int) -> None:
    """Job: training steps on random tokens."""
    import torch

    from benchmarks.pacer import peak_mib
    from league import hardware

    model, device, start = prepared(**structure)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": None}[hardware.pick_precision()]
    ids, labels = torch.randint(4, model.config.vocab_size, (2, batch, length), device=device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}

    def work():
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    model.train()
    channel.answer(seconds=timed(work, STEPS), mib=peak_mib() - start)


def search(channel, beams: int, **structure: int) -> None:
    """Job: beam search over random sentences, all as long as each other."""
    import torch

    from benchmarks.pacer import peak_mib

    model, device, start = prepared(**structure)
    ids = torch.randint(4, model.config.vocab_size, (SENTENCES, LENGTH), device=device)
    sizes = {"num_beams": beams, "max_length": None, "max_new_tokens": NEW_TOKENS}

    @torch.inference_mode()
    def work():
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **sizes)

    model.eval()
    channel.answer(seconds=timed(work, STEPS), mib=peak_mib() - start)
