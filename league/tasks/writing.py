"""What the tasks of the summaries' leagues share: an encoder-decoder that reads and writes texts of several lines."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from league.tasks.splitting import windows_of
from league.tasks.task import HubWords
from league.tasks.translate import GENERATES, Translate

WINDOWS = ("", "joined", "summarized")


class Writer(Translate):
    predictions_file = "summaries.jsonl"
    report_parts = ("lengths", "baselines", "examples")
    border = "\n"

    @property
    def settings(self) -> dict[str, Any]:
        """Return what stage A fixes besides: the noise, or where its checkpoint lies."""
        return self.rules.pretrain.settings

    @property
    def windows(self) -> str:
        """Return what the rule book does with texts that are longer than the model; if nothing, they are cut."""
        return self.rules.finetune.settings.get("windows", "")

    @property
    def divides_long_texts(self) -> bool:
        return bool(self.windows)

    def divide(self, tokenizer, text: str) -> list[str]:
        def count(texts: list[str]) -> list[int]:
            return [len(ids) for ids in tokenizer(texts, verbose=False)["input_ids"]]

        prefix = self.settings.get("prefix", "")
        taken = count([prefix])[0] if prefix else 0
        return windows_of(text, self.rules.max_length - taken, count)

    def hub_words(self) -> HubWords:
        return HubWords("A summarization model", "summarization", "AutoModelForSeq2SeqLM", GENERATES)

    def columns(self) -> tuple[str, ...]:
        return getattr(self.rules, self.stage).corpus.columns

    def tokenizer_texts(self, split) -> Iterable[str]:
        return self.inputs(split)

    def tokenizer_options(self) -> dict[str, Any]:
        return {"masks": True}

    def config_of(self, values: dict[str, Any]):
        config = super().config_of(values)
        config.mask_token_id = marks().mask
        return config

    def predict_rows(self, model, tokenizer, rows: Sequence[list[int]]) -> list[str]:
        """Return what a search finds, without the scores on its way: of a large vocabulary they fill the memory."""
        from league.data.batches import pad

        padding = model.generation_config.pad_token_id
        ids = pad(rows, padding).to(model.device)
        output = model.generate(input_ids=ids, attention_mask=(ids != padding).long())
        return tokenizer.batch_decode(output, skip_special_tokens=True)

    def decoding_in_effect(self, model) -> dict[str, Any]:
        return super().decoding_in_effect(model) | self._windows()

    def expected_decoding(self) -> dict[str, Any]:
        return {"max_length": self.rules.max_length, "do_sample": False} | self.rules.decoding | self._windows()

    def _windows(self) -> dict[str, str]:
        return {"windows": self.windows} if self.windows else {}


@cache
def marks():
    """Return the ids of what the noise looks at: in every tokenizer they come before all that it learns."""
    from league.tasks.infilling import Marks
    from modeling import train_tokenizer

    ids = train_tokenizer([], 261, 1, masks=True).convert_tokens_to_ids
    return Marks(ids("<mask>"), ids("Ċ"), tuple(map(ids, ".?!")))
