"""Draw the report of an entry: report.html and plots/ in its folder, as evaluate_bleu.py leaves them after the score.

    python -m tools.report runs/mine
    python -m tools.report runs/mine --data_dir DIR

Also of an entry that is not scored yet, or that a stranger made: nothing in it is run. Where the test set is not at
hand, the page says so and shows the rest.
"""

from pathlib import Path

from league.cli.options import parse_options
from league.errors import run_command
from league.values import DataDirOptions


def main(argv: list[str] | None = None) -> None:
    words = {"entry": {"help": "folder of the entry: runs/NAME, or wherever it was unpacked"}}
    options, named = parse_options(__doc__, DataDirOptions, argv=argv, words=words)

    from league import hardware
    from league.report.write import write_entry_report

    hardware.prepare_process()
    print(f"report: {write_entry_report(Path(named.entry), data_dir=options.data_dir)}")


if __name__ == "__main__":
    run_command(main)
