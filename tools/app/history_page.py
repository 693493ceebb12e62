"""The app's page of what it answered: to be searched, rated, deleted and taken along as training data."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from league.errors import UserError
from league.report.look import render
from league.report.texts import say

from .api import PRIVATE
from .history import RATINGS, History


def history_page(history: History) -> None:
    words = gr.Textbox(label=str(say("g.words")), max_length=200)
    with gr.Row():
        number = gr.Number(label=str(say("g.number")), precision=0, min_width=160)
        rating = gr.Radio(list(RATINGS), label=str(say("g.rating")), min_width=240)
        rate = gr.Button(str(say("g.rate")), min_width=160)
        delete = gr.Button(str(say("g.delete")), min_width=160)
    shown = gr.HTML(elem_classes="ours", apply_default_css=False)

    def show(words: str, change: Callable[[], Any] = lambda: None) -> str:
        try:
            change()
            return render("tools/app/templates/history.html", rows=history.search(words), words=words, refused=None)
        except UserError as error:
            return render("tools/app/templates/history.html", rows=[], words=words, refused=str(error))

    asked = [words, number, rating]
    gr.on([words.change, words.submit], show, words, shown, queue=False, **PRIVATE)
    rate.click(lambda words, number, rating: show(words, lambda: history.rate(number, rating)), asked, shown, **PRIVATE)
    delete.click(lambda words, number, _: show(words, lambda: history.delete(number)), asked, shown, **PRIVATE)
    gr.on(None, show, words, shown, queue=False, **PRIVATE)
