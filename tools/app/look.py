"""The app in the look of the league's pages: their colours and the system's own type, in Gradio's words."""

import gradio as gr

from league.report.look import DARK, LIGHT

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


def theme() -> gr.Theme:
    """Return the theme; no font is fetched."""
    light = {name: LIGHT[color] for name, color in COLORS.items()}
    dark = {f"{name}_dark": DARK[color] for name, color in COLORS.items()}
    return gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(
        **light, **dark
    )
