"""A generated corpus, deterministic and endless, with disjoint splits: pairs, scenes, dialogues."""

import hashlib
import random
from collections.abc import Iterator

from league.data.demo.captions import Captions
from league.data.demo.dialogues import Conversations, Dialogues
from league.data.demo.scenes import generate_scenes
from league.data.demo.talks import Talks

GENERATORS = {"captions": Captions, "talks": Talks, "dialogues": Dialogues, "conversations": Conversations}
REGISTERS = ("captions", "talks")  # those of German-English pairs
# Of the 256 values of a digest's first byte, those from these on belong to validation and to test.
VALIDATION_FROM, TEST_FROM = 224, 240
# The fewest and most words of what is read: a German sentence, a dialogue.
LENGTHS = {"captions": (6, 20), "talks": (8, 30), "dialogues": (20, 150), "conversations": (20, 150)}
SPLIT_BY = {"dialogues": 1}  # the place in a row of the text that decides its split: no summary is in two splits
PUNCTUATION = str.maketrans("", "", ".,?")


def split_of(german: str) -> str:
    """The split of a sentence, by a digest of its words without their order, so that reorderings stay together."""
    words = sorted(german.lower().translate(PUNCTUATION).split())
    digest = hashlib.blake2b(" ".join(words).encode(), digest_size=1).digest()[0]
    return "train" if digest < VALIDATION_FROM else "validation" if digest < TEST_FROM else "test"


def generate_pairs(register: str, split: str, count: int, seed: int) -> Iterator[tuple[str, ...]]:
    """Yield `count` rows of a register: pairs, or texts alone."""
    digest = hashlib.sha256(f"{register} {split} {seed}".encode()).digest()
    sentence = GENERATORS[register](random.Random(int.from_bytes(digest[:8], "big"))).sentence
    (shortest, longest), place = LENGTHS[register], SPLIT_BY.get(register, 0)
    while count:
        row = sentence()
        if shortest <= row[0].count(" ") + 1 <= longest and split_of(row[place]) == split:
            count -= 1
            yield tuple(text[0].upper() + text[1:] for text in row)


def generate_rows(register: str, split: str, count: int, seed: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a corpus of the demo leagues: pairs of sentences, sentences, or sentences with labels."""
    if register == "scenes":
        return ((text,) for text, _ in generate_scenes(split, count, seed, split_of))
    if register == "labelled scenes":
        return generate_scenes(split, count, seed, split_of)
    return generate_pairs(register, split, count, seed)
