"""What pages say, in English and Korean: one table, texts.json, and a text that carries both languages."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

TABLE = Path(__file__).with_name("texts.json")
PHRASES: dict[str, str] = {}  # English -> Korean, of what was said since a picture was begun


@cache
def table() -> dict[str, list[str]]:
    """Return the texts by key: English, Korean."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


class Text(str):
    """An English text that knows its Korean; in a page it becomes both, of which one is seen."""

    ko: str

    def __html__(self) -> str:
        if self.ko == str(self):
            return escape(str(self))
        return Markup('<span lang="en">{}</span><span lang="ko">{}</span>').format(str.__str__(self), self.ko)

    def __str__(self) -> str:
        return str.__str__(self)


def both(english: str, korean: str) -> Text:
    text = Text(english)
    text.ko = korean
    PHRASES[english] = korean
    return text


def say(key: str, **values: Any) -> Text:
    """Return a text of the table with its values filled in; of a number `n` that is 1 the key may have a form .one."""
    forms = table()
    if values.get("n") == 1 and f"{key}.one" in forms:
        key = f"{key}.one"
    english, korean = forms[key]
    in_korean = {name: korean_of(value) for name, value in values.items()}
    return both(english.format(**values), korean.format(**in_korean))


def korean_of(value: Any) -> Any:
    return getattr(value, "ko", value)


def joined(parts: list[str], between: str = ", ") -> Text:
    """Join texts, some of which may have no other language."""
    return both(between.join(parts), between.join(map(korean_of, parts)))


def texts_of(*prefixes: str) -> dict[str, list[str]]:
    """Return the part of the table that a page's script needs."""
    return {key: forms for key, forms in table().items() if key.startswith(prefixes)}


def plain(text: str) -> str:
    """Return a text's English alone, for an attribute."""
    return str.__str__(text)
