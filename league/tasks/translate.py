"""The task of the translation leagues: sentences into another language, by an encoder-decoder and beam search."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from league.tasks.task import STRUCTURE, HubWords, Task, numbers_of, shape_in_effect
from league.values import check_finetune_hp, check_model_hp
from league_config import ModelHP

GENERATES = "tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True)"


class Translate(Task):
    predictions_file = "translations.txt"
    report_parts = ("lengths", "examples", "attention")
    divides_long_texts = True

    def tokenizer_texts(self, split) -> Iterable[str]:
        return chain(split.sources, split.targets)

    def check(self, stage: str, values: Any) -> None:
        if stage == "pretrain":
            check_model_hp(values)
        else:
            check_finetune_hp(values, self.rules.finetune.arguments["max_steps"])

    def vocabulary(self, structure: dict[str, Any]) -> Any:
        """Return the entries of a structure's vocabulary, which is the league's."""
        return self.rules.vocab_size

    def depths(self, structure: dict[str, Any]) -> tuple[Any, Any]:
        """Return the layers of encoder and decoder."""
        return structure.get("num_layers"), structure.get("num_layers")

    def num_parameters(self, structure: dict[str, Any]) -> int | None:
        d_model, d_ff = structure.get("d_model"), structure.get("d_ff")
        vocab_size, (encoder, decoder) = self.vocabulary(structure), self.depths(structure)
        if not all(isinstance(value, int) for value in (d_model, encoder, decoder, d_ff, vocab_size)):
            return None
        attention, norm = 4 * (d_model + 1) * d_model, 2 * d_model
        feed_forward = (d_model + 1) * d_ff + (d_ff + 1) * d_model
        encoder_layer = attention + feed_forward + 2 * norm
        decoder_layer = 2 * attention + feed_forward + 3 * norm
        return vocab_size * d_model + encoder * encoder_layer + decoder * decoder_layer + 2 * norm

    def work(self, structure: dict[str, Any]) -> float:
        """Return the multiplications of a token on its way through encoder and decoder, in thousands."""
        d_model, d_ff, num_layers = (structure[name] for name in ("d_model", "d_ff", "num_layers"))
        layer = 12 * d_model**2 + 4 * d_model * d_ff
        # What each layer costs besides its products: norms, dropout, attention over short sentences, calls.
        return (num_layers * (layer + 900 * d_model) + self.vocabulary(structure) * d_model) / 1000

    def hub_words(self) -> HubWords:
        source, target = self.rules.source, self.rules.target
        what = f"A translation model ({source} to {target})"
        return HubWords(what, "translation", "AutoModelForSeq2SeqLM", GENERATES, (source, target))

    def model_class(self) -> type:
        from modeling import AingForConditionalGeneration

        return AingForConditionalGeneration

    def config_of(self, values: dict[str, Any]):
        """Return the configuration of a model, from TUNE values or from a checkpoint's config.json."""
        from modeling import AingConfig

        structure = numbers_of(values, STRUCTURE)
        check_model_hp(ModelHP(**structure))
        limits = {"vocab_size": self.rules.vocab_size, "max_position_embeddings": self.rules.max_length}
        return AingConfig(**limits, **structure)

    def prepare(self, model, on_gpu: bool | None = None) -> None:
        """Give the model the league's decoding, which its checkpoint keeps, and the attention that is fastest here."""
        from league.hardware import has_gpu
        from league.tasks.decoding import decoding_config

        model.generation_config = decoding_config(self.rules, model)
        # On short sentences the spelled-out attention outruns the fused kernel of CPUs.
        model.set_attn_implementation("sdpa" if (has_gpu() if on_gpu is None else on_gpu) else "eager")

    def collator(self, model, seed: int):
        from league.data.batches import PairCollator

        return PairCollator(model)

    def loss(self, model, args):
        from league.tasks.loss import SmoothedLoss

        return SmoothedLoss(model, args)

    def structure_in_effect(self, trainer) -> dict[str, Any]:
        model = trainer.model
        weights = (model.lm_head.weight, model.get_input_embeddings().weight)
        return shape_in_effect(trainer, model, (model.model.encoder, model.model.decoder), weights)

    def expected_structure(self, structure: dict[str, Any]) -> dict[str, Any]:
        expected = {name: structure.get(name) for name in STRUCTURE}
        return expected | {"vocab_size": self.vocabulary(structure), "max_length": self.rules.max_length}

    def predict_rows(self, model, tokenizer, rows: Sequence[list[int]]) -> list[str]:
        from league.tasks.decoding import search

        best = [candidates[0].ids for candidates in search(model, rows)]
        # A model may write any byte; a translation is a line of its file.
        return [text.replace("\n", " ") for text in tokenizer.batch_decode(best, skip_special_tokens=True)]

    def decoding_in_effect(self, model) -> dict[str, Any]:
        from league.tasks.decoding import effective_decoding

        return effective_decoding(model.generation_config, self.rules.decoding["batch_size"])

    def expected_decoding(self) -> dict[str, Any]:
        return self.rules.decoding | {"max_length": self.rules.max_length, "do_sample": False}


TASK = Translate
