"""The app's pages: board, translator, report, live."""

import threading
import time
from urllib.parse import quote

import gradio as gr

from league.errors import UserError
from league.report.look import render

from . import live
from .folder import Folder
from .live_page import live_page
from .models import MOST_BEAMS, MOST_LETTERS, Models

TRANSLATIONS = "tools/app/templates/translations.html"
EVERY = 3.0  # seconds between two looks at what is running
EXAMPLE = "Ein Hund läuft durch den Schnee."
PRIVATE = {"api_visibility": "private"}
WAITING = 16  # translations that may wait for their turn


def pages(folder: Folder, models: Models) -> gr.Blocks:
    """Return the whole app."""
    with gr.Blocks(title="League", analytics_enabled=False, fill_width=True) as app:
        navbar()
        gr.HTML(frame("Board", src="board/index.html"), elem_classes="framed whole")
    with app.route("Translate", "translate"):
        navbar()
        translate_page(folder, models)
    with app.route("Report", "report"):
        navbar()
        report_page(folder)
    with app.route("Live", "live"):
        navbar()
        live_tab(folder)
    app.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)
    return app


def navbar() -> None:
    gr.Navbar(main_page_name="Board")


def frame(title: str, **content: str) -> str:
    """Return a page of ours, `src` or `srcdoc`, in a frame that can neither reach this one nor send anything away."""
    ((attribute, value),) = content.items()
    return render("tools/app/templates/frame.html", title=title, attribute=attribute, content=value)


def ours() -> gr.HTML:
    return gr.HTML(elem_classes="ours", apply_default_css=False)


def entry_chooser(folder: Folder) -> gr.Dropdown:
    return gr.Dropdown(folder.names(), label="Entry", min_width=260)


def chosen(folder: Folder, request: gr.Request) -> tuple[list[str], str | None]:
    """Return the names as they are now, and the one to show: what the address asks for (?entry=mine), or the first."""
    names, asked = folder.names(), request.query_params.get("entry")
    return names, asked if asked in names else next(iter(names), None)


# Translator


def translate_page(folder: Folder, models: Models) -> None:
    with gr.Row():
        entry = entry_chooser(folder)
        hub_id = gr.Textbox(
            label="or a model on the Hub",
            placeholder="name/model",
            max_length=100,
            min_width=260,
            visible=models.allows_hub,
        )
        num_beams = gr.Slider(1, MOST_BEAMS, value=4, step=1, label="Beams", min_width=260)
    text = gr.Textbox(
        EXAMPLE,
        label="German, a sentence a line (Shift+Enter translates)",
        lines=3,
        max_lines=8,
        max_length=MOST_LETTERS,
    )
    button = gr.Button("Translate", variant="primary")
    results = ours()
    attention = gr.HTML(elem_classes="framed low")

    def translate(entry, hub_id, text, num_beams):
        try:
            answer = models.translate(entry, hub_id, text, num_beams)
        except UserError as error:
            return render(TRANSLATIONS, refused=folder.public(error), lines=[]), ""
        return render(TRANSLATIONS, refused=None, lines=answer.lines), frame("Attention", srcdoc=answer.attention)

    def load(request: gr.Request):
        names, name = chosen(folder, request)
        return gr.Dropdown(names, value=name)

    gr.on([button.click, text.submit], translate, [entry, hub_id, text, num_beams], [results, attention], **PRIVATE)
    gr.on(None, load, None, entry, queue=False, **PRIVATE)


# Report


def report_page(folder: Folder) -> None:
    entry = entry_chooser(folder)
    shown = gr.HTML(elem_classes="framed")

    def load(request: gr.Request):
        names, name = chosen(folder, request)
        return gr.Dropdown(names, value=name), report_frame(name)

    entry.input(report_frame, entry, shown, queue=False, **PRIVATE)
    gr.on(None, load, None, [entry, shown], queue=False, **PRIVATE)


def report_frame(name: str | None) -> str:
    if not name:
        return "<p>There is no entry in this folder yet.</p>"
    return frame("Report", src=f"reports/{quote(name, safe='')}")


# Live


def live_tab(folder: Folder) -> None:
    now = Now(folder)
    shown = ours()
    gr.Timer(EVERY).tick(now.page, None, shown, show_progress="hidden", queue=False, **PRIVATE)
    gr.on(None, now.page, None, shown, show_progress="hidden", queue=False, **PRIVATE)


class Now:
    """What is running, looked up once for everybody who watches at the same time."""

    def __init__(self, folder: Folder):
        self.folder = folder
        self._page, self._until = "", 0.0
        self._lock = threading.Lock()

    def page(self) -> str:
        with self._lock:
            if time.monotonic() >= self._until:
                self._page = live_page(live.look(self.folder))
                self._until = time.monotonic() + EVERY / 2
            return self._page
