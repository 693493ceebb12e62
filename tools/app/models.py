"""The models that the app holds in memory, and what it asks them; one question at a time."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from league.errors import UserError

from .folder import Folder, stamp

if TYPE_CHECKING:  # it loads torch
    from league.translate.translator import Hypothesis

MOST_MODELS, MOST_ANSWERS = 2, 16
MOST_LETTERS, MOST_LINES, MOST_BEAMS = 2000, 20, 8
MOST_LETTERS_OF_DOCUMENT = 20_000  # which is summarized
MOST_MAPS, MOST_TOKENS = 8, 128
MOST_BYTES = 700_000_000  # that are fetched from the Hub for whoever asks: BART's base model has 560


STAGE_A = " · stage A"  # behind an entry's name: its model before the fine-tune
NO_OTHER = "nothing"  # beside it


@dataclass
class Side:
    """What a model makes of a line: all that its beam search returns, best first."""

    name: str
    hypotheses: list["Hypothesis"]
    columns: tuple[str, str]  # of its league: what is read, and what is predicted


@dataclass
class Translated:
    """One line, and what each of the models that stand side by side makes of it."""

    source: str
    sides: list[Side]
    is_document: bool = False  # which is summarized: what was copied is marked

    @property
    def hypotheses(self) -> list["Hypothesis"]:
        return self.sides[0].hypotheses


@dataclass
class Answer:
    """What there is to show of a text: its lines, and as HTML a page on what the model looked at."""

    lines: list[Translated]
    attention: str
    num_beams: int  # that were searched with


class Models:
    """Translators by where they lie, the last ones used."""

    def __init__(self, folder: Folder, allows_hub: bool):
        self.folder, self.allows_hub = folder, allows_hub
        self._held: OrderedDict = OrderedDict()
        self._answers: OrderedDict[tuple, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def beside(self, entry: str | None, other: str | None, hub_id: str, text: str, num_beams: int) -> Answer:
        """Translate each line of a text with a model, and where there is another one, with that beside it."""
        _check_length(text, MOST_LETTERS_OF_DOCUMENT)
        num_beams = min(max(1, int(num_beams)), MOST_BEAMS)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines:
            raise UserError("there is nothing to translate: write a sentence.")
        hub_id = (hub_id or "").strip()
        fetched = self._fetch(hub_id) if hub_id else None  # while the others go on
        with self._lock:
            key = self._opened(entry, fetched)
            keys, main = {hub_id or entry: key}, self._held[key]
            if main.reads_lines:
                _check_length(text, MOST_LETTERS)
                if len(lines) > MOST_LINES:
                    raise UserError(f"{len(lines)} lines: at most {MOST_LINES} at a time.")
            else:
                lines = ["\n".join(lines)]  # one text
            chosen = None if hub_id else entry  # of the first list, where it is asked
            if other not in (None, NO_OTHER, chosen):
                keys[other] = self._opened(other, None)
            # A class that opens the page at once asks for one and the same first result.
            asked = (*keys.items(), *lines, num_beams)
            if asked in self._answers:
                return self._answers[asked]
            translated = [Translated(line, [], not main.reads_lines) for line in lines]
            for name, key in keys.items():
                translator = self._held[key]
                columns = translator.rules.source, translator.rules.target
                for one, hypotheses in zip(translated, translator.best(lines, num_beams), strict=True):
                    one.sides.append(Side(name, hypotheses, columns))
            answer = self._answers[asked] = Answer(translated, attention_page(main, translated), num_beams)
            while len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)
            return answer

    def _fetch(self, hub_id: str) -> Path:
        """Fetch a model of the Hub as anybody may: not with the login of whoever serves the app."""
        from league.hub.transfer import fetch

        if not self.allows_hub:
            raise UserError("this app was started with --no_hub: choose an entry.")
        # Not opened as it is: it would take it for a path, where there is one.
        return fetch(hub_id, most_bytes=MOST_BYTES, anonymous=True)

    def _opened(self, entry: str | None, fetched: Path | None) -> tuple:
        """Hold a model in memory; return the key that it is held by."""
        from league.translate.labeller import open_model

        if fetched:
            where, key = fetched, (fetched,)
        elif entry:
            is_stage_a = isinstance(entry, str) and entry.endswith(STAGE_A)
            where = self.folder.entry(entry.removesuffix(STAGE_A) if is_stage_a else entry)
            # Another model under the same name is another model.
            stages = ("finetune", "pretrain")
            key = (where, is_stage_a, *(stamp(where / stage / "model.safetensors") for stage in stages))
            where = where / "pretrain" if is_stage_a else where
        else:
            raise UserError("choose an entry first.")
        if key not in self._held:
            try:
                model = open_model(where)
            except UserError as error:
                if not fetched:
                    raise
                raise UserError(str(error).replace(str(where), "it")) from None  # nobody learns where it lies
            while len(self._held) >= MOST_MODELS:
                self._held.popitem(last=False)
            self._held[key] = model
        self._held.move_to_end(key)
        return key


def _check_length(text: str, most: int) -> None:
    if len(text) > most:
        raise UserError(f"{len(text):,} letters: at most {most:,} at a time.")


def choices(folder: Folder) -> list[str]:
    """Return the models of a folder: each entry's last one, and its stage A where that is another."""
    names = []
    for name in folder.names():
        names.append(name)
        if all((folder.path / name / stage / "model.safetensors").is_file() for stage in ("pretrain", "finetune")):
            names.append(name + STAGE_A)
    return names


def other_of(name: str | None, names: list[str]) -> str:
    """Return what stands beside a model at first: the same entry before its fine-tune."""
    return f"{name}{STAGE_A}" if f"{name}{STAGE_A}" in names else NO_OTHER


def attention_page(translator, translated: list[Translated]) -> str:
    """Return a page on what the model looked at: for all translations of a single line, or the best of each.

    A reader has no such page: its report says which words decided.
    """
    if not translator.attends:
        return ""

    from league.report.attention import data
    from league.report.look import render
    from league.report.texts import say
    from league.tasks.attention import attend

    whole = len(translated) == 1
    most = None if whole else 1
    pairs = [(one.source, hypothesis.text) for one in translated for hypothesis in one.hypotheses[:most]]
    shown = [
        (target or "(nothing)", attend(translator.model, translator.tokenizer, source, target).cropped(MOST_TOKENS))
        for source, target in pairs[:MOST_MAPS]
    ]
    return render("tools/app/templates/attention.html", title=say("attention.title"), attention=data(shown))
