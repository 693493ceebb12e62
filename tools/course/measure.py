"""The figures that the pages quote: each comes from commands, which are kept beside it in docs/measured.json."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from league.errors import UserError
from league.files import write_json, write_text
from league.record.folder import RUNS
from league.record.shape import Record, read_record

DOCS = Path(__file__).resolve().parents[2] / "docs"
MEASURED, CURVES = DOCS / "measured.json", DOCS / "course" / "curves.json"
POINTS = 60  # of a curve that is kept


def measured() -> dict[str, dict[str, Any]]:
    return json.loads(MEASURED.read_text(encoding="utf-8"))


def curves() -> dict[str, dict[str, list]]:
    """Return for each experiment and each curve of it the steps and the losses."""
    return json.loads(CURVES.read_text(encoding="utf-8"))


def measure(names: list[str], data_dir: str | None) -> None:
    """Run the commands of experiments, in runs/, and keep their figures and curves."""
    for name in names or measured():
        experiment = measured().get(name)
        if experiment is None:
            raise UserError(f"{name!r}: no experiment of {MEASURED.name}, which has {', '.join(measured())}.")
        words = shlex.split(experiment["commands"][-1])
        if "tools.course" in words:
            keep(name, *experiment_of(words[-1]))
            continue
        for command in experiment["commands"]:
            play(command, data_dir, experiment.get("threads", 1))
        entry = experiment.get("entry") or words[words.index("--entry") + 1]
        record = read_record(RUNS / entry / "record.json")
        keep(name, figures_of(record), {stage: thinned(facts.curve) for stage, facts in record.stages.items()})


def experiment_of(name: str) -> tuple[dict[str, float], dict[str, Any]]:
    """Run one of the course's own experiments, as its command does; return its figures and curves."""
    from league.hardware import prepare_process

    prepare_process()
    from tools.course import experiments

    return getattr(experiments, name)()


def play(command: str, data_dir: str | None, num_threads: int) -> None:
    words = shlex.split(command)
    if "DIR" in words:
        if data_dir is None:
            raise UserError(f"{command}: needs --data_dir, the folder that DIR stands for.")
        words[words.index("DIR")] = str(Path(data_dir).resolve())
    print("$", command, flush=True)
    # Sums round by how they are split: the figures are those of one thread, where nothing else is said.
    done = subprocess.run([sys.executable, *words[1:]], env=os.environ | {"OMP_NUM_THREADS": str(num_threads)})
    if done.returncode:
        raise UserError(f"{command}: ended with code {done.returncode}.")


def figures_of(record: Record) -> dict[str, float]:
    """Return the validation of each stage, and the score where there is one."""
    stages = record.stages.items()
    validation = {
        f"{domain} after {stage}": value for stage, facts in stages for domain, value in facts.validation.items()
    }
    return validation | ({"score": round(record.score.value, 2)} if record.score else {})


def keep(name: str, figures: dict[str, float], curves_of: dict[str, Any]) -> None:
    """Write an experiment's figures and curves beside those of the others."""
    everything = measured()
    everything[name] |= {"figures": figures}
    write_json(MEASURED, everything)
    if curves_of:
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in (curves() | {name: curves_of}).items()]
        write_text(CURVES, "{\n" + ",\n".join(lines) + "\n}\n")


def thinned(curve: list) -> list[list[float]]:
    """Return the steps and the mean losses of equal stretches of a curve."""
    length = max(1, len(curve) // POINTS)
    parts = [curve[first : first + length] for first in range(0, len(curve), length)]
    steps = [part[-1].step for part in parts]
    return [steps, [round(sum(point.loss for point in part) / len(part), 3) for part in parts]]
