"""A worker of the benchmark: `python -m benchmarks.worker MODULE.FUNCTION OPTIONS`, started by the benchmark alone."""

import importlib
import json
import sys

from benchmarks.shared import Channel
from league import threads


def main() -> None:
    threads.settle()
    module, _, function = sys.argv[1].partition(".")
    channel = Channel()
    getattr(importlib.import_module(f"benchmarks.{module}"), function)(channel, **json.loads(sys.argv[2]))


if __name__ == "__main__":
    main()
