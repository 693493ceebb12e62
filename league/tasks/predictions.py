"""The file of an entry that is scored: its name, a line for each row of the test set, and how a line holds a text."""

import json
from collections.abc import Sequence

from league.tasks.task import task_of
from league_config import LEAGUES


def predictions_files() -> set[str]:
    """Return the names of the files that the leagues' predictions are written to."""
    return {task_of(league).predictions_file for league in LEAGUES.values()}


def content_of(file: str, predictions: Sequence[str]) -> str:
    """Return what a file holds: a prediction a line, as JSON where the file's name says that it may have lines."""
    lines = (json.dumps(one, ensure_ascii=False) for one in predictions) if file.endswith(".jsonl") else predictions
    return "".join(f"{line}\n" for line in lines)


def predictions_of(file: str, content: bytes) -> list[str]:
    """Return the predictions that a file holds, whoever wrote it; a ValueError says what is wrong with it."""
    try:
        lines = content.decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not valid UTF-8 ({error.reason} at byte {error.start})") from None
    return [_text_of(line, number) for number, line in enumerate(lines, 1)] if file.endswith(".jsonl") else lines


def _text_of(line: str, number: int) -> str:
    try:
        text = json.loads(line)
        text.encode()  # halves of surrogate pairs are in no text that can be written
    except (ValueError, RecursionError, AttributeError):
        text = None
    if not isinstance(text, str):
        raise ValueError(f"has no JSON text in line {number}")
    return text
