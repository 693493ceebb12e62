"""What the app answers to programs: `gradio_client.Client(ADDRESS).predict(..., api_name="/predict")`."""

from collections.abc import Callable

import gradio as gr

from league.errors import UserError

from .folder import Folder
from .models import NO_OTHER, Answer, choices

PRIVATE = {"api_visibility": "private"}  # what the pages' own buttons do


def endpoints(folder: Folder, ask: Callable[..., Answer]) -> None:
    """Open two named doors: which models there are, and what one of them makes of a text."""

    def models() -> list[str]:
        """Return the names of the models."""
        return choices(folder)

    def predict(model: str, text: str, num_beams: int = 4) -> list[dict]:
        """Return for each line, or for a text that is summarized whole, all that the search finds, best first."""
        try:
            answer = ask(model, NO_OTHER, "", text, num_beams)
        except UserError as error:
            raise gr.Error(folder.public(error), print_exception=False) from None
        return [
            {"text": line.source, "predictions": [{"text": one.text, "score": one.score} for one in line.hypotheses]}
            for line in answer.lines
        ]

    gr.api(models, api_name="models", queue=False)
    gr.api(predict, api_name="predict")
