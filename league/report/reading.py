"""What a reader's report shows: mistakes with the words that decided, guesses behind masks, what pre-training gave."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from league.data.batches import pad
from league.errors import UserError
from league.record.folder import read_entry
from league.record.shape import Record
from league.report.sentences import Sentences
from league.rulebook import League
from league.tasks.attention import PART, pieces
from league.tasks.predicting import batches_by_length, side_by_side
from league.tasks.task import Task, task_of

SCRATCH = "-scratch"  # ends the name of the entry with the same fine-tune and no pre-training
MOST_MISTAKES, MOST_GUESSES, NUM_WINDOWS = 8, 6, 3
NUM_OFFERED = 3  # tokens behind a mask
SHORTEST = 2  # letters of a word to hide

Word = tuple[str, bool]  # and whether it decided


@dataclass(frozen=True)
class Mistake:
    """A test sentence that has the wrong label, with its words."""

    line: int
    words: list[Word]
    found: str
    wanted: str
    share: float  # how sure the model was, out of 100


@dataclass(frozen=True)
class Guess:
    """A sentence with a word hidden, and what the masked language model offers for it."""

    before: str
    after: str
    hidden: str
    offered: list[tuple[str, float]]


@dataclass(frozen=True)
class Reading:
    mistakes: list[Mistake]
    guesses: list[Guess]
    from_scratch: float | None  # the score of the same fine-tune without pre-training


def read(folder: Path, record: Record, rules: League, sentences: Sentences, loaded: tuple) -> Reading:
    """Look at a scored entry's mistakes, at its stage A, and at the entry from scratch beside it."""
    task = task_of(rules)
    return Reading(
        mistakes=find_mistakes(task, sentences, *loaded),
        guesses=find_guesses(folder, rules, sentences.sources),
        from_scratch=find_scratch(folder, record),
    )


def find_mistakes(task: Task, sentences: Sentences, model, tokenizer) -> list[Mistake]:
    """Return the mistakes of which the model was surest."""
    wrong = [i for i, one in enumerate(sentences.hypotheses) if one != sentences.references[i]]
    rows = task.encode(tokenizer, [sentences.sources[i] for i in wrong])
    model.eval()

    def sure(batch: list[int]) -> list[float]:
        return task.logits(model, [rows[i] for i in batch]).softmax(1).amax(1).tolist()

    # By this process alone: the others wait for nobody who draws a report.
    batches = batches_by_length(rows, task.rules.decoding["batch_size"])
    found = zip(batches, side_by_side(sure, batches), strict=True)
    shares = {i: share for batch, several in found for i, share in zip(batch, several, strict=True)}
    surest = sorted(range(len(wrong)), key=lambda i: (-shares[i], i))[:MOST_MISTAKES]
    return [
        Mistake(
            line=wrong[i] + 1,
            words=deciding_words(model, tokenizer, rows[i]),
            found=task.labels.get(sentences.hypotheses[wrong[i]], sentences.hypotheses[wrong[i]]),
            wanted=task.labels[sentences.references[wrong[i]]],
            share=100 * shares[i],
        )
        for i in surest
    ]


@torch.inference_mode()
def deciding_words(model, tokenizer, row: Sequence[int]) -> list[Word]:
    """Return a sentence's words, and which of them won the filters that spoke most for its label."""
    ids = torch.tensor([row], device=model.device)
    _, answers = model.read(ids)
    strongest = torch.cat([answer.amax(2) for answer in answers], dim=1).relu()[0]
    label = model.classifier(strongest).argmax()
    gains = (model.classifier.weight[label] * strongest).tolist()
    windows: dict[tuple[int, int], float] = {}
    places = [(int(first), width) for width, answer in zip(model.config.kernel_sizes, answers, strict=True)
              for first in answer[0].argmax(1)]  # fmt: skip
    for window, gain in zip(places, gains, strict=True):
        windows[window] = windows.get(window, 0.0) + gain
    best = sorted(windows, key=lambda window: -windows[window])[:NUM_WINDOWS]
    deciding = {i for first, width in best if windows[first, width] > 0 for i in range(first, first + width)}
    words: list[Word] = []
    for i, piece in enumerate(pieces(tokenizer, list(row[:-1]))):
        if piece.startswith(PART) and words:
            text, was_deciding = words.pop()
            words.append((text + piece.removeprefix(PART), was_deciding or i in deciding))
        else:
            words.append((piece, i in deciding))
    return words


def find_guesses(folder: Path, rules: League, texts: Sequence[str]) -> list[Guess]:
    """Return what stage A offers for a word in the middle of some sentences; nothing where it cannot be read."""
    task = task_of(rules, "pretrain")
    try:
        model, tokenizer = task.load_checkpoint(folder / "pretrain")
    except UserError:
        return []
    task.prepare(model)
    model.eval()
    lengths = np.array([len(text.split()) for text in texts])
    longest = np.quantile(lengths, 0.75)
    ordinary = [text for text, length in zip(texts, lengths, strict=True) if 5 <= length <= longest]
    chosen = ordinary[:: max(1, len(ordinary) // MOST_GUESSES)][:MOST_GUESSES]
    return [offered(task, model, tokenizer, text) for text in chosen]


@torch.inference_mode()
def offered(task: Task, model, tokenizer, text: str) -> Guess:
    """Hide a word in the middle of a sentence and return what is offered for it."""
    row = task.encode(tokenizer, [text])[0]
    place, mask = middle_word([tokenizer.decode([i]) for i in row[:-1]]), model.config.mask_token_id
    ids = pad([[*row[:place], mask, *row[place + 1 :]]], model.config.pad_token_id).to(model.device)
    shares, tokens = model(ids).logits[0, place].float().softmax(0).topk(NUM_OFFERED)
    before, after, hidden = (
        tokenizer.decode(part) for part in (row[:place], row[place + 1 : -1], row[place : place + 1])
    )
    words = [tokenizer.decode([token]).strip() for token in tokens.tolist()]
    return Guess(
        before, after, hidden.strip(), [(word, 100 * share) for word, share in zip(words, shares.tolist(), strict=True)]
    )


def middle_word(pieces: Sequence[str]) -> int:
    """Return the place of the token nearest to the middle that is a whole word; of any token where none is."""
    whole = [
        i
        for i, (piece, following) in enumerate(zip(pieces, [*pieces[1:], " "], strict=True))
        if piece.startswith(" ") and piece.strip().isalpha() and len(piece) > SHORTEST and not following[:1].isalpha()
    ]
    return min(whole or range(len(pieces)), key=lambda i: abs(i - len(pieces) / 2))


def find_scratch(folder: Path, record: Record) -> float | None:
    """Return the score of the entry from scratch beside this one, if it was played with the same values and seed."""
    try:
        other = read_entry(folder.with_name(folder.name + SCRATCH))
    except UserError:
        return None
    is_same = (other.tuned, other.asked.get("seed")) == (record.tuned, record.asked.get("seed"))
    is_same &= other.data_digests() == record.data_digests()
    return other.score.value if is_same and other.score else None
