"""What pages say, in English and Korean: one table, texts.json, and a text that carries both languages.

What other rooms say to a terminal as well, a broken rule or a plan, has its wording there; the table's part `said` has
the Korean beside it, found by what is fixed in the sentence.
"""

import json
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from league.rulebook import STAGES

TABLE = Path(__file__).with_name("texts.json")
MOST_NESTED = 4  # sentences within sentences
JOINTS = (": ", "; ", ", ")
WORDS = ("yes", "no", "nothing", "structures", "fine-tunes", "middling", "example")  # that stand within sentences
# English -> Korean, of what is said while a picture is drawn
PHRASES: ContextVar[dict[str, str] | None] = ContextVar("PHRASES", default=None)


@cache
def table() -> dict[str, Any]:
    """Return the texts by key, English and Korean; the key `said` has the Korean of other rooms' sentences."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


@cache
def said_elsewhere() -> list[tuple[list[str], str]]:
    """Return the sentences of other rooms, the fixed parts of each and its Korean, the most particular first."""
    sentences = [(english.split("{}"), korean) for english, korean in table()["said"].items()]
    return sorted(sentences, key=lambda sentence: -sum(map(len, sentence[0])))


class Text(str):
    """An English text that knows its Korean; in a page it becomes both, of which one is seen."""

    ko: str

    def __html__(self) -> str:
        if self.ko == str(self):
            return escape(str(self))
        return Markup('<span lang="en">{}</span><span lang="ko">{}</span>').format(str(self), self.ko)


@contextmanager
def remembered():
    """Yield what is said inside the block, English -> Korean."""
    token = PHRASES.set(phrases := {})
    try:
        yield phrases
    finally:
        PHRASES.reset(token)


def both(english: str, korean: str) -> Text:
    text = Text(english)
    text.ko = korean
    if (phrases := PHRASES.get()) is not None:
        phrases[english] = korean
    return text


def say(key: str, **values: Any) -> Text:
    """Return a text of the table with its values filled in; of a number `n` that is 1 the key may have a form .one."""
    forms = table()
    if values.get("n") == 1 and f"{key}.one" in forms:
        key = f"{key}.one"
    english, korean = forms[key]
    in_korean = {name: korean_of(value) for name, value in values.items()}
    return both(english.format(**values), korean.format(**in_korean))


def translated(english: str) -> Text:
    """Return a sentence of another room with its Korean; one that the table does not know stays English."""
    return both(english, getattr(english, "ko", None) or in_korean(str(english)))


@lru_cache(10_000)
def in_korean(english: str, depth: int = 0) -> str:
    found = [(values, korean) for parts, korean in said_elsewhere() if (values := between(parts, english)) is not None]
    if not found or depth > MOST_NESTED:
        return english
    # Of several that fit, the one that cuts where sentences have their joints; min() keeps the most particular first.
    values, korean = min(found, key=lambda one: sum(value.count(joint) for value in one[0] for joint in JOINTS))
    # A value may be a sentence again; a single word may be anyone's name.
    return korean.format(*(in_korean(one, depth + 1) if " " in one or one in WORDS else one for one in values))


def between(parts: list[str], text: str) -> list[str] | None:
    """Return what stands between the fixed parts of a sentence; None where the text is not that sentence."""
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return [] if text == first else None
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return None
    values, rest = [], text[len(first) : len(text) - len(last)]
    for part in parts[1:-1]:
        value, found, rest = rest.partition(part)
        if not found:
            return None
        values.append(value)
    return [*values, rest]


def korean_of(value: Any) -> Any:
    return getattr(value, "ko", value)


def in_languages(english: str) -> list[str]:
    """Return a sentence of another room as a page's script reads it: English, Korean."""
    return [english, korean_of(translated(english))]


def joined(parts: list[str], between: str = ", ") -> Text:
    """Join texts, some of which may have no other language."""
    return both(between.join(parts), between.join(map(korean_of, parts)))


def texts_of(*prefixes: str) -> dict[str, list[str]]:
    """Return the part of the table that a page's script needs."""
    return {key: forms for key, forms in table().items() if key.startswith(prefixes)}


def say_stage(name: str) -> str:
    """Return what pages call a stage; another name stays as it is."""
    return say(f"stage.{name}") if name in STAGES else name
