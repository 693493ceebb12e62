"""A large day's entries, judged in several processes, each with the same outcome as in one."""

import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

from league.proof.data import DataAtHand
from league.proof.source import Refused, Source, Unscored

from .cache import Cache
from .judging import judge
from .rows import Refusal, Row, Unfinished

FEW = 500  # entries, for which a further process is not worth its start
AT_ONCE = 20  # that a process is given; as long an interruption has to wait


def judged(sources: Iterable[Source | Refusal], data: DataAtHand, cache: Cache, processes: int) -> list[Row | Refusal]:
    """Return what each one is, in the order given."""
    sources = list(sources)
    processes = min(processes, len(sources) // FEW)
    if processes > 1:
        try:
            with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (data, cache)) as pool:
                with _deaf():
                    results = pool.map(_judge_here, sources, chunksize=AT_ONCE)
                return list(results)
        except (BrokenProcessPool, OSError, ImportError):  # killed, or a system that has no such pools: then alone
            pass
    return [_outcome(one, data, cache) for one in sources]


@contextmanager
def _deaf() -> Iterator[None]:
    # What is started here inherits it: an interruption is for this process alone, which ends the others.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _outcome(one: Source | Refusal, data: DataAtHand, cache: Cache) -> Row | Refusal:
    if isinstance(one, Refusal):
        return one
    try:
        return judge(one, data, cache)
    except Refused as reason:
        return (Unfinished if isinstance(reason, Unscored) else Refusal)(one.name, str(reason))


def _begin(data: DataAtHand, cache: Cache) -> None:
    global _with
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it is not inherited
    _with = (data, cache)


def _judge_here(one: Source | Refusal) -> Row | Refusal:
    return _outcome(one, *_with)
