"""The task of the open league: translation, in which the whole of the training is TUNE, and techniques may be used."""

from typing import Any

from league.errors import UserError
from league.rulebook import TECHNIQUES
from league.tasks.task import agreed, numbers_of
from league.tasks.translate import STRUCTURE, Translate
from league.values import check_finetune_hp, check_model_hp, demand
from league_config import ModelHP, OpenFinetuneHP, OpenHP

SMALLEST_VOCABULARY, LARGEST_VOCABULARY = 300, 32_000  # 256 bytes and four special tokens are in each
DEEPEST = 64
MOST_PAIRS = 200_000_000  # of a stage: nearly three times what an H200 passes in 120 minutes
SHARES = ("ema", "bpe_dropout", "token_dropout")


class OpenTranslate(Translate):
    def technique(self, name: str) -> float:
        """Return the value of a technique in this stage; 0 is off."""
        return getattr(self.rules, self.stage).settings.get(name, 0)

    # Values.

    def check(self, stage: str, values: OpenHP | OpenFinetuneHP) -> None:
        prefix = "pretrain_" if stage == "pretrain" else ""
        sizes = {name: getattr(values, f"{prefix}{name}") for name in ("captions", "talks", "steps", "batch_size")}
        for name, most in (("batch_size", 65_536), ("steps", MOST_PAIRS // max(1, sizes["batch_size"]))):
            demand(1 <= sizes[name] <= most, f"{prefix}{name}", values, f"must be between 1 and {most:,}")
        for name in ("captions", "talks"):
            demand(0 <= sizes[name] < 1e9, f"{prefix}{name}", values, "must be a number of pairs")
        if sizes["captions"] + sizes["talks"] < sizes["batch_size"]:
            raise UserError(
                f"--{prefix}captions {sizes['captions']} and --{prefix}talks {sizes['talks']}: "
                f"together fewer than one batch of {sizes['batch_size']}."
            )
        for name in SHARES:
            demand(0 <= getattr(values, prefix + name) < 1, prefix + name, values, "must be at least 0 and below 1")
        demand(0 <= getattr(values, f"{prefix}r_drop") <= 100, f"{prefix}r_drop", values, "must be between 0 and 100")
        if stage == "pretrain":
            self._check_first(values)
        else:
            check_finetune_hp(values, values.steps)
            demand(1 <= values.num_beams <= 64, "num_beams", values, "must be between 1 and 64")
            demand(0 <= values.length_penalty <= 10, "length_penalty", values, "must be between 0 and 10")

    def _check_first(self, values: OpenHP) -> None:
        check_model_hp(values)
        demand(
            0 <= values.num_decoder_layers <= DEEPEST, "num_decoder_layers", values, f"must be between 0 and {DEEPEST}"
        )
        within = SMALLEST_VOCABULARY <= values.vocab_size <= LARGEST_VOCABULARY
        rule = f"must be between {SMALLEST_VOCABULARY} and {LARGEST_VOCABULARY:,}"
        demand(within, "vocab_size", values, rule)
        demand(0 < values.pretrain_learning_rate <= 1000, "pretrain_learning_rate", values, "must be above 0, to 1000")
        demand(0 < values.pretrain_decay <= 1, "pretrain_decay", values, "must be above 0, and no more than 1")
        for name in ("pretrain_weight_decay", "pretrain_label_smoothing_factor"):
            demand(0 <= getattr(values, name) < 1, name, values, "must be at least 0 and below 1")
        left = values.pretrain_steps - round(values.pretrain_decay * values.pretrain_steps)
        demand(
            0 <= values.pretrain_warmup_steps <= left,
            "pretrain_warmup_steps",
            values,
            f"must be between 0 and the {left:,} steps before the rate falls",
        )

    # The model.

    def vocabulary(self, structure: dict[str, Any]) -> Any:
        return structure.get("vocab_size")

    def depths(self, structure: dict[str, Any]) -> tuple[Any, Any]:
        encoder, _ = super().depths(structure)
        return encoder, structure.get("num_decoder_layers") or encoder

    def work(self, structure: dict[str, Any]) -> float:
        """Return what a step of the rule book's stage A costs that is spread over all that this one computes."""
        of_token = super().work(structure | {"num_layers": sum(self.depths(structure)) / 2})
        pairs = structure["pretrain_steps"] * structure["pretrain_batch_size"]
        passes = 2 if structure["pretrain_r_drop"] else 1
        return of_token * passes * pairs / (self.rules.pretrain.arguments["max_steps"] * self.rules.batch_size)

    def config_of(self, values: dict[str, Any]):
        from modeling import AingConfig

        sizes = numbers_of(values, (*STRUCTURE, "vocab_size"))
        depth = numbers_of(values, ("num_decoder_layers",)) if values.get("num_decoder_layers") else {}
        vocab_size = sizes.pop("vocab_size")
        check_model_hp(ModelHP(**sizes))
        if not SMALLEST_VOCABULARY <= vocab_size <= LARGEST_VOCABULARY:
            raise ValueError(f"vocab_size is {vocab_size}, not between {SMALLEST_VOCABULARY} and {LARGEST_VOCABULARY}")
        if depth and not 1 <= depth["num_decoder_layers"] <= DEEPEST:
            raise ValueError(f"num_decoder_layers is {depth['num_decoder_layers']}, not between 1 and {DEEPEST}")
        limits = {"vocab_size": vocab_size, "max_position_embeddings": self.rules.max_length}
        return AingConfig(**limits, **sizes, **depth)

    # What a stage learns from.

    def drawn(self, order, split, tokenizer, seed: int):
        from league.tasks.bpe_dropout import BpeDropout, RedrawnOrder

        rate = self.technique("bpe_dropout")
        return RedrawnOrder(order, split, BpeDropout(tokenizer, rate, seed)) if rate else order

    def collator(self, model, seed: int):
        from league.tasks.hiding import HidingCollator
        from modeling import train_tokenizer

        unknown = train_tokenizer([], SMALLEST_VOCABULARY, 1).unk_token_id  # the same in every tokenizer
        is_doubled = bool(self.technique("r_drop"))
        return HidingCollator(model, unknown, self.technique("token_dropout"), seed, is_doubled)

    def loss(self, model, args):
        from league.tasks.r_drop import RDropLoss

        alpha = self.technique("r_drop")
        return RDropLoss(model, args, alpha) if alpha else super().loss(model, args)

    def callbacks(self) -> list:
        from league.tasks.averaging import WeightAverage

        return [WeightAverage(self.technique("ema"))] if self.technique("ema") else []

    # The record.

    def structure_in_effect(self, trainer) -> dict[str, Any]:
        from league.tasks.averaging import WeightAverage

        network, callbacks = trainer.model.model, trainer.callback_handler.callbacks
        averages = [one.decay for one in callbacks if isinstance(one, WeightAverage)]
        return super().structure_in_effect(trainer) | {
            "num_layers": len(network.encoder.layers),
            "num_decoder_layers": len(network.decoder.layers),
            "ema": agreed(averages) if averages else 0,
            "bpe_dropout": getattr(getattr(trainer.train_dataset, "dropout", None), "rate", 0),
            "token_dropout": trainer.data_collator.rate,
            "r_drop": getattr(trainer.compute_loss_func, "alpha", 0),
        }

    def expected_structure(self, structure: dict[str, Any]) -> dict[str, Any]:
        depths = dict(zip(("num_layers", "num_decoder_layers"), self.depths(structure), strict=True))
        used = {name: self.technique(name) for name in TECHNIQUES}
        return super().expected_structure(structure) | depths | used


TASK = OpenTranslate
