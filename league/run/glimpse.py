"""Glimpses of a stage under way, for those who look on: one sentence, and the scores of a small sample."""

import time

import torch
from transformers import Seq2SeqTrainer

from league.data.corpora import Split
from league.run.entry import Entry
from league.run.progress import MOST_GLIMPSES, Glimpse
from league.tasks.metric import metric_of
from league.tasks.task import task_of

MOST_OF_CLOCK = 0.02  # of a stage's time, all glimpses together: promised in docs/organiser.md
NUM_ROWS = 8  # of each domain: chosen, enough to tell a collapse from luck
MARGIN, OF_A_BATCH = 1.2, 2.0  # on what a glimpse takes; a batch of the sample beside a sentence alone, at first
MOST_LETTERS = 300  # of the sentence, and of its prediction


class Glimpses:
    """Looks at the model under way, as often as its share of the time allows; the weights do not notice."""

    def __init__(self, entry: Entry, trainer: Seq2SeqTrainer, name: str, validation: dict[str, Split]):
        self.entry, self.trainer = entry, trainer
        self.task, self.metric = task_of(entry.rules, name), metric_of(entry.rules)
        self.samples = {domain: sample(self.task, split) for domain, split in validation.items()}
        inputs, _ = next(iter(self.samples.values()))
        self.sentence = shown(inputs[len(inputs) // 2])
        self.seen: list[Glimpse] = []
        self.began, self.spent, self.longest, self.steps = time.monotonic(), 0.0, 0.0, 0

    def look(self, step: int) -> None:
        """Take a glimpse where there is time for one."""
        self.steps += 1
        elapsed = time.monotonic() - self.began
        allowed = MOST_OF_CLOCK * elapsed
        if not self.longest and allowed >= elapsed / self.steps:
            self._measure()
        if not self.longest or self.spent + MARGIN * self.longest > allowed:
            return
        started = time.monotonic()
        with torch.inference_mode():
            self.seen.append(self._glimpse(step))
        self.longest = max(self.longest, time.monotonic() - started)
        self.spent += time.monotonic() - started
        if len(self.seen) >= MOST_GLIMPSES:
            del self.seen[1:-1:2]

    def _measure(self) -> None:
        # A single sentence, as soon as there is time for a training step, which takes no less: it tells of the others.
        started = time.monotonic()
        with torch.inference_mode():
            self._predict([self.sentence])
        took = time.monotonic() - started
        self.spent += took
        self.longest = OF_A_BATCH * len(self.samples) * took

    def _glimpse(self, step: int) -> Glimpse:
        scores, prediction = {}, ""
        for domain, (inputs, references) in self.samples.items():
            predictions = self._predict(inputs)
            prediction = prediction or shown(predictions[len(inputs) // 2])
            statistics = self.metric.statistics(predictions, references)
            scores[domain] = round(self.metric.value(statistics.sum(0)).item(), 2)
        return Glimpse(step, scores, prediction)

    def _predict(self, inputs: list[str]) -> list[str]:
        tokenizer = self.trainer.processing_class
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        was_training = model.training
        model.eval()
        rows = self.task.encode(tokenizer, inputs)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        predictions = self.task.predict_rows(model, tokenizer, [rows[i] for i in order])
        model.train(was_training)
        return [prediction for _, prediction in sorted(zip(order, predictions, strict=True))]


def sample(task, split: Split) -> tuple[list[str], list]:
    """Return the same few rows of a split every time."""
    inputs, references = list(task.inputs(split)), list(task.references(split))
    places = range(0, len(inputs), max(1, len(inputs) // NUM_ROWS))[:NUM_ROWS]
    return [inputs[i] for i in places], [references[i] for i in places]


def shown(text: str) -> str:
    """Return a text as one line that any screen can show."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))[:MOST_LETTERS]
