"""Several workers for one command: the GPUs of this machine or shares of its cores, or those of a Ray cluster.

One process decides and writes; a worker is a process that Ray starts on a GPU or some cores, which has loaded the
libraries and its data before the first job. Jobs and what comes of them travel through Ray: no folder need be shared.
"""

import importlib.metadata
import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from league.errors import UserError

# Which decide what a trial comes to: of them each machine needs the same version.
PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "datasets", "numpy", "sacrebleu", "rouge-score")
MOST_LOST = 2  # workers of one job, after which it has failed: chosen, it may be what kills them
MOST_ON_CORES = 4  # workers that `auto` makes of cores: chosen; of eight each trial would take as long as a search


@dataclass
class WorkerOptions:
    workers: str | None = field(
        default=None,
        metadata={
            "metavar": "N",
            "help": "runs at once on a machine: a number, or auto for one on each GPU, or else on each core, up to "
            f"{MOST_ON_CORES}; the cores are shared equally (default: 1, without Ray; with --cluster auto)",
        },
    )
    cluster: str | None = field(
        default=None,
        metadata={
            "metavar": "ADDRESS",
            "help": "use all machines of a Ray cluster: HOST:PORT of its head, or auto on a machine that has joined it",
        },
    )

    def __post_init__(self):
        is_number = self.workers is None or self.workers.isdecimal() and int(self.workers) > 0
        if not is_number and self.workers != "auto":
            raise UserError(f"--workers {self.workers}: must be a number above 0, or auto.")

    @property
    def are_several(self) -> bool:
        return self.cluster is not None or self.workers not in (None, "1")


@dataclass(eq=False)
class Seat:
    """A place for one job at a time."""

    kind: str  # of device: how long things take is known by it
    threads: int = 1
    gpus: int = 0
    node: str = ""  # Ray's name of the machine
    address: str = ""
    is_home: bool = True  # on the machine of the process that decides
    losses: int = 0
    worker: Any = None


@dataclass
class Lost:
    """What comes of a job whose worker is gone."""

    reason: str


def device_kind() -> str:
    """Return what computes here, in words: a GPU's name, or a processor's with its threads."""
    import torch

    from league.hardware import device_name

    if (name := device_name()) != "cpu":
        return name
    names = {platform.processor() or platform.machine()}
    if (info := Path("/proc/cpuinfo")).exists():
        lines = info.read_text().split("\n")
        names = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")} or names
    number = torch.get_num_threads()
    return f"{min(names)}, {number} {'thread' if number == 1 else 'threads'}"[:200]


def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}


class Alone(AbstractContextManager):
    """One worker: this very process. Needs no Ray."""

    is_alone = is_local = True

    def __init__(self):
        self.seats, self._ended = [], []

    def employ(self, work: Any) -> None:
        self.work, self.seats = work, [Seat(device_kind())]

    def free(self) -> list[Seat]:
        return [] if self._ended else self.seats

    @property
    def is_busy(self) -> bool:
        return bool(self._ended)

    def begin(self, seat: Seat, key: Any, method: str, *args: Any) -> None:
        self._ended.append((seat, key, getattr(self.work, method)(*args)))

    def ask(self, seat: Seat, method: str, *args: Any) -> Any:
        return getattr(self.work, method)(*args)

    def wait(self, seconds: float) -> list[tuple[Seat, Any, Any]]:
        ended, self._ended = self._ended, []
        return ended

    def notes(self) -> dict[Any, Any]:
        return {}

    def stop(self) -> None:
        pass

    def __exit__(self, *exception) -> None:
        pass


def open_team(options: WorkerOptions):
    """Return the workers that a command asks for."""
    if not options.are_several:
        return Alone()
    from tools.team import Team

    return Team(options)
