"""The benchmark: how fast the recipe is, beside the library's own way with a model of the same size.

    python -m benchmarks                    # all parts but busy, league and tuning
    python -m benchmarks training --rounds 8 --output bench.json

Parts: training, scoring, translating, readers, data, startup, busy, league, tuning. The arms of a part
alternate round by round, each in a process of its own, and every ratio is to the arm named as its baseline. Models that
it has to train are kept in .cache/bench/.
"""

import importlib
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import tuning
from benchmarks.setting import Bench, BenchOptions, check, describe_machine, make_cache, text_files
from benchmarks.shared import progress, table
from league.cli.options import parse_options
from league.errors import Interrupted, UserError, run_command

PARTS = ("training", "scoring", "translating", "readers", "data", "startup", "busy", "league", "tuning")
ON_REQUEST = ("busy", "league", "tuning")


def main(argv: list[str] | None = None) -> None:
    all_but = f"none named: all but {', '.join(ON_REQUEST)}"
    words = {"parts": {"nargs": "*", "help": f"{', '.join(PARTS)} ({all_but})"}}
    options, named = parse_options(__doc__, tuning.TuningOptions, argv=argv, words=words)
    parts = _parts(named.parts)
    check(options, parts)
    if "tuning" in parts:
        tuning.check(options)
    output = _output(options.output)

    from league.files import write_json

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the workers are ended
    result = {"environment": describe_machine(), "options": _shown(options), "parts": {}}
    print(_heading(result["environment"]))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(options, text_files(options, Path(folder) / "data"), Path(folder))
        for part in parts:
            progress(f"part {part}")
            started = time.monotonic()
            try:
                measured = importlib.import_module(f"benchmarks.{part}").measure(bench)
            except KeyboardInterrupt:
                raise Interrupted("Interrupted; the parts that were complete are kept.") from None
            measured["minutes"] = round((time.monotonic() - started) / 60, 1)
            result["parts"][part] = measured
            write_json(output, result)
            _print_part(part, measured)
    progress("done; the result as JSON: --output, or .cache/bench/bench.json")


def _parts(named: list[str]) -> list[str]:
    """Return the parts to measure, in their order."""
    if unknown := [part for part in named if part not in PARTS]:
        raise UserError(f"unknown part {unknown[0]!r}: choose from {', '.join(PARTS)}.")
    return [part for part in PARTS if part in named or not (named or part in ON_REQUEST)]


def _output(asked: str | None) -> Path:
    if asked is None:
        return make_cache() / "bench.json"
    output = Path(asked).absolute()
    if not output.parent.is_dir() or output.is_dir():
        raise UserError(f"--output {asked}: is not a file in a folder that exists.")
    return output


def _shown(options: BenchOptions) -> dict:
    """Return the options without the paths in them."""
    values = dict(vars(options))
    data = "text files" if options.data_dir else "the demo's corpus, generated"
    return {name: value for name, value in values.items() if name not in ("data_dir", "output")} | {
        "data": data,
        "checkpoint": "given" if options.checkpoint else "trained here",
        "marian": "given" if options.marian else "trained here",
    }


def _heading(machine: dict) -> str:
    versions = ", ".join(f"{name} {number or 'not installed'}" for name, number in machine["versions"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['gpu'] or 'no GPU'}; {machine['threads']} threads, "
        f"{machine['precision']}\n{versions}"
    )


def _print_part(part: str, measured: dict) -> None:
    baseline = f", baseline {measured['baseline']}" if "baseline" in measured else ""
    print(f"\n{part} ({measured['minutes']} min){baseline}")
    for note in measured["notes"]:
        print(f"  {note}")
    print(table(measured["rows"]), flush=True)


if __name__ == "__main__":
    run_command(main)
