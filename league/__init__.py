"""The league. OpenMP reads its settings once, as torch is loaded: so they are made here, before anything loads it."""

import os

# A thread that waits for the others of its team first looks again and again whether they are there, and keeps a core
# busy with it. libgomp does so for milliseconds, which a second program on the machine turns into most of the time.
# docs/speed.md has the measurements; whoever sets either variable has the last word.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
