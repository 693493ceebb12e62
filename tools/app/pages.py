"""The app's pages: board, translator, report, live."""

import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

import gradio as gr

from league.errors import UserError
from league.report.facts import EXAMPLES
from league.report.look import render
from league.report.texts import Text, say

from . import live
from .api import PRIVATE, endpoints
from .folder import Folder
from .history import History
from .history_page import history_page
from .live_page import live_page
from .models import MOST_BEAMS, MOST_LETTERS_OF_DOCUMENT, NO_OTHER, Answer, Models, choices, other_of

TRANSLATIONS = "tools/app/templates/translations.html"
# Seconds between two looks at what is running. With what a stage waits before it writes (league.run.progress), and a
# look that several share, a step is on the page within 2.5 seconds and the time that a page takes to be drawn.
EVERY = 1.0
WAITING = 16  # translations that may wait for their turn


def pages(folder: Folder, models: Models, history: History | None = None) -> gr.Blocks:
    """Return the whole app; answers are kept where there is a history."""

    def ask(*asked) -> Answer:
        answer = models.beside(*asked)
        if history:
            try:
                history.keep(answer.lines, answer.num_beams)
            except UserError as error:  # a full disk takes no answer from anybody
                print(f"error: {error}", file=sys.stderr)
                gr.Warning(str(say("app.not_kept")))
        return answer

    with gr.Blocks(title="League", analytics_enabled=False, fill_width=True) as app:
        head("board", is_seen=False)
        gr.HTML(frame(say("link.board"), src="board/index.html"), elem_classes="framed whole")
        endpoints(folder, ask)
    with app.route("Translate", "translate"):
        head("translate")
        translate_page(folder, models, ask)
    with app.route("Report", "report"):
        head("report")
        report_page(folder)
    with app.route("Live", "live"):
        head("live")
        live_tab(folder)
    if history:
        with app.route("History", "history"):
            head("history")
            history_page(history)
    app.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)
    return app


def head(name: str, is_seen: bool = True) -> None:
    """Put the way to the other pages and the page's title."""
    gr.Navbar(main_page_name="Board")
    gr.HTML(render("tools/app/templates/title.html", name=name, is_seen=is_seen), elem_classes="title")


def frame(title: Text, **content: str) -> str:
    """Return a page of ours, `src` or `srcdoc`, in a frame that can neither reach this one nor send anything away."""
    ((attribute, value),) = content.items()
    return render("tools/app/templates/frame.html", title=title, attribute=attribute, content=value)


def ours() -> gr.HTML:
    return gr.HTML(elem_classes="ours", apply_default_css=False)


def chooser(names: list, label: str) -> gr.Dropdown:
    return gr.Dropdown(names, label=label, min_width=240, elem_classes="chooser")


def chosen(folder: Folder, request: gr.Request) -> tuple[list[str], str | None]:
    """Return the names as they are now, and the one to show: what the address asks for (?entry=mine), or the first."""
    names, asked = folder.names(), request.query_params.get("entry")
    return names, asked if asked in names else next(iter(names), None)


# Translator


def translate_page(folder: Folder, models: Models, ask: Callable[..., Answer]) -> None:
    with gr.Row():
        entry = chooser(choices(folder), str(say("g.entry")))
        other = chooser([NO_OTHER, *choices(folder)], str(say("g.beside")))
        hub_id = gr.Textbox(
            value="",  # what is not seen would send nothing at all
            label=str(say("g.hub")),
            placeholder="name/model",
            max_length=100,
            min_width=240,
            visible=models.allows_hub,
        )
        num_beams = gr.Slider(1, MOST_BEAMS, value=4, step=1, label=str(say("g.beams")), min_width=240)
    text = gr.Textbox(
        EXAMPLES["de"][0], label=str(say("g.text")), lines=3, max_lines=8, max_length=MOST_LETTERS_OF_DOCUMENT
    )
    with gr.Row():
        button = gr.Button(str(say("g.translate")), variant="primary")
        examples = [gr.Button(example, size="sm", min_width=160) for example in EXAMPLES["de"]]
    results = ours()
    attention = gr.HTML(elem_classes="framed low")

    def show(ask: Callable[..., Answer], *asked):
        from league.translate.copying import pieces

        try:
            answer = ask(*asked)
        except UserError as error:
            return render(TRANSLATIONS, refused=folder.public(error), lines=[]), ""
        shown = render(TRANSLATIONS, refused=None, lines=answer.lines, pieces=pieces)
        return shown, answer.attention and frame(say("attention.title"), srcdoc=answer.attention)

    def load(request: gr.Request):
        names, (_, name) = choices(folder), chosen(folder, request)
        return gr.Dropdown(names, value=name), gr.Dropdown([NO_OTHER, *names], value=other_of(name, names))

    translate = partial(show, ask)
    inputs, outputs = [entry, other, hub_id, text, num_beams], [results, attention]
    gr.on([button.click, text.submit], translate, inputs, outputs, **PRIVATE)
    for one, example in zip(examples, EXAMPLES["de"], strict=True):
        one.click(lambda example=example: example, None, text, queue=False, **PRIVATE).then(
            translate, inputs, outputs, **PRIVATE
        )
    # With a first result as soon as it opens, where there is an entry: of many who open it at once none is turned away.
    gr.on(None, load, None, [entry, other], queue=False, **PRIVATE).then(
        lambda *asked: show(models.beside, *asked) if asked[0] else ("", ""), inputs, outputs, queue=False, **PRIVATE
    )


# Report


def report_page(folder: Folder) -> None:
    entry = chooser(folder.names(), str(say("g.entry")))
    shown = gr.HTML(elem_classes="framed")

    def load(request: gr.Request):
        names, name = chosen(folder, request)
        return gr.Dropdown(names, value=name), report_frame(name)

    entry.input(report_frame, entry, shown, queue=False, **PRIVATE)
    gr.on(None, load, None, [entry, shown], queue=False, **PRIVATE)


def report_frame(name: str | None) -> str:
    if not name:
        return render("tools/app/templates/none.html")
    return frame(say("link.report"), src=f"reports/{quote(name, safe='')}")


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
                clocks = live.games(self.folder)
                self._page = live_page(live.look(self.folder, clocks), clocks)
                self._until = time.monotonic() + EVERY / 2
            return self._page
