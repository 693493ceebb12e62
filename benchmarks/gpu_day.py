"""What a GPU does with the league, without network; a part that fails stops no other.

    make gpu-day ARGS="--data_dir DIR"
    python -m benchmarks.gpu_day --data_dir DIR tests training

Every part has a time limit. In .cache/gpu-day/ lie what each part printed, gpu-day.json, and a table for docs/speed.md.
Where packages are missing and there is no network, python -m benchmarks.pack_for_gpu packs them elsewhere.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.shared import ROOT, importable
from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.values import check_data_dir

LARGE = ["--d_model", "256", "--nhead", "4", "--num_layers", "3", "--d_ff", "1024"]
SMALL = ["--d_model", "128", "--nhead", "4", "--num_layers", "2", "--d_ff", "256"]
ENTRIES = {"game": ("gpu",), "search": ("gpu-tuned",), "launches": ("profiled-small", "profiled-large")}
SECONDS = {"tests": 150, "game": 130, "launches": 45, "training": 140, "scoring": 120, "search": 150}


@dataclass
class GpuDayOptions:
    data_dir: str | None = field(
        default=None, metadata={"help": "folder with local text files (default: the demo league's corpora)"}
    )
    output: str = field(default=".cache/gpu-day", metadata={"help": "folder for the results"})
    share: float = field(default=1.0, metadata={"help": "scales the time limit of each part"})


def commands(options: GpuDayOptions, output: Path) -> dict[str, list[list[str]]]:
    """Return the commands of each part, which run one after another."""
    data = ["--data_dir", str(Path(options.data_dir).resolve())] if options.data_dir else []
    game = [*data, "--league", "aing" if data else "demo", "--entry"]

    def measure(part: str, *flags: str) -> list[str]:
        return ["-m", "benchmarks", part, *data, *flags, "--output", str(output / f"{part}.json")]

    def profile(name: str, *flags: str) -> list[str]:
        return ["-m", "benchmarks.launches", str(output / f"launches-{name}.json"), *game, f"profiled-{name}", *flags]

    tests = str(ROOT / "tests" / "games" / "test_gpu.py")
    return {
        "tests": [["-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", "--rootdir", str(ROOT), tests]],
        "game": [
            [str(ROOT / "train_pretrain.py"), *game, "gpu", *LARGE],
            [str(ROOT / "train_finetune.py"), *game, "gpu", "--learning_rate", "1e-5"],
            [str(ROOT / "evaluate_bleu.py"), *game, "gpu"],
        ],
        "launches": [profile("small", *SMALL), profile("large", *LARGE)],
        "training": [measure("training", *LARGE, "--rounds", "3", "--steps", "50")],
        "scoring": [measure("scoring", *LARGE, "--rounds", "2", "--marian_steps", "600")],
        "search": [["-m", "tools.tune", *game, "gpu-tuned", "--minutes", "2"]],
    }


def run_part(words_of_each: list[list[str]], seconds: float, log_path: Path) -> dict[str, Any]:
    """Run commands within a time limit; return how they ended."""
    began, endings = time.monotonic(), []
    with log_path.open("w") as log:
        for words in words_of_each:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=log_path.parent,
                env=importable() | {"PYTHONUNBUFFERED": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                endings.append(process.wait(max(1.0, began + seconds - time.monotonic())))
            except subprocess.TimeoutExpired:
                endings.append("out of time")
            finally:  # however it ends: nothing is left at work
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            if endings[-1]:
                break
    return {"ended": endings, "seconds": round(time.monotonic() - began, 1)}


def clear(output: Path, part: str) -> None:
    """Remove what an earlier day has left of a part: its figures are not today's."""
    for path in (output / f"{part}.json", *output.glob(f"{part}-*.json")):
        path.unlink(missing_ok=True)
    for entry in ENTRIES.get(part, ()):
        shutil.rmtree(output / "runs" / entry, ignore_errors=True)


def figures(output: Path) -> dict[str, Any]:
    """Return what the parts measured, as far as they came."""
    results: dict[str, Any] = {}
    for path in sorted(output.glob("*.json")):
        if path.name != "gpu-day.json":
            results[path.stem] = json.loads(path.read_text())
    for path in sorted(output.glob("runs/gpu*/record.json")):
        results[path.parent.name] = json.loads(path.read_text())
    return results


def as_table(parts: dict[str, dict], measured: dict[str, Any]) -> str:
    """Return the day as a Markdown table."""
    lines = ["| part | ended | seconds | figures |", "|---|---|---|---|"]
    for name, facts in parts.items():
        ended = ", ".join("ok" if code == 0 else str(code) for code in facts["ended"])
        lines.append(f"| {name} | {ended} | {facts['seconds']} | {'; '.join(about(name, measured))} |")
    return "\n".join(lines) + "\n"


def about(part: str, measured: dict[str, Any]) -> list[str]:
    """Return a part's figures in words."""
    if part in ("training", "scoring") and part in measured:
        (rows,) = (one["rows"] for one in measured[part]["parts"].values())
        unit = "ratio of tokens/s" if part == "training" else "ratio of sentences/s"
        return [f"{row['arm']} {row[unit]['median']:.2f}x" for row in rows]
    if part == "launches":
        profiles = {name: facts for name, facts in measured.items() if name.startswith("launches-")}
        return [
            f"{name}: " + ", ".join(f"{key} {value}" for key, value in facts.items())
            for name, facts in profiles.items()
        ]
    record = measured.get({"game": "gpu", "search": "gpu-tuned"}.get(part, ""))
    if not record:
        return []
    said = [f"{stage} {facts['minutes']} min" for stage, facts in record["stages"].items()]
    return [*said, f"score {record['score']['value']:.2f}"] if record.get("score") else said


def main(argv: list[str] | None = None) -> None:
    words = {"parts": {"nargs": "*", "help": f"which of {', '.join(SECONDS)} (default: all)"}}
    options, named = parse_options(__doc__, GpuDayOptions, argv=argv, words=words)
    check_data_dir(options.data_dir)
    if unknown := sorted(set(named.parts) - SECONDS.keys()):
        raise UserError(f"unknown part {unknown[0]!r}: choose from {', '.join(SECONDS)}.")
    if options.share <= 0:
        raise UserError(f"--share {options.share:g}: must be above 0.")
    output = Path(options.output).absolute()
    output.mkdir(parents=True, exist_ok=True)
    parts, to_run = {}, commands(options, output)
    for name in named.parts or SECONDS:
        clear(output, name)
        parts[name] = run_part(to_run[name], SECONDS[name] * options.share, output / f"{name}.log")
        print(f"{name}: {parts[name]}", flush=True)
        measured = figures(output)
        (output / "gpu-day.json").write_text(json.dumps({"parts": parts, "measured": measured}, indent=2) + "\n")
        (output / "gpu-day.md").write_text(as_table(parts, measured))
    print((output / "gpu-day.md").read_text())
    if any(any(facts["ended"]) for facts in parts.values()):
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
