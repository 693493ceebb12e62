"""The mark that a reader has to beat: how often words, or runs of letters, occur, and logistic regression on that.

    python -m benchmarks.words --league tweets --data_dir DIR
    python -m benchmarks.words --league tweets --data_dir DIR --beside runs/tuned

What is counted, and how freely it is learned from, is chosen on the validation split; the choice labels the test set.
--beside holds an entry's labels against these, row by row, by the paired test of tools.compare.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.values import DataDirOptions
from league_config import LEAGUES

READERS = [name for name, league in LEAGUES.items() if league.task == "classify"]
FREEDOMS = (1.0, 3.0, 10.0, 30.0)  # of the weights: what the loss counts beside their squares
FEWEST = 2  # texts that something must occur in to be counted
MOST_STEPS = 300  # of a solver that needs some fifty


@dataclass
class WordsOptions(DataDirOptions):
    league: str = field(default="demo-readers", metadata={"help": "a readers' league", "choices": READERS})
    beside: str | None = field(default=None, metadata={"help": "folder of a scored entry of this league"})


def main(argv: list[str] | None = None) -> None:
    (options,) = parse_options(__doc__, WordsOptions, argv=argv)

    from league.proof.checks import read_predictions, read_scored_entry
    from league.tasks.metric import metric_of
    from league.tasks.resampling import p_value
    from league.tasks.scoring import score
    from league.tasks.task import task_of

    rules = LEAGUES[options.league]
    task, metric, beside = task_of(rules), metric_of(rules), None
    if options.beside:
        _, played = read_scored_entry(Path(options.beside))
        if played.name != rules.name:
            raise UserError(f"--beside {options.beside}: it plays the {played.name} league: say --league.")
        beside = read_predictions(Path(options.beside), played)
    corpus = rules.finetune.corpus
    splits = {name: task.load_split(corpus, name, options.data_dir) for name in ("train", "validation", "test")}
    texts = {name: [str(text) for text in task.inputs(split)] for name, split in splits.items()}
    labels = {name: [str(label) for label in task.references(split)] for name, split in splits.items()}

    models = []
    for name, parts_of in COUNTED.items():
        bag = Bag(parts_of, texts["train"])
        rows = bag.rows(texts["train"])
        for freedom in FREEDOMS:
            model = Model(bag, rows, labels["train"], freedom)
            found = metric.statistics(model.label(texts["validation"]), labels["validation"])
            models.append((metric.value(found.sum(0)).item(), f"{name}, freedom {freedom:g}", model))
            print(f"{models[-1][1]:<22} {models[-1][0]:.2f} on validation", flush=True)
    _, name, best = max(models, key=lambda one: one[0])
    predicted = best.label(texts["test"])
    result = score(rules, predicted, labels["test"])
    low, high = result["interval"]
    print(f"test: {name}: {metric.LABEL} {result['value']:.2f} (95 % interval {low:.2f} to {high:.2f})")
    if beside:
        both = [metric.statistics(one, labels["test"]) for one in (predicted, beside)]
        value, chance = metric.value(both[1].sum(0)).item(), p_value(metric, *both)
        often = f"one time in {1 / chance:.0f}" if chance < 0.5 else "more often than not"
        print(f"{options.beside}: {value:.2f}; by chance {often}, were they equally good")


def words_of(text: str) -> list[str]:
    """Return the words of a text, and those that stand side by side."""
    words = re.findall(r"\w+", text.lower())
    return words + [" ".join(pair) for pair in pairwise(words)]


def letters_of(text: str) -> list[str]:
    """Return the runs of one to four letters of a text, which hold its stems and endings."""
    line = f" {' '.join(text.lower().split())} "
    return [line[i : i + length] for length in range(1, 5) for i in range(len(line) - length + 1)]


COUNTED = {"words": words_of, "letters": letters_of}


class Bag:
    """What occurs in the texts to learn from, and how much it says: the fewer texts have it, the more (TF-IDF)."""

    def __init__(self, parts_of: Callable[[str], list[str]], texts: Sequence[str]):
        self.parts_of = parts_of
        found = Counter(part for text in texts for part in set(parts_of(text)))
        kept = sorted(part for part, number in found.items() if number >= FEWEST)
        self.places = {part: place for place, part in enumerate(kept)}
        self.weights = [math.log((1 + len(texts)) / (1 + found[part])) + 1 for part in kept]

    def rows(self, texts: Sequence[str]):
        """Return a row of numbers of length 1 for each text, nearly all of them 0."""
        import torch

        places, values = [], []
        for row, text in enumerate(texts):
            counts = Counter(self.places[part] for part in self.parts_of(text) if part in self.places)
            numbers = {place: (1 + math.log(count)) * self.weights[place] for place, count in counts.items()}
            length = math.hypot(*numbers.values()) or 1.0
            places += [(row, place) for place in numbers]
            values += [number / length for number in numbers.values()]
        indices, shape = torch.tensor(places, dtype=torch.long).reshape(-1, 2).T, (len(texts), len(self.places))
        return torch.sparse_coo_tensor(indices, torch.tensor(values), shape, check_invariants=True).coalesce()


class Model:
    """Logistic regression."""

    def __init__(self, bag: Bag, rows, labels: Sequence[str], freedom: float):
        import torch
        from torch.nn import functional as F

        self.bag, self.names = bag, sorted(set(labels))
        wanted = torch.tensor([self.names.index(label) for label in labels])
        self.weights = torch.zeros(rows.shape[1], len(self.names), requires_grad=True)
        self.bias = torch.zeros(len(self.names), requires_grad=True)
        solver = torch.optim.LBFGS([self.weights, self.bias], max_iter=MOST_STEPS, line_search_fn="strong_wolfe")

        def loss():
            solver.zero_grad()
            fit = F.cross_entropy(torch.sparse.mm(rows, self.weights) + self.bias, wanted, reduction="sum")
            total = freedom * fit + 0.5 * self.weights.square().sum()
            total.backward()
            return total

        solver.step(loss)

    def label(self, texts: Sequence[str]) -> list[str]:
        import torch

        with torch.inference_mode():
            scores = torch.sparse.mm(self.bag.rows(texts), self.weights) + self.bias
        return [self.names[i] for i in scores.argmax(1).tolist()]


if __name__ == "__main__":
    run_command(main)
