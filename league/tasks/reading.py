"""What the two readers' tasks share: an encoder on its own, its structure and its checkpoints."""

from collections.abc import Sequence
from typing import Any

from league.errors import UserError
from league.tasks.task import STRUCTURE, Task, agreed, numbers_of, shape_in_effect
from league.values import check_model_hp
from league_config import ReaderHP

ACTIVATIONS = ("relu", "gelu", "silu")


class Reader(Task):
    """An encoder that reads single sentences."""

    def tokenizer_options(self) -> dict[str, Any]:
        loses = {name: self.rules.pretrain.settings.get(name) for name in ("lowercase", "rewritten")}
        return {"masks": True} | {name: value for name, value in loses.items() if value}

    def check_structure(self, values: Any) -> None:
        """Refuse an encoder that cannot be built."""
        check_model_hp(values)
        if values.activation not in ACTIVATIONS:
            raise UserError(f"--activation {values.activation!r:.20}: must be one of {', '.join(ACTIVATIONS)}.")

    def num_parameters(self, values: dict[str, Any]) -> int | None:
        """Return the size of an encoder."""
        d_model, num_layers, d_ff = (values.get(name) for name in ("d_model", "num_layers", "d_ff"))
        if not all(isinstance(value, int) for value in (d_model, num_layers, d_ff, self.rules.vocab_size)):
            return None
        attention, norm = 4 * (d_model + 1) * d_model, 2 * d_model
        layer = attention + (d_model + 1) * d_ff + (d_ff + 1) * d_model + 2 * norm
        return self.rules.vocab_size * d_model + num_layers * layer + norm

    def work(self, structure: dict[str, Any]) -> float:
        """Return the multiplications of a token on its way through the encoder, in thousands."""
        d_model, d_ff, num_layers = (structure[name] for name in ("d_model", "d_ff", "num_layers"))
        layer = 4 * d_model**2 + 2 * d_model * d_ff
        # What a layer costs besides its products, as in translation; a masked model names one token in seven.
        return (num_layers * (layer + 450 * d_model) + self.rules.vocab_size * d_model / 7) / 1000

    def config_of(self, values: dict[str, Any], **others: Any):
        """Return the configuration of an encoder, from TUNE values or from a checkpoint's config.json."""
        from modeling import AingReaderConfig

        shape = numbers_of(values, STRUCTURE) | {"activation": values.get("activation")}
        self.check_structure(ReaderHP(**shape))
        limits = {"vocab_size": self.rules.vocab_size, "max_position_embeddings": self.rules.max_length}
        return AingReaderConfig(**limits, **shape, **others)

    def prepare(self, model, on_gpu: bool | None = None) -> None:
        """Give the model the attention that is fastest here."""
        from league.hardware import has_gpu

        model.set_attn_implementation("sdpa" if (has_gpu() if on_gpu is None else on_gpu) else "eager")

    def structure_in_effect(self, trainer) -> dict[str, Any]:
        encoder = trainer.model.model
        activations = (layer.feed_forward.activation.__name__ for layer in encoder.layers)
        shape = shape_in_effect(trainer, encoder, (encoder,), (encoder.embed_tokens.weight,))
        return shape | {"activation": agreed(activations)}

    def expected_structure(self, values: dict[str, Any]) -> dict[str, Any]:
        expected = {name: values.get(name) for name in (*STRUCTURE, "activation")}
        return expected | {"vocab_size": self.rules.vocab_size, "max_length": self.rules.max_length}

    def read(self, tokenizer, texts: Sequence[str]) -> tuple[list[list[int]], list[bool]]:
        """Return the tokens of texts that somebody asks about, and whether each was cut."""
        rows = self.encode_or_cut(tokenizer, texts)
        return [ids for ids, _ in rows], [was_cut for _, was_cut in rows]

    def decoding_in_effect(self, model) -> dict[str, Any]:
        return dict(self.rules.decoding)

    def expected_decoding(self) -> dict[str, Any]:
        return self.rules.decoding
