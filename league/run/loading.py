"""The splits of a league, each loaded once, and their tokens."""

from collections.abc import Iterator
from dataclasses import replace

from league.data.corpora import Split
from league.data.tokens import Tokens
from league.record.folder import RUNS
from league.rulebook import Corpus, League
from league.tasks.task import Task, task_of


class Splits:
    """The splits of a league's data; trials share them, whose rules differ in steps and in parts of a corpus."""

    def __init__(self, rules: League, data_dir: str | None):
        self.rules, self.data_dir = rules, data_dir
        self._loaded: dict[str, Split] = {}

    def load(self, corpus: Corpus, name: str) -> Split:
        """Load a split, once."""
        stage = "pretrain" if corpus.name == self.rules.pretrain.corpus.name else "finetune"
        if name == "train":  # is the same, on however little a trial is validated
            full = getattr(self.rules, stage).corpus
            corpus = replace(corpus, num_validation_pairs=full.num_validation_pairs)
        key = f"{corpus} {name}"
        if key not in self._loaded:
            self._loaded[key] = task_of(self.rules, stage).load_split(corpus, name, self.data_dir)
        return self._loaded[key]

    def validation(self, rules: League, stage: str) -> dict[str, Split]:
        """Load the validation splits of a stage by domain, as far as these rules take them."""
        return {corpus.domain: self.load(corpus, "validation") for corpus in rules.validated(stage)}

    def __iter__(self) -> Iterator[Split]:
        return iter(self._loaded.values())


def tokenize(task: Task, split: Split, tokenizer) -> Tokens:
    """Tokenize a split, or map it from the cache, which all entries share."""
    return task.tokens(split, tokenizer, RUNS / ".cache")
