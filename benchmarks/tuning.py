"""Part `tuning`: the best complete entry so far, minute by minute: our search beside other ways to spend the time.

    python -m benchmarks tuning --minutes 10 --repeats 5

ours: python -m tools.tune. random, tpe: whole entries, their ten values from Optuna's samplers. trainer: the library's
Trainer.hyperparameter_search on the fine-tune. Every run has a process of its own and is kept in .cache/bench/ as soon
as it is over: the same command resumes after an interruption, and with more --repeats or --rivals it adds to them. So
do several commands at a time, each kept to cores of its own (taskset -c 0 python ...), with different --rivals.
"""

import hashlib
import json
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.setting import Bench, BenchOptions, cache_folder, describe_machine
from benchmarks.shared import ROOT, once, progress, spread
from league.errors import UserError
from league.files import digest_of, write_json
from league.rulebook import STAGES, League
from league_config import AING, DEMO
from tools.tune.space import start_values

JOBS = {
    "ours": ("rivals.ours", {}),
    "random": ("rivals.whole_entries", {"sampler": "RandomSampler"}),
    "tpe": ("rivals.whole_entries", {"sampler": "TPESampler"}),
    "trainer": ("rivals.trainer", {}),
}
TUNE = "tools/tune/{}.py"
SHARED_CODE = (
    "benchmarks/rivals.py",
    *map(TUNE.format, ("jobs", "sampling", "space", "speed", "trial")),
)
OWN_CODE = {
    "ours": tuple(
        map(TUNE.format, ("__main__", "budget", "candidates", "final", "plan", "results", "search", "study", "work"))
    ),
    "trainer": ("tools/trainer_search/trials.py",),
}
LOOKS = {  # line, hatch of the band, color: the first two are enough to tell them apart
    "ours": ("-", None, "#000000"),
    "random": ("--", "///", "#b04a00"),
    "tpe": ("-.", "\\\\\\", "#0b5fa5"),
    "trainer": (":", "...", "#0b7a41"),
}
Points = Sequence[tuple[float, float]]  # minute, BLEU


@dataclass
class TuningOptions(BenchOptions):
    minutes: float = field(default=10.0, metadata={"help": "tuning: of each search, without its preparation"})
    repeats: int = field(default=5, metadata={"help": "tuning: searches of each rival, each with a seed of its own"})
    rivals: list[str] = field(
        default_factory=lambda: list(JOBS), metadata={"choices": list(JOBS), "help": "tuning: who takes part"}
    )


def check(options: TuningOptions) -> None:
    """Refuse what cannot be compared, before any work."""
    most = league_of(options).minutes
    if not 0 < options.minutes <= most:
        raise UserError(f"--minutes {options.minutes:g}: must be above 0, and no more than the league's {most:g}.")
    if options.repeats < 1:
        raise UserError(f"--repeats {options.repeats}: must be at least 1.")
    if len(set(options.rivals)) < len(options.rivals):
        raise UserError(f"--rivals {' '.join(options.rivals)}: each at most once.")


def league_of(options: BenchOptions) -> League:
    return AING if options.data_dir else DEMO


# Step functions: the best BLEU so far, and 0 where nothing could be scored yet


def on_grid(points: Points, grid: Sequence[float]) -> list[float]:
    """Return the best BLEU so far at each minute of the grid."""
    return [max((bleu for minute, bleu in points if minute <= now), default=0.0) for now in grid]


def common_grid(runs: Sequence[Points], minutes: float) -> list[float]:
    """Return every minute at which a run may have changed, up to the end: between them, all of them stand still."""
    return sorted({0.0, minutes, *(minute for points in runs for minute, _ in points if minute <= minutes)})


def merge(runs: Sequence[Points], grid: Sequence[float]) -> dict[str, list[float]]:
    """Return median and range of some runs at each minute of the grid."""
    columns = list(zip(*(on_grid(points, grid) for points in runs), strict=True))
    return {name: list(map(of, columns)) for name, of in (("median", statistics.median), ("min", min), ("max", max))}


def time_to_reach(grid: Sequence[float], values: Sequence[float], level: float) -> float | None:
    """Return the first minute at which a curve is at the level, or None."""
    return next((minute for minute, value in zip(grid, values, strict=True) if value >= level), None)


# The comparison


def measure(bench: Bench) -> dict[str, Any]:
    options, rules = bench.options, league_of(bench.options)
    folder = searches_folder(bench, rules)
    todo = in_turn(options.rivals, options.repeats)
    codes = {rival: code_of(rival) for rival in options.rivals}
    runs: dict[str, list[dict]] = {rival: [] for rival in codes}
    for number, (rival, repeat) in enumerate(todo, 1):
        path = folder / f"{rival}-{repeat}-{codes[rival]}.json"
        if not path.exists():
            progress(f"tuning: search {number} of {len(todo)}, {rival}, repeat {repeat}")
            write_json(path, play(bench, rules, rival, repeat))
        runs[rival].append(json.loads(path.read_text(encoding="utf-8")))
    progress(f"tuning: every search is kept in .cache/bench/{folder.name}")
    rows, curves = compare(runs, options.minutes)
    draw(curves, options.minutes, folder.with_name("tuning"))
    return {"notes": notes_of(options, rules), "rows": rows, "curves": curves, "runs": runs}


def in_turn(rivals: Sequence[str], repeats: int) -> list[tuple[str, int]]:
    """Return who searches when: all in each repeat, which begins with another one every time."""
    order = []
    for repeat in range(1, repeats + 1):
        first = (repeat - 1) % len(rivals)
        order += [(rival, repeat) for rival in (*rivals[first:], *rivals[:first])]
    return order


def searches_folder(bench: Bench, rules: League) -> Path:
    """Return the folder of the searches which can be compared with those to come."""
    environment = describe_machine()
    del environment["code"]  # which each search has of its own
    values = [(stage, start_values(rules, stage), rules.ranges(stage)) for stage in STAGES]
    folder = cache_folder("tuning", bench.data_dir, rules.fixed(), values, bench.options.minutes, environment)
    folder.mkdir(exist_ok=True)
    return folder


def code_of(rival: str) -> str:
    """Return the digest of the code that a search runs; this file is none of it: the table may change after hours."""
    from league.record.code import code_digest

    names = (*SHARED_CODE, *OWN_CODE.get(rival, ()))
    digests = [code_digest(), *(digest_of(ROOT / name) for name in names)]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def play(bench: Bench, rules: League, rival: str, repeat: int) -> dict[str, Any]:
    """Let a rival search, in a folder where it finds nothing that another one has left."""
    data_dir = str(bench.data_dir) if bench.options.data_dir else None
    job, more = JOBS[rival]
    shared = {"league": rules.name, "data_dir": data_dir, "minutes": bench.options.minutes, "seed": repeat}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{rival}-", dir=bench.folder) as folder:
        result = once(job, Path(folder), **shared, **more)
    result["entries"] = [one for one in result["entries"] if one["minute"] <= bench.options.minutes]
    return {"rival": rival, "repeat": repeat, "seconds": round(time.monotonic() - started, 1), **result}


def compare(runs: dict[str, list[dict]], minutes: float) -> tuple[list[dict], dict[str, dict]]:
    """Return the table, and each rival's curves."""
    points = {
        rival: [[(one["minute"], one["validation"]) for one in run["entries"]] for run in runs[rival]] for rival in runs
    }
    grid = common_grid([one for several in points.values() for one in several], minutes)
    curves = {rival: {"minute": grid} | merge(several, grid) for rival, several in points.items()}
    rows = []
    for rival, curve in curves.items():
        final = spread([on_grid(one, [minutes])[0] for one in points[rival]])
        row = {"arm": rival, "trials": spread([run["trials"] for run in runs[rival]])}
        row |= {"complete entries": spread([len(one) for one in points[rival]]), "final BLEU": final}
        level = final["median"] or math.inf  # nothing was complete: there is nothing to reach
        row["there at min"] = time_to_reach(grid, curve["median"], level)
        if "ours" in curves and rival != "ours":
            row["ours there at min"] = time_to_reach(grid, curves["ours"]["median"], level)
            row["share of time"] = row["ours there at min"] and row["ours there at min"] / minutes
        if scores := [run["score"] for run in runs[rival] if "score" in run]:
            good = sum(score["official"] and not score["failed_checks"] for score in scores)
            row |= {"test BLEU": spread([score["test"] for score in scores]), "proven": f"{good} of {len(scores)}"}
        rows.append(row)
    return rows, curves


def notes_of(options: TuningOptions, rules: League) -> list[str]:
    return [
        f"the {rules.name} league, {options.minutes:g} minutes each, seeds 1 to {options.repeats}; median (min..max)",
        "BLEU on validation captions of the best entry with both stages in full, under the official settings; 0: none",
        "there: the median curve is at the rival's final median; ours keeps time for the score, the others use it up",
        "ours ends with its score on the test set; proven: official, and python -m tools.verify finds nothing wrong",
        "tpe: learns from its fifth entry on, as ours does; both and random begin with the start values",
        "trainer: start structure; its best so far is fine-tuned again, off its clock: these are its entries",
        "curves: .cache/bench/tuning.png and .svg",
    ]


def draw(curves: dict[str, dict], minutes: float, path: Path) -> None:
    """Draw each rival's curves beside ours, with the minute at which ours is where the rival ends."""
    from matplotlib.figure import Figure

    rivals = [rival for rival in curves if rival != "ours"] or ["ours"]
    figure = Figure(figsize=(4 * len(rivals) + 0.5, 4), layout="constrained")
    panels = figure.subplots(1, len(rivals), sharex=True, sharey=True, squeeze=False)[0]
    for axes, rival in zip(panels, rivals, strict=True):
        for name in dict.fromkeys((rival, "ours")):
            if name in curves:
                draw_curve(axes, name, curves[name])
        if "ours" in curves and rival != "ours":
            draw_meeting(axes, curves["ours"], curves[rival]["median"][-1])
        axes.set(xlabel="minutes of search", xlim=(0, 1.02 * minutes))
        axes.legend(loc="lower right", frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("best validation BLEU so far (captions)")
    for kind in ("png", "svg"):
        figure.savefig(path.with_suffix(f".{kind}"), dpi=150)


def draw_curve(axes, name: str, curve: dict[str, list[float]]) -> None:
    line, hatch, color = LOOKS[name]
    values = {side: [value or math.nan for value in curve[side]] for side in ("median", "min", "max")}
    axes.step(curve["minute"], values["median"], line, where="post", color=color, linewidth=2, label=name, zorder=3)
    band = {"facecolor": "#dedede", "linewidth": 0} if hatch is None else {"facecolor": "none", "edgecolor": color}
    sides = curve["minute"], values["min"], values["max"]
    axes.fill_between(*sides, step="post", hatch=hatch, alpha=0.6, zorder=1 + bool(hatch), **band)


def draw_meeting(axes, ours: dict[str, list[float]], level: float) -> None:
    minute = time_to_reach(ours["minute"], ours["median"], level)
    axes.axhline(level, color="#808080", linewidth=0.8, zorder=2)
    if level and minute:
        axes.plot([minute], [level], "o", color="black", markerfacecolor="white", zorder=4)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        words = {"textcoords": "offset points", "ha": "right", "bbox": box, "zorder": 5}
        axes.annotate(f"{minute:.1f} min", (minute, level), (-7, 7), **words)
