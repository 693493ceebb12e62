"""What the fuzz tests share: how many examples, a guard for a reader, and made-up values.

The ordinary suite takes some hundred examples of each; `FUZZ_EXAMPLES=5000 pytest tests/fuzz` takes that many.
"""

import copy
import faulthandler
import json
import math
import os
import resource
import signal
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from conftest import ROOT
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from league.errors import UserError

SECONDS, MEGABYTES = 20, 400  # far beyond what a reader needs, far below what a hang or a blow-up takes
ELSEWHERE: list[str] | None = None  # while a reader is watched: what it touched


def examples(number: int):
    """Return the settings of a test of so many examples."""
    deep = "FUZZ_EXAMPLES" in os.environ  # the ordinary suite takes the same examples each time
    number = int(os.environ.get("FUZZ_EXAMPLES", number))
    return settings(max_examples=number, deadline=None, derandomize=not deep, suppress_health_check=list(HealthCheck))


class TooLong(BaseException):
    """No `except Exception` may swallow it."""


def _note(event: str, arguments: tuple) -> None:
    if ELSEWHERE is not None and event.split(".")[0] in ("open", "os", "shutil", "socket", "subprocess", "ctypes"):
        ELSEWHERE.append((event, arguments))


sys.addaudithook(_note)
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate")
OWN = [str(ROOT), sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev"]  # the code, and what describes the machine


def _is_elsewhere(event: str, arguments: tuple, folder: Path) -> bool:
    if event.split(".")[0] in ("socket", "subprocess") or event in ("os.system", "os.exec", "os.fork"):
        return True
    if event != "open" and event not in CHANGES or isinstance(arguments[0], int):
        return False
    path = os.path.realpath(os.fsdecode(arguments[0]))
    is_read = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    allowed = [str(folder.resolve()), *(OWN if is_read else [])]
    return not any(path == root or path.startswith(root + os.sep) for root in allowed)


@contextmanager
def guard(folder: Path):
    """Run a reader that has a while, some memory, and one folder; it may read its own code besides."""
    global ELSEWHERE

    def stop(*_):
        raise TooLong(f"more than {SECONDS} seconds")

    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEGABYTES * 2**20, limits[1]))
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(3 * SECONDS, exit=True)  # a hang outside Python hears no signal
    tempfile.tempdir = str(folder)  # what it keeps for a while must lie there too
    ELSEWHERE = touched = []
    try:
        yield
    finally:
        ELSEWHERE = tempfile.tempdir = None
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, limits)
    strange = [(event, arguments) for event, arguments in touched if _is_elsewhere(event, arguments, folder)]
    assert not strange, strange


def refusal(folder: Path, function, *arguments):
    """Call a guarded reader; return its value and None, or None and the line that it refused with."""
    try:
        with guard(folder):
            return function(*arguments), None
    except UserError as error:
        line = " ".join(str(error).split())  # as `league.errors.leave` shows it
        assert line.isprintable() and 10 < len(line) < 2_000, error
        return None, line


WILD = [10**9, 10**18, 2**53, 2**63, 10**400, -1, 0, 1, -0.0, 0.5, 1e308, 1e-320, math.nan, math.inf, -math.inf]
WILD += ["", "x", "..", "../../etc/passwd", "/dev/zero", "\x1b[2J", "\ud800", "\u2028", "\u202e", "a" * 400]
WILD += [None, True, False, [], {}, [[]], {"": {}}]
ANYTHING = st.recursive(
    st.sampled_from(WILD) | st.integers() | st.floats() | st.text(st.characters(), max_size=20) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def spelled(value) -> bytes:
    """Return JSON as a stranger may spell it: with NaN, and with numbers that are no floats."""
    return json.dumps(value).replace("Infinity", "1e999").encode()


@st.composite
def changed(draw, original) -> bytes:
    """Change values, keys and places of a JSON value, mostly leaving it JSON."""
    value = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        inner = value
        while isinstance(inner, (dict, list)) and inner:
            keys = list(inner) if isinstance(inner, dict) else range(len(inner))
            key = draw(st.sampled_from(keys))
            if isinstance(inner[key], (dict, list)) and inner[key] and draw(st.integers(0, 9)):
                inner = inner[key]
                continue
            what = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add", "repeat"]))
            if what == "replace":
                inner[key] = copy.deepcopy(draw(ANYTHING))  # some are shared, and changed in the next round
            elif what == "remove":
                del inner[key]
            elif what == "add" and isinstance(inner, dict):
                inner[draw(st.text(st.characters(), max_size=8))] = copy.deepcopy(draw(ANYTHING))
            elif isinstance(inner, list):
                inner += [inner[key]] * draw(st.sampled_from([1, 3, 12_000]))
            break
    return spelled(value)


@st.composite
def spoilt(draw, content: bytes) -> bytes:
    """Flip, cut, repeat or replace some bytes."""
    spoiled = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(spoiled) - 1)))
        what = draw(st.sampled_from(["flip", "cut", "insert", "double", "drop"]))
        if what == "flip" and spoiled:
            spoiled[place] ^= draw(st.integers(1, 255))
        elif what == "cut":
            del spoiled[place:]
        elif what == "insert":
            spoiled[place:place] = draw(st.binary(max_size=8))
        elif what == "double":
            spoiled += spoiled[place:]
        else:
            del spoiled[place : place + draw(st.integers(1, 40))]
    return bytes(spoiled)


def strings_in(value):
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from strings_in(item)
    elif isinstance(value, str):
        yield value


def a_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


KINDS = {"folder": Path.mkdir, "pipe": os.mkfifo, "link": a_link, "loop": lambda path: path.symlink_to(path)}
KINDS |= {"endless": lambda path: path.symlink_to("/dev/zero")}
