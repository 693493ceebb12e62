"""What a GPU does with the league, in minutes and without network; a part that fails does not stop the others.

    make gpu-day ARGS="--data_dir DIR"

Parts: tests, league, training, small, launches, scoring, search. In .cache/gpu-day/ lie one JSON, one table,
and what each part printed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.values import check_data_dir

ROOT = Path(__file__).resolve().parent.parent
LARGE = ["--d_model", "256", "--nhead", "4", "--num_layers", "3", "--d_ff", "1024"]
SMALL = ["--d_model", "128", "--nhead", "4", "--num_layers", "2", "--d_ff", "256"]
MEASURE = ["-m", "benchmarks"]


@dataclass
class Options:
    data_dir: str | None = field(default=None, metadata={"help": "folder with local text files (default: the demo)"})
    output: str = field(default=".cache/gpu-day", metadata={"help": "folder for the results"})
    share: float = field(default=1.0, metadata={"help": "scales every part's time limit"})


@dataclass(frozen=True)
class Part:
    """Commands that run one after another within `seconds`."""

    seconds: float
    commands: list[list[str]]


def parts(options: Options, output: Path) -> dict[str, Part]:
    data = ["--data_dir", str(Path(options.data_dir).resolve())] if options.data_dir else []
    game = [*data, "--league", "aing" if data else "demo", "--entry", "gpu"]

    def measure(name: str, *words: str) -> list[str]:
        return [*MEASURE, *words, *data, "--output", str(output / f"{name}.json")]

    return {
        "tests": Part(110, [["-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider"]]),
        "league": Part(
            130,
            [
                ["train_pretrain.py", *game, *LARGE],
                ["train_finetune.py", *game, "--learning_rate", "1e-5"],
                ["evaluate_bleu.py", *game],
            ],
        ),
        "training": Part(90, [measure("training", "training", *LARGE, "--rounds", "3", "--steps", "50")]),
        "small": Part(70, [measure("small", "training", *SMALL, "--rounds", "3", "--steps", "50")]),
        "launches": Part(
            60,
            [
                [
                    "-m",
                    "benchmarks.launches",
                    str(output / f"launches-{name}.json"),
                    *game[:-1],
                    f"profiled-{name}",
                    *size,
                ]
                for name, size in (("small", SMALL), ("large", LARGE))
            ],
        ),
        "scoring": Part(120, [measure("scoring", "scoring", "--rounds", "2", "--marian_steps", "600")]),
        "search": Part(150, [["-m", "tools.tune", *game[:-1], "gpu-tuned", "--minutes", "2"]]),
    }


def run_part(name: str, part: Part, seconds: float, output: Path) -> dict:
    """Run a part's commands; return how they ended."""
    deadline = time.monotonic() + seconds
    began, codes = time.monotonic(), []
    with (output / f"{name}.log").open("w") as log:
        for words in part.commands:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT if "pytest" in words else output,
                env=environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                codes.append(process.wait(max(1.0, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                codes.append("time was up")
            if codes[-1]:
                break
    return {"ended": codes, "seconds": round(time.monotonic() - began, 1)}


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


def main(argv: list[str] | None = None) -> None:
    words = {"parts": {"nargs": "*", "help": "the parts to run (default: all)"}}
    options, named = parse_options(__doc__, Options, argv=argv, words=words)
    check_data_dir(options.data_dir)
    output = Path(options.output).absolute()
    output.mkdir(parents=True, exist_ok=True)
    known = parts(options, output)
    if unknown := set(named.parts) - known.keys():
        raise UserError(f"unknown part {min(unknown)!r}: choose from {', '.join(known)}.")
    results = {}
    for name in named.parts or known:
        part = known[name]
        part.commands[:] = [[str(ROOT / w) if w.endswith(".py") else w for w in words] for words in part.commands]
        results[name] = run_part(name, part, part.seconds * options.share, output)
        print(name, results[name], flush=True)
        (output / "gpu-day.json").write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    run_command(main)
