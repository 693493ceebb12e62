"""Which words of a summary come from its text."""

import unicodedata

from league.tasks.rouge import WORD, words_of


def copied(text: str, source: str) -> list[tuple[int, int]]:
    """Return the stretches of a text, as places of letters, all of whose words stand in the source, too."""
    known, spans, goes_on = set(words_of(source)), [], False
    for word in WORD.finditer(text):
        is_copied = unicodedata.normalize("NFC", word[0].lower()) in known
        if is_copied and goes_on:
            spans[-1] = spans[-1][0], word.end()
        elif is_copied:
            spans.append(word.span())
        goes_on = is_copied
    return spans


def pieces(text: str, source: str) -> list[tuple[str, bool]]:
    """Return a text in pieces, each with whether it was copied."""
    found, end = [], 0
    for start, stop in copied(text, source):
        found += [(text[end:start], False), (text[start:stop], True)]
        end = stop
    return [one for one in [*found, (text[end:], False)] if one[0]]


def bracketed(text: str, source: str) -> str:
    """Return a text with what was copied in square brackets."""
    return "".join(f"[{piece}]" if is_copied else piece for piece, is_copied in pieces(text, source))
