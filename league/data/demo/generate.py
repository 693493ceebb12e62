"""A generated German-English parallel corpus: deterministic, endless, in two registers, with disjoint splits."""

import argparse
import hashlib
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from league.data.demo.captions import Captions
from league.data.demo.talks import Talks

GENERATORS = {"captions": Captions, "talks": Talks}
REGISTERS = tuple(GENERATORS)
SPLITS = ("train", "validation", "test")
# Of the 256 values of a digest's first byte, those from these on belong to validation and to test.
VALIDATION_FROM, TEST_FROM = 224, 240
# The fewest and most German words of a sentence.
LENGTHS = {"captions": (6, 20), "talks": (8, 30)}
PUNCTUATION = str.maketrans("", "", ".,?")


def split_of(german: str) -> str:
    """The split of a sentence, by a digest of its words without their order, so that reorderings stay together."""
    words = sorted(german.lower().translate(PUNCTUATION).split())
    digest = hashlib.blake2b(" ".join(words).encode(), digest_size=1).digest()[0]
    return "train" if digest < VALIDATION_FROM else "validation" if digest < TEST_FROM else "test"


def generate_pairs(register: str, split: str, count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """Yield `count` German-English pairs."""
    if register not in REGISTERS:
        raise ValueError(f"unknown register {register!r}: choose one of {', '.join(REGISTERS)}")
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")
    if count < 0:
        raise ValueError(f"the count of pairs must not be negative: {count}")
    return pairs(register, split, count, seed)


def pairs(register: str, split: str, count: int, seed: int) -> Iterator[tuple[str, str]]:
    digest = hashlib.sha256(f"{register} {split} {seed}".encode()).digest()
    sentence = GENERATORS[register](random.Random(int.from_bytes(digest[:8], "big"))).sentence
    shortest, longest = LENGTHS[register]
    while count:
        german, english = sentence()
        if shortest <= german.count(" ") + 1 <= longest and split_of(german) == split:
            count -= 1
            yield german[0].upper() + german[1:], english[0].upper() + english[1:]


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
    parser = OneLineParser(prog="python -m league.corpus", description=__doc__, allow_abbrev=False)
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
