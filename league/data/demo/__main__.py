"""Write the generated corpus as text files: python -m league.data.demo DIR."""

import argparse
import os
import sys
from pathlib import Path

from league.data.demo.generate import REGISTERS, SPLITS, generate_pairs


def write_split(folder: Path, register: str, split: str, count: int, seed: int) -> None:
    """Write the two sides of a split line by line, each under its name only once it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [folder / f"{split}.{language}" for language in ("de", "en")]
    partial = [name.with_name(f".{name.name}.{os.getpid()}.tmp") for name in names]
    try:
        with (
            open(partial[0], "w", encoding="utf-8", newline="\n") as german_side,
            open(partial[1], "w", encoding="utf-8", newline="\n") as english_side,
        ):
            for german, english in generate_pairs(register, split, count, seed):
                german_side.write(german + "\n")
                english_side.write(english + "\n")
        for source, target in zip(partial, names, strict=True):
            os.replace(source, target)
    finally:
        for source in partial:
            source.unlink(missing_ok=True)


def natural(text: str) -> int:
    """Read a count from the command line."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"not a count: {text!r}")
    return int(text)


class OneLineParser(argparse.ArgumentParser):
    """A parser that reports a wrong call in one line."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Write every split of every register into a folder."""
    parser = OneLineParser(prog="python -m league.data.demo", description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", metavar="DIR", type=Path, help="where to write captions/ and talks/")
    parser.add_argument(
        "--train", type=natural, default=200_000, help="training pairs a register (default %(default)s)"
    )
    parser.add_argument(
        "--heldout",
        type=natural,
        default=2_000,
        help="validation pairs and test pairs a register, each (default %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other sentences (default %(default)s)")
    options = parser.parse_args(arguments)
    try:
        for register in REGISTERS:
            for split in SPLITS:
                count = options.train if split == "train" else options.heldout
                write_split(options.folder / register, register, split, count, options.seed)
    except OSError as error:
        parser.error(f"cannot write {error.filename}: {error.strerror}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
