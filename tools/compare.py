"""Compare two scored entries: a paired test on their translations, and in words whether the difference is real.

    python -m tools.compare runs/one runs/other

Two questions are asked. Does it matter for the score which of the two translated a sentence? Approximate randomisation
over the test set answers that. Could another seed turn the order round? The deviation between seeds, which was measured
for the league, answers that.
"""

from pathlib import Path

from league.cli.options import parse_options
from league.errors import run_command
from league.values import DataDirOptions


def main(argv: list[str] | None = None) -> None:
    words = {"entries": {"nargs": 2, "help": "folders of two scored entries"}}
    options, named = parse_options(__doc__, DataDirOptions, argv=argv, words=words)

    from league.proof.comparison import compare

    for line in compare(tuple(map(Path, named.entries)), options.data_dir).lines():
        print(line)


if __name__ == "__main__":
    run_command(main)
