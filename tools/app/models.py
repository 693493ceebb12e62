"""The models that the app holds in memory, and what it asks them; one question at a time."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from league.errors import UserError

from .folder import Folder, stamp

if TYPE_CHECKING:  # it loads torch
    from league.translate.translator import Hypothesis

MOST_MODELS = 2
MOST_LETTERS, MOST_LINES, MOST_BEAMS = 2000, 20, 8
MOST_MAPS, MOST_TOKENS = 8, 128


@dataclass
class Translated:
    """One line, and what a beam search returns for it, best first."""

    source: str
    hypotheses: list["Hypothesis"]


@dataclass
class Answer:
    """What there is to show of a text: its lines, and as HTML a page on what the model looked at."""

    lines: list[Translated]
    attention: str


class Models:
    """Translators by where they lie, the last ones used."""

    def __init__(self, folder: Folder, allows_hub: bool):
        self.folder, self.allows_hub = folder, allows_hub
        self._held: OrderedDict = OrderedDict()
        self._lock = threading.Lock()

    def translate(self, entry: str | None, hub_id: str, text: str, num_beams: int) -> Answer:
        """Translate each line of a text, with all that the beam search ends with."""
        if len(text) > MOST_LETTERS:
            raise UserError(f"{len(text):,} letters: at most {MOST_LETTERS:,} at a time.")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines:
            raise UserError("there is nothing to translate: write a German sentence.")
        if len(lines) > MOST_LINES:
            raise UserError(f"{len(lines)} lines: at most {MOST_LINES} at a time.")
        num_beams = min(max(1, int(num_beams)), MOST_BEAMS)
        with self._lock:
            translator = self._translator(entry, hub_id)
            results = translator.search(lines, num_beams=num_beams, n_best=num_beams)
            translated = [Translated(*pair) for pair in zip(lines, results, strict=True)]
            return Answer(translated, attention_page(translator, translated))

    def _translator(self, entry: str | None, hub_id: str):
        from league.hub.transfer import fetch
        from league.translate.translator import Translator

        if hub_id := hub_id.strip():
            if not self.allows_hub:
                raise UserError("this app was started with --no_hub: choose an entry.")
            # Not given to the Translator as it is: it would take it for a path, where there is one.
            where = fetch(hub_id)
            key = (where,)
        elif entry:
            where = self.folder.entry(entry)
            # Another model under the same name is another model.
            key = (where, *(stamp(where / stage / "model.safetensors") for stage in ("finetune", "pretrain")))
        else:
            raise UserError("choose an entry first.")
        if key not in self._held:
            while len(self._held) >= MOST_MODELS:
                self._held.popitem(last=False)
            self._held[key] = Translator(where)
        self._held.move_to_end(key)
        return self._held[key]


def attention_page(translator, translated: list[Translated]) -> str:
    """Return a page on what the model looked at: for all translations of a single line, or the best of each."""
    from league.report.attention import data
    from league.report.look import render
    from league.tasks.attention import attend

    whole = len(translated) == 1
    most = None if whole else 1
    pairs = [(one.source, hypothesis.text) for one in translated for hypothesis in one.hypotheses[:most]]
    shown = [
        (target or "(nothing)", attend(translator.model, translator.tokenizer, source, target).cropped(MOST_TOKENS))
        for source, target in pairs[:MOST_MAPS]
    ]
    return render("tools/app/templates/attention.html", title="Attention", attention=data(shown))
