"""The splits of a league, each loaded once, and their tokens."""

from collections.abc import Iterator

from league.data.corpora import Split
from league.data.tokens import Tokens
from league.record.folder import RUNS
from league.tasks.task import task_of
from league_config import Corpus, League


class Splits:
    """The splits of a league's data; trials share them, whose rules differ in steps and in parts of a corpus."""

    def __init__(self, rules: League, data_dir: str | None):
        self.rules, self.data_dir = rules, data_dir
        self._loaded: dict[str, Split] = {}

    def load(self, corpus: Corpus, name: str) -> Split:
        """Load a split, once."""
        key = f"{corpus} {name}"
        if key not in self._loaded:
            self._loaded[key] = task_of(self.rules).load_split(corpus, name, self.data_dir)
        return self._loaded[key]

    def validation(self, rules: League) -> dict[str, Split]:
        """Load the validation splits of both domains, as far as these rules take them."""
        corpora = (rules.pretrain.corpus, rules.finetune.corpus)
        return {corpus.domain: self.load(corpus, "validation") for corpus in corpora}

    def __iter__(self) -> Iterator[Split]:
        return iter(self._loaded.values())


def tokenize(rules: League, split: Split, tokenizer) -> Tokens:
    """Tokenize a split, or map it from the cache, which all entries share."""
    return task_of(rules).tokenize(split, tokenizer, RUNS / ".cache")
