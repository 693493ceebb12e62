"""The grammar of the scenes register: English sentences of two scenes, and which of them is going on now.

Which scene a word belongs to has to be learned; so has which clause is about now, for both scenes are named in most
sentences, by people, things and places of their own, and actions that all scenes share.
"""

import hashlib
import random
from collections.abc import Iterator

from league.data.demo.lexicon import SCENES, SHARED, SHARED_ACTIONS

LABELS = tuple(SCENES)
KINDS = ("people", "things", "places")
SHAPES = ("alone", "after", "although", "but now", "earlier", "soon", "while before")
SHARES = (12, 16, 16, 16, 16, 12, 12)
PAST, FUTURE = ("past", "past", "was", "had"), ("will", "wants")


def with_article(article: str, noun: str) -> str:
    return f"{'an' if article == 'a' and noun[0] in 'aeio' else article} {noun}"


def words_of(text: str) -> list[str]:
    return [word.strip().replace("_", " ") for word in text.split(";")]


class Scenes:
    """One random source of sentences."""

    def __init__(self, source: random.Random):
        self.source = source
        self.scenes = {name: {kind: words_of(text) for kind, text in kinds.items()} for name, kinds in SCENES.items()}
        self.shared = {kind: words_of(text) for kind, text in SHARED.items()}
        self.actions = [entry.split("/") for entry in words_of(SHARED_ACTIONS)]

    def sentence(self) -> tuple[str, str]:
        """Return a sentence, and the scene that is going on now."""
        pick = self.source.choice
        now, other = self.source.sample(LABELS, 2)
        shape = self.source.choices(SHAPES, SHARES)[0]
        going_on = self.clause(now, "is")
        before = self.clause(other, pick(PAST))
        later = self.clause(other, pick(FUTURE))
        text = {
            "alone": going_on,
            "after": f"after {self.clause(other, pick(('past', 'had')))}, {going_on}",
            "although": f"{going_on}, {pick(('although', 'and yet', 'even though'))} {before}",
            "but now": f"{pick(('yesterday', 'last week', 'this morning'))} {before}, but {going_on}",
            "earlier": f"{before}, and {pick(('meanwhile', 'since then', 'today'))} {going_on}",
            "soon": f"{pick(('soon', 'tomorrow'))} {later}, but {going_on}",
            "while before": f"{going_on} while {later}",
        }[shape]
        return f"{text[0].upper()}{text[1:]}.", now

    def clause(self, scene: str, tense: str) -> str:
        """Return somebody of a scene who does something there, in a tense."""
        words, pick = self.scenes[scene], self.source.choice
        base, past, progressive = pick(self.actions)
        verb = {
            "is": f"is {progressive}",
            "was": f"was {progressive}",
            "had": f"had {past}",
            "past": past,
            "will": f"will {base}",
            "wants": f"wants to {base}",
        }[tense]
        # One to three of the clause's parts tell the scene; what does not is shared by all scenes.
        telling = self.source.choices((("people",), ("things",), ("places",), KINDS), (25, 25, 25, 25))[0]
        named = {kind: pick(words[kind] if kind in telling else self.shared[kind]) for kind in KINDS}
        who, what = (pick(("the", "a")), named["people"]), (pick(("the", "a", "another")), named["things"])
        parts = [with_article(*who), verb, with_article(*what)]
        if "places" in telling or self.source.random() < 0.5:
            parts.append(named["places"])
        return " ".join(parts)


def generate_scenes(split: str, count: int, seed: int, split_of) -> Iterator[tuple[str, str]]:
    """Yield so many sentences of a split with their labels."""
    digest = hashlib.sha256(f"scenes {split} {seed}".encode()).digest()
    scenes = Scenes(random.Random(int.from_bytes(digest[:8], "big")))
    while count:
        text, label = scenes.sentence()
        if split_of(text) == split:
            count -= 1
            yield text, label
