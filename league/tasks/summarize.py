"""The task of the summaries' stage B, and of the score: a text in, its summary out."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from league.data.corpora import check_filters, gathered
from league.errors import UserError
from league.rulebook import Corpus
from league.tasks.freezing import check_freeze, effective, freeze, frozen
from league.tasks.writing import WINDOWS, Writer
from league.values import check_finetune_hp, demand
from league_config import OPTIMIZERS


class Summarize(Writer):
    def load_split(self, corpus: Corpus, name: str, data_dir: str | None):
        """Load a split; what is judged may have several references, in rows of their own or as a list."""
        from league.tasks.rouge import references_of

        split = super().load_split(corpus, name, data_dir)
        if name != "train":
            return gathered(split, references_of)
        for number, text in enumerate(split.targets, 1):
            if references_of(text) != [text]:
                raise UserError(
                    f"{split.name}, row {number}: a list of references; what is learned has one: write a row for each."
                )
        return split

    def check(self, stage: str, values: Any) -> None:
        played = self.rules.as_tuned(asdict(values)).finetune
        check_filters(played.corpus)
        most, limit = played.corpus.filters.get("most_tokens", 0), self.rules.max_length
        if most > limit:
            raise UserError(
                f"most_tokens {most:,}: the model reads {limit}; 0 has longer texts cut, {limit} leaves them out."
            )
        if hasattr(values, "batch_size"):
            most = self.rules.batch_size * self.rules.finetune.arguments["max_steps"]
            demand(
                1 <= values.batch_size <= most, "batch_size", values, f"must be between 1 and {most:,}, a single step"
            )
        check_finetune_hp(values, played.arguments["max_steps"])
        demand(values.optim in OPTIMIZERS, "optim", values, f"must be one of {', '.join(OPTIMIZERS)}")
        demand(0 < values.adam_epsilon < 1, "adam_epsilon", values, "must be above 0 and below 1")
        check_freeze(values.freeze)
        if self.windows not in WINDOWS:
            raise UserError(f"windows {self.windows!r:.40} in league_config.py: must be joined or summarized.")

    def start_from(self, folder: Path, values: dict[str, Any]) -> tuple:
        """Load stage A's model, and freeze of its encoder what is not to be trained."""
        model, tokenizer = self.load_checkpoint(folder)
        freeze(model.model.encoder, values["freeze"])
        return model, tokenizer

    def structure_in_effect(self, trainer) -> dict[str, Any]:
        return super().structure_in_effect(trainer) | {"freeze": frozen(trainer.model.model.encoder)}

    def expected_structure(self, values: dict[str, Any]) -> dict[str, Any]:
        named = effective(values.get("freeze"), values.get("num_layers"))
        return super().expected_structure(values) | {"freeze": named}


TASK = Summarize
