"""The task of the summaries' leagues that start from a checkpoint of the Hub: BART, T5, Marian and their like."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from league.errors import UserError, printable
from league.files import is_plain
from league.rulebook import GIVEN
from league.tasks.freezing import check_depth, freeze, frozen
from league.tasks.given import Given, fetch, in_one_line
from league.tasks.summarize import Summarize
from league.untrusted import read_json

# What a checkpoint says of its search, and no league: tokens that a text must begin or end with, or never has.
OF_CHECKPOINT = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id", "forced_bos_token_id")
OF_CHECKPOINT += ("forced_eos_token_id", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens")


class Pretrained(Summarize):
    is_given = True

    def given(self, with_weights: bool = True) -> Given:
        """Return the checkpoint that the rule book names."""
        return fetch(self.settings["checkpoint"], self.settings["revision"], with_weights)

    @cached_property
    def _config(self):
        config = self.given(with_weights=False).config()
        most = getattr(config, "max_position_embeddings", None)
        for name, asked in (("max_length", self.rules.max_length), ("decoding", self.rules.decoding["max_length"])):
            if most is not None and asked > most:
                raise UserError(
                    f"{self.settings['checkpoint']} has room for {most} tokens, the league asks for {asked} ({name})."
                )
        return config

    def train_tokenizer(self, split):
        """Return the checkpoint's own tokenizer: there is none to train."""
        return self.given(with_weights=False).tokenizer()

    def check(self, stage: str, values: Any) -> None:
        if stage == "finetune":
            super().check(stage, values)

    def tokenize(self, split, tokenizer, cache_dir: Path):
        from league.data.tokens import map_once

        most, names = self.rules.max_length, split.rows.names

        def tokens_of(rows: dict[str, list[str]]) -> dict[str, list]:
            inputs = self._ids(tokenizer, rows[names[0]], most)
            labels = self._ids(tokenizer, rows[names[1]], self.rules.decoding["max_length"], is_target=True)
            num_cut = [one + other for (_, one), (_, other) in zip(inputs, labels, strict=True)]
            ids = {"input_ids": [ids for ids, _ in inputs], "labels": [ids for ids, _ in labels]}
            return ids | {"num_cut": num_cut}

        key = [self.given(False).folder.name, str(self.settings), str(most), str(self.rules.decoding["max_length"])]
        return map_once(split, tokens_of, most, key, cache_dir)

    def _ids(self, tokenizer, texts: Sequence[str], most: int, is_target: bool = False) -> list[tuple[list[int], bool]]:
        """Return the ids of texts, each ended whatever the tokenizer adds by itself, and whether they were cut."""
        texts = list(texts) if is_target else [self.settings.get("prefix", "") + text for text in texts]
        named = {"text_target" if is_target else "text": texts}
        cut = tokenizer(**named, truncation=True, max_length=most)["input_ids"]
        whole = tokenizer(**named, verbose=False)["input_ids"]  # the last, for a tokenizer is saved as it was last used
        end, rows = tokenizer.eos_token_id, []
        for ids, all_ids in zip(cut, whole, strict=True):
            # KoBART's tokenizer adds no end; mBART's stands before the language.
            adds_end = end in all_ids[-2:]
            rows.append((ids if adds_end else [*ids[: most - 1], end], len(all_ids) + (not adds_end) > most))
        return rows

    def num_parameters(self, values: dict[str, Any]) -> int | None:
        return self.settings.get("num_parameters")

    def start_from(self, folder: Path, values: dict[str, Any]) -> tuple:
        """Load the checkpoint that the rule book names, and freeze of its encoder what is not to be trained."""
        given = self.given()
        self._check_commit(given, folder)
        model, tokenizer = given.model(), given.tokenizer()
        self._check_fit(model, tokenizer)
        check_depth(model.get_encoder(), values["freeze"])
        freeze(model.get_encoder(), values["freeze"])
        return model, tokenizer

    def _check_commit(self, given: Given, folder: Path) -> None:
        """Refuse to begin with another commit than stage A noted: a branch of the Hub may have moved on."""
        noted = read_json(folder / GIVEN)
        commit = noted.get("commit") if isinstance(noted, dict) else None
        if commit != given.folder.name:
            raise UserError(
                f"{given.repo_id} is at commit {given.folder.name} here, and stage A noted {printable(str(commit))}: "
                "take another --entry."
            )

    def _check_fit(self, model, tokenizer) -> None:
        rows = model.get_input_embeddings().weight.shape[0]
        if len(tokenizer) > rows:
            raise UserError(
                f"{self.settings['checkpoint']} has a tokenizer of {len(tokenizer):,} tokens and weights for {rows:,}: "
                "they do not belong together."
            )
        if model.config.decoder_start_token_id is None:
            raise UserError(f"{self.settings['checkpoint']} does not say with which token its decoder starts.")

    def load_checkpoint(self, folder: Path) -> tuple:
        """Load a fine-tuned model that anyone may have made: all but its weights is the rule book's checkpoint's."""
        import torch
        from safetensors import safe_open
        from safetensors.torch import load_file
        from transformers import AutoModelForSeq2SeqLM

        config, path = self._config, folder / "model.safetensors"
        with in_one_line(f"{folder} is not a usable checkpoint"):
            if not is_plain(path):
                raise ValueError("model.safetensors is not a file")
            with torch.device("meta"):
                expected = AutoModelForSeq2SeqLM.from_config(config).state_dict()
            with safe_open(path, "pt") as weights:
                for name in weights.keys():
                    shape = weights.get_slice(name).get_shape()
                    if name not in expected or list(expected[name].shape) != shape:
                        raise ValueError(f"{name[:80]!r} has the shape {shape}, unlike {self.settings['checkpoint']}")
            model, info = AutoModelForSeq2SeqLM._model_mapping[type(config)].from_pretrained(
                None, config=config, state_dict=load_file(path), dtype=torch.float32, output_loading_info=True
            )
            if info["missing_keys"]:
                raise ValueError(f"it lacks {', '.join(sorted(map(str, info['missing_keys']))[:3])}")
            given = self.given(with_weights=False)
            tokenizer = given.tokenizer()
            model.generation_config = generation_of(given.folder, config)
        return model, tokenizer

    def prepare(self, model, on_gpu: bool | None = None) -> None:
        """Give the model the league's search, with the tokens that its checkpoint asks for."""
        from transformers import GenerationConfig

        before = model.generation_config
        tokens = {name: getattr(before, name, None) for name in OF_CHECKPOINT}
        for name in ("pad_token_id", "eos_token_id", "decoder_start_token_id"):
            tokens[name] = getattr(model.config, name) if tokens[name] is None else tokens[name]
        ends = tokens["eos_token_id"]
        if tokens["forced_bos_token_id"] in (ends if isinstance(ends, list) else [ends]):
            del tokens["forced_bos_token_id"]  # a summary would end before it begins
        beside = ("batch_size", "windows")
        search = {name: value for name, value in self.expected_decoding().items() if name not in beside}
        model.generation_config = GenerationConfig(**search, **tokens)

    def loss(self, model, args):
        from league.tasks.loss import LogitsLoss

        return LogitsLoss(args)

    def loss_of_a_guess(self) -> float:
        return math.log(self._config.vocab_size)

    def structure_in_effect(self, trainer) -> dict[str, Any]:
        of_rules = {"checkpoint": self.settings["checkpoint"], "revision": self.settings["revision"]}
        if trainer is None:
            return of_rules
        return of_rules | {
            "max_length": trainer.train_dataset.tokens.max_length,
            "freeze": frozen(trainer.model.get_encoder()),
        }

    def expected_structure(self, values: dict[str, Any]) -> dict[str, Any]:
        of_rules = {"checkpoint": self.settings["checkpoint"], "revision": self.settings["revision"]}
        if self.stage == "pretrain":
            return of_rules
        return of_rules | {"max_length": self.rules.max_length, "freeze": values.get("freeze")}

    def encode_or_cut(self, tokenizer, inputs: Sequence[str]) -> list[tuple[list[int], bool]]:
        return self._ids(tokenizer, inputs, self.rules.max_length)

    def decoding_in_effect(self, model) -> dict[str, Any]:
        found = super().decoding_in_effect(model)
        return {name: value for name, value in found.items() if name not in OF_CHECKPOINT}


def generation_of(folder: Path, config):
    from transformers import GenerationConfig

    if (folder / "generation_config.json").exists():
        return GenerationConfig.from_pretrained(folder)
    return GenerationConfig.from_model_config(config)


TASK = Pretrained
