"""The cores there are, and how threads wait for each other: OpenMP reads that once, before torch is loaded."""

import os

LIBRARYS_OWN = {"GOMP_SPINCOUNT": "300000"}  # what libgomp does unless told otherwise, where every thread has a core


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def settle() -> None:
    """Let a thread that waits for the others of its team leave its core soon, unless the user wants it otherwise.

    At first it looks again and again whether they are there, by itself for milliseconds, and a second program on the
    machine makes these most of the time; docs/speed.md has the measurements.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
