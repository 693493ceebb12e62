"""The part of an entry's report in which one points at a token and sees what the model looks at."""

import base64
import json
from html import escape
from pathlib import Path

import numpy as np

from league.tasks.attention import Attention

MOST_BYTES = 450_000  # of weights, in a page that stays below a million
KINDS = ("cross", "encoder", "decoder")
SCRIPT = Path(__file__).with_suffix(".js")
CSS = """
#attention .controls { display: flex; flex-wrap: wrap; gap: 0.6rem 1rem; }
#attention .controls[hidden] { display: none; }
#attention label { display: grid; grid-template-columns: minmax(0, auto); gap: 0.15rem; font-size: 0.875rem;
  min-width: 0; max-width: 100%; }
#attention select { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--faint);
  border-radius: 6px; padding: 0.3rem; max-width: 100%; }
#attention .tokens { display: flex; flex-wrap: wrap; gap: 0.3rem 0.1rem; margin: 0.3rem 0 0.9rem; }
#attention .token { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--rule);
  border-radius: 6px; padding: 0.15rem 0.45rem; min-width: 1.4rem; text-align: center; }
#attention .begins { margin-left: 0.35rem; }
#attention button.token { cursor: pointer; }
#attention button[aria-pressed="true"] { outline: 3px solid var(--pretrain); font-weight: 700; }
#attention span.token { --weight: 0; display: grid; grid-template-rows: auto 2.2rem 1.2rem; justify-items: center; }
#attention span.token i { align-self: end; width: 1rem; height: calc(100% * var(--weight)); background: var(--pretrain);
  border-bottom: 1px solid var(--faint); box-sizing: content-box; }
#attention span.strong { border-color: var(--ink); font-weight: 700; }
#attention small { font-size: 0.75rem; font-variant-numeric: tabular-nums; }
#attention .map { max-height: none; padding: 0.3rem; }
#attention .map svg { display: block; width: auto; max-width: none; }
#attention .map text { font-size: 11px; fill: var(--ink); }
#attention .map rect { fill: var(--ink); }
#attention .map .frame { fill: transparent; stroke: none; }
#attention .picked .frame { stroke: var(--pretrain); stroke-width: 2.5; }
#attention .picked text { font-weight: 700; }
#attention [data-part="says"] { min-height: 3em; }
"""
MARKUP = """<div class="panel" id="attention">
<noscript><p>This part needs JavaScript; plots/attention.png shows one sentence.</p></noscript>
<div class="controls" data-part="controls" hidden>
<label>Sentence <select name="sentence"></select></label>
<label>Attention <select name="kind"><option value="cross">decoder to source</option>
<option value="encoder">encoder to itself</option><option value="decoder">decoder to itself</option></select></label>
<label>Layer <select name="layer"></select></label>
<label>Head <select name="head"></select></label>
</div>
<p class="quiet">Point at a token of the first row, or go there with Tab and the arrow keys. A dot before a token: it
goes on with the word before.</p>
<h3 data-part="rows-title"></h3>
<div class="tokens" data-part="rows" role="group" aria-label="the tokens that it reads or writes"></div>
<h3 data-part="columns-title"></h3>
<div class="tokens" data-part="columns"></div>
<p data-part="says" aria-live="polite"></p>
<div class="scroll map" data-part="map" aria-hidden="true"></div>
</div>"""


def attention_part(shown: list[tuple[str, Attention]]) -> str:
    """Return the part's HTML with its data; the page needs CSS and the script besides."""
    return f'{MARKUP}\n<script type="application/json" id="attention-data">{data(shown)}</script>'


def script() -> str:
    return SCRIPT.read_text(encoding="utf-8")


def data(shown: list[tuple[str, Attention]]) -> str:
    """Return as JSON that no script element ends in: tokens, and weights as bytes, as many as there is room for."""
    sentences, left = [], MOST_BYTES
    for place, (title, attention) in enumerate(shown):
        weights = with_room(attention, left / (len(shown) - place))
        left -= size_of(weights)
        layers, heads = weights["cross"].shape[:2]
        sentences.append(
            {"title": title, "layers": layers, "heads": heads, "means_of": attention.cross.shape[:2]}
            | {side: getattr(attention, side) for side in ("source", "target", "written")}
            | {kind: packed(array) for kind, array in weights.items()}
        )
    return json.dumps({"sentences": sentences}).replace("<", "\\u003c")


def with_room(attention: Attention, room: float) -> dict[str, np.ndarray]:
    """Return weights by kind: of each layer and head, or, as far as there is no room for that, their means."""
    weights = {kind: getattr(attention, kind) for kind in KINDS}
    for axis in (1, 0):  # heads, then layers
        if size_of(weights) > room:
            weights = {kind: array.mean(axis, keepdims=True) for kind, array in weights.items()}
    return weights


def size_of(weights: dict[str, np.ndarray]) -> int:
    return sum(array.size for array in weights.values())


def packed(weights: np.ndarray) -> str:
    """Return weights between 0 and 1 as a byte each."""
    return base64.b64encode(np.rint(255 * weights.clip(0, 1)).astype(np.uint8).tobytes()).decode()


def explanation(shown: list[tuple[str, Attention]]) -> str:
    """Say what is to be seen."""
    layers, heads = shown[0][1].cross.shape[:2]
    return escape(
        f"The model has {layers} layer(s) with {heads} head(s) each. A good translator's decoder looks at the source "
        "word that it is just translating, in at least one of its heads."
    )
