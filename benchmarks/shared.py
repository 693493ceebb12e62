"""What all parts of the benchmark share: statistics, the table, and the workers with their protocol."""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from league.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
TAIL = 20  # lines of a dead worker's stderr to print: chosen, a traceback's end


def progress(text: str) -> None:
    print(f"[bench] {text}", file=sys.stderr, flush=True)


# Statistics and table


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return median and range of one arm's rounds."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": list(values)}


def summary(values: Sequence[float], digits: int = 2, width: int = 0) -> str:
    """Return the mean, so wide, and the deviation, which one value has not."""
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{width}.{digits}f}{deviation}"


def rates(rounds: Sequence[dict[str, Any]], what: str) -> list[float]:
    """Return how much of something an arm did a second, round by round."""
    return [one[what] / one["seconds"] for one in rounds]


def ratios(values: Sequence[float], baseline: Sequence[float]) -> dict[str, Any]:
    """Return the spread of the quotients by round: what slows a whole round down does not count."""
    return spread([one / other for one, other in zip(values, baseline, strict=True)])


def show(value: Any) -> str:
    """Return a cell of the table."""
    if isinstance(value, dict):
        return f"{show(value['median'])} ({show(value['min'])}..{show(value['max'])})"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else "-" if value is None else str(value)


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as lines, a column for each key that any of them has."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([show(row.get(name)) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = [f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *padded[1:]]).rstrip())
    return "\n".join(lines)


def own_peak_mib() -> float:
    """Return the most memory that this process has held."""
    try:
        # Not by getrusage, which starts from what the parent held when it started this process.
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


# The parent's side of the protocol: one line of JSON asks, one line of JSON answers


class Worker:
    """A process that does one job of the benchmark: `module.function` of this package, with JSON options."""

    def __init__(
        self, job: str, folder: Path, name: str | None = None, settings: dict | None = None, /, **options: Any
    ):
        self.name, self.ready = name or job, {}  # ready: the answer with which it begins to wait
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        words = [sys.executable, "-m", "benchmarks.worker", job, json.dumps(options)]
        # A session of its own: Ctrl-C reaches the parent alone, which ends them all.
        self.process = subprocess.Popen(
            words,
            cwd=folder,
            env=environment() | (settings or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,
        )

    def receive(self) -> dict[str, Any]:
        """Return the next answer; show on the way what the worker has to say."""
        while line := self.process.stdout.readline():
            message = json.loads(line)
            if "say" not in message:
                return message
            progress(message["say"])
        raise UserError(f"the worker of {self.name} {self._last_words()}")

    def ask(self, **question: Any) -> dict[str, Any]:
        self.tell(**question)
        return self.receive()

    def tell(self, **question: Any) -> None:
        """Ask, and leave the answer to `receive`."""
        with suppress(BrokenPipeError):  # receive tells why
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()

    def _last_words(self) -> str:
        code = self.process.wait()
        self.errors.seek(0)
        lines = [line for line in self.errors.read().replace("\r", "\n").splitlines() if line.strip()]
        for line in lines[-TAIL:]:
            print(f"    {line}", file=sys.stderr)
        return f"ended with code {code}" + (f": {lines[-1].strip()}" if lines else ".")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        """End the process and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with suppress(BrokenPipeError):
                stream.close()


def importable() -> dict[str, str]:
    """Return a child's environment: this package importable from any folder, no network."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {"HF_HUB_OFFLINE": "1", **os.environ, "PYTHONPATH": path}


def environment() -> dict[str, str]:
    """Return the environment of a worker, which has one GPU."""
    return importable() | {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]}


def once(job: str, folder: Path, /, **options: Any) -> dict[str, Any]:
    """Run a job that gives a single answer."""
    with Worker(job, folder, None, **options) as worker:
        return worker.receive()


@contextmanager
def arms(
    part: str, folder: Path, jobs: dict[str, tuple[str, dict]], settings: dict[str, dict] | None = None, **warm_up: Any
) -> Iterator[list[Worker]]:
    """Start a worker for each arm of a part, one after the other, ask each the `warm_up`, and end them all.

    `settings` are environment variables of an arm.
    """
    with ExitStack() as started:
        workers = []
        for name, (job, options) in jobs.items():
            progress(f"{part}: preparing {name}")
            workers.append(started.enter_context(Worker(job, folder, name, (settings or {}).get(name), **options)))
            workers[-1].ready = workers[-1].receive()
            if warm_up:
                workers[-1].ask(**warm_up)
        yield workers


def alternate(workers: Sequence[Worker], rounds: int, **question: Any) -> dict[str, list[dict[str, Any]]]:
    """Ask every worker once a round, one at a time, each round beginning with another one."""
    answers = {worker.name: [] for worker in workers}
    for number in range(rounds):
        first = number % len(workers)
        for worker in (*workers[first:], *workers[:first]):
            answers[worker.name].append(worker.ask(**question))
        seconds = (f"{name} {values[-1]['seconds']:.2f} s" for name, values in answers.items())
        progress(f"round {number + 1} of {rounds}: {', '.join(seconds)}")
    return answers


# The worker's side


class Channel:
    """Questions come from stdin, answers go to what was stdout; whatever else is printed goes to stderr."""

    def __init__(self):
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def wait(self) -> dict[str, Any]:
        """Block until the parent asks; end the process where it is gone."""
        line = sys.stdin.readline()
        if not line:
            os._exit(0)
        return json.loads(line)

    def answer(self, **facts: Any) -> None:
        self._answers.write(json.dumps(facts) + "\n")
        self._answers.flush()

    def say(self, text: str) -> None:
        self.answer(say=text)
