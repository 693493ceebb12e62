"""The app in the look of the league's pages: their colours and the system's own type, in Gradio's words."""

import gradio as gr

from league.report import look as page
from league.report.look import DARK, LIGHT

from . import live_page

# Gradio's name of a colour -> ours.
COLORS = {
    "body_background_fill": "paper",
    "background_fill_primary": "paper",
    "background_fill_secondary": "card",
    "body_text_color": "ink",
    "body_text_color_subdued": "muted",
    "block_background_fill": "card",
    "block_border_color": "rule",
    "block_label_text_color": "muted",
    "block_title_text_color": "ink",
    "block_info_text_color": "muted",
    "border_color_primary": "rule",
    "border_color_accent": "pretrain",
    "input_background_fill": "paper",
    "input_background_fill_focus": "paper",
    "input_border_color": "faint",
    "input_border_color_focus": "pretrain",
    "input_placeholder_color": "muted",
    "button_primary_background_fill": "pretrain",
    "button_primary_background_fill_hover": "pretrain",
    "button_primary_border_color": "pretrain",
    "button_primary_text_color": "paper",
    "button_secondary_background_fill": "card",
    "button_secondary_border_color": "faint",
    "button_secondary_text_color": "ink",
    "slider_color": "pretrain",
    "loader_color": "pretrain",
}
CSS = """
.gradio-container h1 { font-size: 1.5rem; font-weight: 700; margin: 0.5rem 0 0; }
.gradio-container h2 { font-size: 1.15rem; font-weight: 700; margin: 1.2rem 0 0.4rem; }
.gradio-container .nav-holder a { color: var(--ink); }
.gradio-container :is(a, button, textarea, input):focus-visible { outline: 2px solid var(--pretrain); }
.gradio-container .main { padding: 1rem; }
.framed, .framed > *, .ours, .ours > * { padding: 0 !important; }
.framed iframe { display: block; position: relative; z-index: 1; width: 100%;
  height: calc(100vh - 9rem); min-height: 30rem; border: 1px solid var(--rule); border-radius: 8px; }
.framed .wait { position: absolute; left: 0; right: 0; top: 4rem; text-align: center; }
.framed.whole iframe { height: calc(100vh - 6rem); }
.framed.low iframe { height: 44rem; }
@media (max-width: 700px) {
  .gradio-container .main { padding: 0.5rem; }
  .framed.low iframe { height: 66rem; }
}
.translation { margin: 0.8rem 0; overflow-wrap: anywhere; }
.translation .best { font-size: 1.35rem; line-height: 1.35; margin: 0.1rem 0 0.4rem; }
.refused { border-left: 4px solid var(--finetune); padding-left: 0.8rem; overflow-wrap: anywhere; }
"""


def theme() -> gr.Theme:
    """Return the theme; no font is fetched."""
    light = {name: LIGHT[color] for name, color in COLORS.items()}
    dark = {f"{name}_dark": DARK[color] for name, color in COLORS.items()}
    return gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(
        **light, **dark
    )


def head() -> str:
    """Return the styles for the head of every page; Gradio would rewrite what it is given as css."""
    light, dark = (" ".join(f"--{name}: {color};" for name, color in colors.items()) for colors in (LIGHT, DARK))
    # Gradio marks the dark theme itself: a Space follows what its visitor chose there.
    variables = f"body {{ {light} }} body.dark {{ {dark} }}"
    styles = f"{variables} .ours {{ {page.CSS} }} {live_page.CSS} {CSS}"
    return f"<style>{styles}</style>"
