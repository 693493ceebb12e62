"""The look of every page that the project writes: one HTML file, light and dark, with nothing to load."""

import base64
import hashlib
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from league.report.texts import korean_of, say, texts_of, translated

ROOT = Path(__file__).parents[2]
LIGHT = {
    "ink": "#1b1f24",
    "muted": "#57606b",
    "rule": "#d9dee4",
    "faint": "#a3adb8",
    "paper": "#fefefe",
    "card": "#f5f6f8",
    "pretrain": "#1f5fbe",
    "finetune": "#bf500f",
    "best": "#0b7a41",
    "lit": "#dbe8fb",  # behind what one points at
}
DARK = {
    "ink": "#e9ecf0",
    "muted": "#a6b0bb",
    "rule": "#383f48",
    "faint": "#6c7783",
    "paper": "#14171b",
    "card": "#1e2227",
    "pretrain": "#7db0ff",
    "finetune": "#ff9d5c",
    "best": "#57d795",
    "lit": "#22344f",
}
FLAG = re.compile(r"--[a-z]\w*(?: [\w+/-]+(?:\.\w[\w+-]*)*)?", re.ASCII)
COMPACT = {"separators": (",", ":"), "allow_nan": False}  # JSON in a page


def render(template: str, **values: Any) -> str:
    """Fill in a template, a file named from the repository's root, with its values; all text is escaped."""
    return TEMPLATES.get_template(template).render(values)


def source(name: str) -> Markup:
    """Return a style sheet or a script as it is in its file."""
    return Markup((ROOT / name).read_text(encoding="utf-8"))


def attribute(name: str, text: str) -> Markup:
    """Return an attribute in English, and what lets page.js change it with the language."""
    korean, english = korean_of(text), Markup('{}="{}"').format(name, str(text))
    return english if korean == str(text) else english + Markup(" data-ko='{}'").format(json.dumps([name, korean]))


def said(name: str, key: str, **values: Any) -> Markup:
    """Return an attribute whose text stands in the table."""
    return attribute(name, say(key, **values))


def in_both(texts: dict[str, str]) -> dict[str, list[str]]:
    """Return texts as a page's script reads them: English, Korean."""
    return {key: [str(text), korean_of(text)] for key, text in texts.items()}


def with_flags(text: str) -> Markup:
    """Return a text with its flags, each with its value, as code that no line breaks."""
    return Markup(FLAG.sub(r"<code>\g<0></code>", str(escape(text))))


def breakable(text: str) -> Markup:
    """Return a name that may break after its underscores."""
    return Markup(str(escape(text)).replace("_", "_<wbr>"))


def digest(script: str) -> str:
    """Return a script's digest as a content-security policy names it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


TEMPLATES = Environment(
    loader=FileSystemLoader(ROOT),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
TEMPLATES.globals |= {"LIGHT": LIGHT, "DARK": DARK, "source": source, "say": say, "said": said, "texts_of": texts_of}
TEMPLATES.filters |= {
    "breakable": breakable,
    "digest": digest,
    "in_both": in_both,
    "english": str,
    "translated": translated,
    "with_flags": with_flags,
    "as_json": lambda text: json.dumps([str(text), korean_of(text)]),
    "as_label": partial(attribute, "aria-label"),
    "as_title": partial(attribute, "title"),
}
TEMPLATES.policies["json.dumps_kwargs"] = COMPACT
