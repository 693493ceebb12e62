"""A sample of the generated corpus, and the genders of its nouns."""

import re

from league.data.demo import lexicon
from league.data.demo.generate import REGISTERS, generate_pairs

SAMPLE = {register: list(generate_pairs(register, "train", 25_000, seed=3)) for register in REGISTERS}
PAIRS = [pair for register in REGISTERS for pair in SAMPLE[register]]


def lexicon_genders() -> dict[str, set[str]]:
    """The gender of each noun, read from the table itself; a weak masculine counts as masculine."""
    genders: dict[str, set[str]] = {}
    for table in lexicon.NOUNS.values():
        for entry in re.split(r"[;\n]", table):
            if entry.strip():
                gender, noun = entry.split()[:2]
                genders.setdefault(noun.partition("_")[0], set()).add(gender[0].replace("w", "m"))
    return genders


GENDERS = lexicon_genders()
