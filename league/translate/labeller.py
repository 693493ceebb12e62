"""A reader that answers: the likeliest labels of a text, or of a masked language model the words behind its masks."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from league.errors import UserError
from league.hardware import best_device
from league.tasks.packed import pack
from league.tasks.predicting import batches_by_length, side_by_side
from league.tasks.task import Task, task_of
from league.translate.translator import Hypothesis, Translator, find_checkpoint, find_rules, stage_of


class Labeller:
    """A checkpoint of a readers' league, asked as a translator is: each text has answers, with their probabilities."""

    divides = attends = False
    reads_lines = True

    def __init__(self, checkpoint: Path, task: Task):
        self.checkpoint, self.task, self.rules = checkpoint, task, task.rules
        self.model, self.tokenizer = self.task.load_checkpoint(checkpoint)
        self.task.prepare(self.model)
        pack(self.model.to(best_device()).eval())
        self.num_long = 0  # texts so far that were cut

    def check(self, num_beams: int | None, n_best: int) -> None:
        """Refuse what cannot be asked of it."""
        if num_beams is not None:
            raise UserError(f"--num_beams {num_beams}: this model gives its answer at once and searches for none.")
        most = self.task.most_answers()
        if not 1 <= n_best <= most:
            raise UserError(f"--n_best {n_best}: must be between 1 and {most}.")

    @torch.inference_mode()
    def search(
        self, texts: Sequence[str], num_beams: int | None = None, n_best: int = 1, progress: tqdm | None = None
    ) -> list[list[Hypothesis]]:
        """Return the `n_best` answers to each text, the likeliest first; what is blank has empty ones."""
        self.check(num_beams, n_best)
        rows, cut = self.task.read(self.tokenizer, [text.encode(errors="replace").decode() for text in texts])
        asked = [i for i, text in enumerate(texts) if text.strip()]
        self.num_long += sum(cut[i] for i in asked)
        answers = [[Hypothesis("", 0.0)] * n_best for _ in texts]
        batches = batches_by_length([rows[i] for i in asked], self.rules.decoding["batch_size"])
        answers_of = lambda batch: self.task.answers(  # noqa: E731
            self.model, self.tokenizer, [rows[asked[i]] for i in batch], n_best
        )
        for batch, found in zip(batches, side_by_side(answers_of, batches), strict=True):
            for i, one in zip(batch, found, strict=True):
                answers[asked[i]] = [Hypothesis(*answer) for answer in one]
            if progress is not None:
                progress.update(len(batch))
        return answers

    def best(self, texts: Sequence[str], most: int) -> list[list[Hypothesis]]:
        """Return up to so many answers to each text."""
        return self.search(texts, None, min(most, self.task.most_answers()))


def open_model(where: str | Path, engine: str = "torch", compute_type: str = "float32") -> Translator | Labeller:
    """Return what answers for an entry, a folder or a name on the Hub, by what its task is."""
    checkpoint = find_checkpoint(where)
    task = task_of(find_rules(checkpoint), stage_of(checkpoint))
    if not hasattr(task, "answers"):
        return Translator(where, engine, compute_type)
    if engine != "torch":
        raise UserError(f"--engine {engine}: only translators and summarizers have one; leave it out.")
    return Labeller(checkpoint, task)
