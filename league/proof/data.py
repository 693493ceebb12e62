"""The data that proofs are made with, as far as they are at hand."""

from dataclasses import replace

from league.data.corpora import Split, splits_used
from league.errors import UserError
from league.rulebook import League
from league.tasks.task import task_of


class DataAtHand:
    """The splits of each league, loaded when first asked for; what cannot be loaded is not tried again."""

    def __init__(self, data_dir: str | None):
        self.data_dir = data_dir
        self._loaded: dict[str, Split | str] = {}

    def test_set(self, league: League) -> Split:
        return self._load(league, league.scored_on, "test")

    def splits(self, league: League) -> dict[str, Split]:
        """Return all that a league trains, validates and is scored on, by name."""
        splits = [self._load(league, stage, name) for stage, _, name in splits_used(league)]
        return {split.name: split for split in splits}

    def _load(self, league: League, stage: str, name: str) -> Split:
        corpus = getattr(league, stage).corpus
        # Only what is trained on depends on how many rows an entry has chosen.
        known = corpus if name == "train" else replace(corpus, num_train_pairs=0, num_other_pairs=0)
        key = f"{league.name} {stage} {name} {known}"
        if key not in self._loaded:
            try:
                self._loaded[key] = task_of(league, stage).load_split(corpus, name, self.data_dir)
            except UserError as error:
                self._loaded[key] = str(error)
        split = self._loaded[key]
        if isinstance(split, str):
            raise UserError(split)
        return split
