"""What the tasks of the summaries' leagues share: an encoder-decoder that reads and writes texts of several lines."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from league.tasks.task import HubWords
from league.tasks.translate import GENERATES, Translate


class Writer(Translate):
    predictions_file = "summaries.jsonl"
    report_parts = ("lengths", "baselines", "examples")
    divides_long_texts = False

    def hub_words(self) -> HubWords:
        return HubWords("A summarization model", "summarization", "AutoModelForSeq2SeqLM", GENERATES)

    def columns(self) -> tuple[str, ...]:
        return getattr(self.rules, self.stage).corpus.columns

    def train_tokenizer(self, split):
        """Train the tokenizer on the texts of stage A, with a token for what is masked."""
        from modeling import train_tokenizer

        rules = self.rules
        tokenizer = train_tokenizer(split.sources, rules.vocab_size, rules.max_length, masks=True)
        return self.with_whole_vocabulary(tokenizer)

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

    def expected_decoding(self) -> dict[str, Any]:
        return {"max_length": self.rules.max_length, "do_sample": False} | self.rules.decoding


@cache
def marks():
    """Return the ids of what the noise looks at: in every tokenizer they come before all that it learns."""
    from league.tasks.infilling import Marks
    from modeling import train_tokenizer

    ids = train_tokenizer([], 261, 1, masks=True).convert_tokens_to_ids
    return Marks(ids("<mask>"), ids("Ċ"), tuple(map(ids, ".?!")))
