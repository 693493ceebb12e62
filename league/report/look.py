"""The look of every page that the project writes: one HTML file, light and dark, with nothing to load."""

from collections.abc import Iterable
from html import escape

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
}
CSS = """
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1360px; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin: 0.5rem 0 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 0.6rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 0.3rem; }
.panel h3 { margin-top: 0; }
p, li, figcaption { max-width: 75ch; overflow-wrap: anywhere; }
p { margin: 0.4rem 0; }
a { color: inherit; }
.quiet, figcaption { color: var(--muted); font-size: 0.875rem; }
.panels { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 390px), 1fr)); }
.tall { grid-row: span 2; }
.panel, .tile { margin: 0; min-width: 0; padding: 0.7rem; background: var(--card); }
.panel, .tile, .scroll, pre { border: 1px solid var(--rule); border-radius: 8px; }
.panel svg { display: block; width: 100%; height: auto; }
.panel text { font-family: inherit !important; }
.panel th, .panel td { padding: 0.25rem 0.3rem; }
figcaption { margin-top: 0.4rem; }
.tiles { display: grid; gap: 0.7rem; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); margin: 1rem 0; }
.tile b { display: block; font-size: 1.5rem; line-height: 1.2; }
.wide { display: none; }
@media (min-width: 800px) { .wide { display: block; } .narrow { display: none; } }
.scroll { overflow: auto; max-height: 32rem; }
table { border-collapse: collapse; font-size: 0.8125rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: 0.25rem 0.6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { font-weight: 600; }
thead th { position: sticky; top: 0; background: var(--card); }
.words { text-align: left; }
td.words { white-space: normal; min-width: 9rem; max-width: 22rem; overflow-wrap: anywhere; }
tr.best { outline: 2px solid var(--best); outline-offset: -2px; }
pre { background: var(--card); padding: 0.7rem; overflow-x: auto; }
"""


def palette() -> str:
    """Return the colours as CSS variables, dark where the reader's system is."""
    light, dark = (" ".join(f"--{name}: {color};" for name, color in theme.items()) for theme in (LIGHT, DARK))
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"


def html_page(title: str, parts: Iterable[str], css: str = "", script: str = "") -> str:
    """Return a whole page; `parts` are HTML, the title is text."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
        f"<style>{palette()}{CSS}{css}</style></head><body><main>\n"
        + "\n".join(parts)
        + "\n</main>"
        + (f"<script>{script}</script>" if script else "")
        + "</body></html>\n"
    )


def panel(title: str, words: str, *pictures: str, kind: str = "panel") -> str:
    """Return a framed picture with its title and, below it, what to see there."""
    caption = f"<figcaption>{escape(words)}</figcaption>" if words else ""
    return f'<figure class="{kind}"><h3>{escape(title)}</h3>{"".join(pictures)}{caption}</figure>'


def tiles(shown: Iterable[tuple[str, str]]) -> str:
    """Return the few numbers that one looks for first, each with its words."""
    inner = "".join(f'<div class="tile"><b>{escape(number)}</b>{escape(words)}</div>' for number, words in shown)
    return f'<div class="tiles">{inner}</div>'
