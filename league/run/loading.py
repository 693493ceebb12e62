"""The splits that an entry works on, and their tokens."""

from league.data.corpora import Split, load_split
from league.data.tokens import Tokens, tokenize_split
from league.record.folder import RUNS
from league.run.entry import Entry
from league_config import Corpus


def load(entry: Entry, corpus: Corpus, name: str) -> Split:
    """Load a split of the entry's data, once."""
    key = f"{corpus} {name}"
    if key not in entry.splits:
        entry.splits[key] = load_split(entry.rules, corpus, name, entry.options.data_dir)
    return entry.splits[key]


def load_validation(entry: Entry) -> dict[str, Split]:
    """Load the validation splits of both domains."""
    corpora = (entry.rules.pretrain.corpus, entry.rules.finetune.corpus)
    return {corpus.domain: load(entry, corpus, "validation") for corpus in corpora}


def tokenize(entry: Entry, split: Split, tokenizer) -> Tokens:
    """Tokenize a split, or map it from the cache, which all entries share."""
    return tokenize_split(split, tokenizer, entry.rules.max_length, RUNS / ".cache")
