"""Workers that Ray starts: on the GPUs or cores of this machine, or on those of a cluster."""

import os
import shutil
import socket
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from league import threads
from league.errors import Interrupted, UserError
from tools.folders import clear_cache
from tools.workers import MOST_ON_CORES, Lost, Seat, WorkerOptions, device_kind, versions

ROOT = Path(__file__).resolve().parent.parent
CODE = ("league", "modeling", "tools")  # besides the scripts: what a worker runs, sent to every machine
MEMORY = 2 * 2**30  # bytes for each of them: a training on few cores takes between one and two
STARTING = 180.0  # seconds for a worker to load everything, after which it is given up: chosen, it takes ten to thirty
CONNECTING = 10.0  # seconds for the head of a cluster to answer: chosen, in one room it takes milliseconds
CLEARING = 30.0  # seconds for all machines to remove what is left, which a process of their own takes a few for: chosen
MOST_LOSSES = 3  # of one worker, after which nothing more is given to it: chosen, chance does not strike so often


class Worker:
    """The process in a seat, on whichever machine."""

    def greet(self, wanted: dict[str, str]) -> str:
        """Say what computes here; refuse to work with other packages than those of the process that decides."""
        threads.settle()
        here = versions()
        if others := [f"{name} {here[name]}" for name in wanted if here[name] != wanted[name]]:
            name = others[0].split()[0]
            raise UserError(f"it has {', '.join(others)}, and this machine {name} {wanted[name]}")
        from league import hardware

        hardware.prepare_process()
        return device_kind()

    def settle(self, work: Any, board: Any) -> None:
        """Get ready for a work that was sent here; `board` takes what its jobs say of themselves."""
        self.work = work
        work.arrive(lambda key, value: board.put.remote(key, value))

    def do(self, method: str, *args: Any) -> Any:
        return getattr(self.work, method)(*args)


class Board:
    """What running jobs last said of themselves."""

    def __init__(self):
        self.notes: dict[Any, Any] = {}

    def put(self, key: Any, value: Any) -> None:
        self.notes[key] = value

    def all(self) -> dict[Any, Any]:
        return self.notes


class Team(AbstractContextManager):
    """Workers that Ray starts, with one job each at a time; one that dies is replaced as long as its machine lives."""

    is_alone = False

    def __init__(self, options: WorkerOptions):
        self.ray, self.is_local = start_ray(options), not options.cluster
        self._started: dict[Any, Started] = {}  # by Ray's reference to what will come of it
        home = self.ray.get_runtime_context().get_node_id()
        nodes = [node for node in self.ray.nodes() if node["Alive"]]
        self.seats = [seat for node in nodes for seat in seats_of(node, options, home)]
        if not self.seats:
            raise UserError(f"--cluster {options.cluster}: none of its machines offers a GPU or a core.")
        self.board = self.ray.remote(Board).options(num_cpus=0, scheduling_strategy=self._on(home)).remote()

    def _on(self, node: str):
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node, soft=False)

    # Workers.

    def employ(self, work: Any) -> None:
        """Start a worker in each seat, and wait until all have loaded what the work needs."""
        self._wanted, self._work = versions(), self.ray.put(work)
        for seat in self.seats:
            self._start(seat)
        while any(one.step != "do" for one in self._started.values()):
            self.wait(1.0)

    def _start(self, seat: Seat) -> None:
        environment = {"env_vars": {"OMP_NUM_THREADS": str(seat.threads)}}
        # A GPU is what limits: there may be fewer cores than GPUs.
        needs = {"num_cpus": 0 if seat.gpus else seat.threads, "num_gpus": seat.gpus, "runtime_env": environment}
        seat.worker = self.ray.remote(Worker).options(**needs, scheduling_strategy=self._on(seat.node)).remote()
        self._send(seat, "greet", None, self._wanted)

    def _send(self, seat: Seat, step: str, key: Any, *args: Any) -> None:
        reference = getattr(seat.worker, step).remote(*args)
        self._started[reference] = Started(seat, step, key, time.monotonic())

    def _lose(self, seat: Seat, reason: str) -> None:
        """Replace a worker, where its machine is still there and it has not died again and again."""
        self.ray.kill(seat.worker)
        seat.losses += 1
        is_there = any(node["NodeID"] == seat.node and node["Alive"] for node in self.ray.nodes())
        will_return = is_there and seat.losses < MOST_LOSSES
        fate = "another one starts there" if will_return else "the others go on without it"
        print(f"\nThe worker on {seat.address} is gone ({reason}): {fate}.", file=sys.stderr)
        if will_return:
            self._start(seat)
        else:
            self.seats.remove(seat)

    # Jobs.

    def free(self) -> list[Seat]:
        busy = {one.seat for one in self._started.values()}
        return [seat for seat in self.seats if seat not in busy]

    @property
    def is_busy(self) -> bool:
        return bool(self._started)

    def share(self, value: Any) -> Any:
        """Put a value where all machines can fetch it."""
        return self.ray.put(value)

    def begin(self, seat: Seat, key: Any, method: str, *args: Any) -> None:
        """Give a worker a job: a method of the work."""
        self._send(seat, "do", key, method, *args)

    def ask(self, seat: Seat, method: str, *args: Any) -> Any:
        """Ask something of a worker that is free; None where it does not answer."""
        try:
            return self.ray.get(seat.worker.do.remote(method, *args), timeout=10.0)
        except self.ray.exceptions.RayError:
            return None

    def wait(self, seconds: float) -> list[tuple[Seat, Any, Any]]:
        """Return the jobs that have ended, after so many seconds at most: the seat, the key, and what came of it."""
        ready, _ = self.ray.wait(list(self._started), timeout=seconds) if self._started else ([], [])
        ended = []
        for reference in ready:
            one = self._started.pop(reference)
            result = self._result_of(reference, one.seat)
            if one.step == "do":
                ended.append((one.seat, one.key, result))
            elif not isinstance(result, Lost) and one.step == "greet":
                one.seat.kind = result
                self._send(one.seat, "settle", None, self._work, self.board)
        for reference, one in list(self._started.items()):
            if one.step != "do" and time.monotonic() - one.since > STARTING:
                del self._started[reference]
                one.seat.losses = MOST_LOSSES
                self._lose(one.seat, f"not ready after {STARTING:.0f} seconds")
        if not self.seats:
            raise UserError("no worker is left: look after the machines; the same command resumes from what was saved.")
        return ended

    def _result_of(self, reference: Any, seat: Seat) -> Any:
        errors = self.ray.exceptions
        try:
            return self.ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise type(error.cause)(f"the worker on {seat.address}: {error.cause}") from None
            if not isinstance(error.cause, Interrupted):  # its machine is being shut down
                raise
            reason = "it was stopped"
        except errors.RayError as error:
            reason = str(error).strip().split("\n")[0].rstrip(".")
        self._lose(seat, reason)
        return Lost(reason)

    def notes(self) -> dict[Any, Any]:
        """Return what running jobs last said of themselves."""
        return self.ray.get(self.board.all.remote())

    def stop(self) -> None:
        """End all jobs where they stand."""
        for one in self._started.values():
            self.ray.kill(one.seat.worker)
        self.seats = self.free()
        self._started.clear()

    def clear(self, name: str) -> None:
        """Remove what a command has left on each machine, as a worker that was killed could not."""
        nodes = [node["NodeID"] for node in self.ray.nodes() if node["Alive"]]
        clear = self.ray.remote(clear_cache)
        begun = [clear.options(num_cpus=0, scheduling_strategy=self._on(node)).remote(name) for node in nodes]
        self.ray.wait(begun, num_returns=len(begun), timeout=CLEARING)

    def __exit__(self, *exception) -> None:
        self.ray.shutdown()


@dataclass
class Started:
    """Something that a worker does."""

    seat: Seat
    step: str  # greet, settle or do
    key: Any
    since: float


def start_ray(options: WorkerOptions):
    """Start Ray on this machine, for it alone, or join a cluster; return the library."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # nobody's GPUs are hidden from a job on cores
    if not options.cluster:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # on Linux, too: all ports on 127.0.0.1 alone
    try:
        import ray
    except ImportError:
        flag = "--cluster" if options.cluster else "--workers"
        raise UserError(f"{flag} needs Ray: pip install -r requirements-cluster.txt installs it.") from None
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if not options.cluster:
        from league.hardware import YES

        uses_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in YES
        limits = {"num_cpus": threads.cores()} | ({"num_gpus": 0} if uses_cpu else {})
        environment = {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), *sys.path]))}}
        ray.init("local", **limits, include_dashboard=False, runtime_env=environment, **quiet)
        return ray
    with tempfile.TemporaryDirectory(prefix="league-code-") as folder:
        copy_code(Path(folder))
        try:
            host, _, port = options.cluster.rpartition(":")
            if host and port.isdecimal():  # Ray itself would try for minutes
                socket.create_connection((host.removeprefix("ray://"), int(port)), CONNECTING).close()
            ray.init(options.cluster, runtime_env={"working_dir": folder}, **quiet)
        except (OSError, OverflowError, RuntimeError, ValueError) as error:
            reason = str(error).strip().split("\n")[0].rstrip(".")
            raise UserError(
                f"--cluster {options.cluster}: no Ray cluster that this machine has joined answers there ({reason}): "
                "ray start --head begins one, ray start --address=HEAD:PORT joins it; one that was begun with a token "
                "wants RAY_AUTH_MODE=token before this command, too."
            ) from None
    return ray


def copy_code(folder: Path) -> None:
    """Copy what a worker runs, and nothing else that may lie beside it: Ray sends it to every machine."""
    for part in CODE:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.glob("*.py"):
        shutil.copy(path, folder)


def seats_of(node: dict[str, Any], options: WorkerOptions, home: str) -> list[Seat]:
    """Return the seats of a machine: its GPUs, or equal shares of its cores."""
    resources = node["Resources"]
    gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    most = gpus or cpus
    if options.workers in (None, "auto"):
        number = gpus or min(cpus, MOST_ON_CORES, max(1, int(resources.get("memory", MEMORY) // MEMORY)))
    else:
        number = int(options.workers)
        if number > most and not options.cluster:
            raise UserError(f"--workers {number}: this machine has {most} {'GPUs' if gpus else 'cores'}.")
        number = min(number, most)
    place = {"node": node["NodeID"], "address": node["NodeManagerAddress"], "is_home": node["NodeID"] == home}
    return [Seat("", max(1, cpus // number), min(1, gpus), **place) for _ in range(number)]
