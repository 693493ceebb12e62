"""The task of the readers' stage B: which label a sentence has, by convolutions over what the encoder makes of it."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from league.errors import UserError
from league.tasks.freezing import check_freeze, effective, freeze, frozen
from league.tasks.reading import Reader
from league.tasks.task import HubWords, agreed, task_of
from league.values import check_finetune_hp, demand
from league_config import KERNELS

NAMED = re.compile(r"[\w. -]{1,60}")
LIST = re.compile(r"[0-9]{1,3}(,[0-9]{1,3}){0,15}")  # of widths
MOST_FILTERS, WIDEST = 4096, 16  # far beyond what helps


class Classify(Reader):
    predictions_file = "labels.txt"
    report_parts = ("lengths", "confusion", "mistakes")

    def hub_words(self) -> HubWords:
        use = "[model.config.id2label[i] for i in model(**batch).logits.argmax(1).tolist()]"
        return HubWords("A classifier of sentences", "text-classification", "AutoModelForSequenceClassification", use)

    @property
    def labels(self) -> dict[str, str]:
        """Return what each label of the data is called, in the order of the model's outputs."""
        return self.rules.finetune.settings["labels"]

    def load_split(self, corpus, name: str, data_dir: str | None):
        """Load a split whose labels are all known; what is trained on has two of them at least."""
        split = super().load_split(corpus, name, data_dir)
        references = self.references(split)
        for number, label in enumerate(references, 1):
            if label not in self.labels:
                known = ", ".join(self.labels)
                raise UserError(
                    f"{split.name}, row {number} of those used: the label {label!r:.40} is not one of {known}."
                )
        if name == "train" and len(set(references)) < 2:
            raise UserError(f"{split.name} has one label alone: there is nothing to tell apart.")
        return split

    def about(self, train, *validation) -> list[str]:
        """Say how the labels are shared out, which are lacking, and what occurs in both splits."""
        lines, seen = [], set(self.inputs(train))
        for split in (train, *validation):
            counts = Counter(self.references(split))
            parts = [f"{name} {counts[label]:,}" for label, name in self.labels.items() if counts[label]]
            lacking = [name for label, name in self.labels.items() if not counts[label]]
            repeated = 0 if split is train else sum(text in seen for text in self.inputs(split))
            parts += [f"none is {' or '.join(lacking)}"] if lacking else []
            parts += [f"{repeated:,} of the texts are in the training split, too"] if repeated else []
            lines.append(f"{split.name}: {', '.join(parts)}")
        return lines

    @property
    def filters_read_words(self) -> bool:
        """Tell whether the filters see the words themselves beside what the encoder makes of them."""
        return self.rules.finetune.settings.get("filters_read_words", False)

    def tokenize(self, split, tokenizer, cache_dir: Path):
        from league.data.tokens import encode, map_once

        text, label = self.columns()
        places = {name: i for i, name in enumerate(self.labels)}

        def tokens_of(rows: dict[str, list[str]]) -> dict[str, list]:
            ids, was_cut = map(list, zip(*encode(tokenizer, rows[text], self.rules.max_length), strict=True))
            return {"input_ids": ids, "labels": [[places[one]] for one in rows[label]], "num_cut": was_cut}

        key = [tokenizer.backend_tokenizer.to_str(), str(self.rules.max_length), *places]
        return map_once(split, tokens_of, self.rules.max_length, key, cache_dir)

    def check(self, stage: str, values: Any) -> None:
        for label in self.labels:
            if not NAMED.fullmatch(label):  # as the record's figures are, one for each of them
                raise UserError(f"the label {label!r}: up to 60 letters, digits, spaces, '_', '.' and '-'.")
        check_finetune_hp(values, self.rules.finetune.arguments["max_steps"])
        demand(
            1 <= values.conv_filters <= MOST_FILTERS, "conv_filters", values, f"must be between 1 and {MOST_FILTERS:,}"
        )
        demand(0 <= values.classifier_dropout < 1, "classifier_dropout", values, "must be at least 0 and below 1")
        is_list = isinstance(values.kernel_sizes, str) and LIST.fullmatch(values.kernel_sizes)
        is_list = is_list and all(1 <= width <= WIDEST for width in widths_of(values.kernel_sizes))
        demand(
            is_list, "kernel_sizes", values, f"must be widths from 1 to {WIDEST} with commas between, as {KERNELS[-1]}"
        )
        check_freeze(values.freeze)

    def num_parameters(self, values: dict[str, Any]) -> int | None:
        encoder, d_model = super().num_parameters(values), values.get("d_model")
        filters, kernels = values.get("conv_filters"), values.get("kernel_sizes")
        is_list = isinstance(kernels, list) or (isinstance(kernels, str) and LIST.fullmatch(kernels))
        if encoder is None or not isinstance(filters, int) or not is_list:
            return None
        widths = widths_of(kernels)
        num_read = 2 * d_model if self.filters_read_words else d_model
        convolutions = sum(filters * (num_read * width + 1) for width in widths)
        return encoder + convolutions + (len(widths) * filters + 1) * len(self.labels)

    def model_class(self) -> type:
        from modeling import AingForSequenceClassification

        return AingForSequenceClassification

    def config_of(self, values: dict[str, Any], **others: Any):
        """Return the configuration of a classifier, from TUNE values or from a checkpoint's config.json."""
        filters, dropout = values.get("conv_filters"), values.get("classifier_dropout")
        kernels = values.get("kernel_sizes")
        widths = widths_of(kernels) if isinstance(kernels, str | list) else []
        are_numbers = all(type(width) is int for width in widths)
        if not widths or not are_numbers or type(filters) is not int or type(dropout) not in (int, float):
            raise ValueError("config.json lacks a value of the classifier")
        if (
            not 1 <= filters <= MOST_FILTERS
            or not all(1 <= width <= WIDEST for width in widths)
            or len(widths) > WIDEST
        ):
            raise ValueError(f"config.json asks for {filters} filters of the widths {str(widths)[:60]}")
        names = list(self.labels.values())
        return super().config_of(
            values,
            conv_filters=filters,
            kernel_sizes=widths,
            classifier_dropout=dropout,
            filters_read_words=self.filters_read_words,
            id2label=dict(enumerate(names)),
            label2id={name: i for i, name in enumerate(names)},
            **others,
        )

    def start_from(self, folder: Path, values: dict[str, Any]) -> tuple:
        """Put a new classifier on the encoder of stage A, and freeze of it what is not to be trained."""
        before, tokenizer = task_of(self.rules, "pretrain").load_checkpoint(folder)
        model = self.model_class()(self.config_of(before.config.to_dict() | values))
        model.model.load_state_dict(before.model.state_dict())
        freeze(model.model, values["freeze"])
        return model, tokenizer

    def collator(self, model, seed: int):
        from league.data.batches import LabelCollator

        return LabelCollator(model.config.pad_token_id)

    def loss(self, model, args):
        from league.tasks.loss import LabelLoss

        return LabelLoss(args)

    def loss_of_a_guess(self) -> float:
        return math.log(len(self.labels))

    def structure_in_effect(self, trainer) -> dict[str, Any]:
        model = trainer.model
        head = {
            "conv_filters": agreed(convolution.out_channels for convolution in model.convolutions),
            "kernel_sizes": ",".join(str(convolution.kernel_size[0]) for convolution in model.convolutions),
            "classifier_dropout": model.dropout.p,
            "num_labels": model.classifier.out_features,
            "freeze": frozen(model.model),
        }
        if any(convolution.in_channels > model.config.d_model for convolution in model.convolutions):
            head["filters_read_words"] = True
        return super().structure_in_effect(trainer) | head

    def expected_structure(self, values: dict[str, Any]) -> dict[str, Any]:
        head = {name: values.get(name) for name in ("conv_filters", "kernel_sizes", "classifier_dropout")}
        head |= {
            "num_labels": len(self.labels),
            "freeze": effective(values.get("freeze"), values.get("num_layers")),
        }
        if self.filters_read_words:
            head["filters_read_words"] = True
        return super().expected_structure(values) | head

    def predict_rows(self, model, tokenizer, rows: Sequence[list[int]]) -> list[str]:
        names = list(self.labels)
        return [names[i] for i in self.logits(model, rows).argmax(1).tolist()]

    def most_answers(self) -> int:
        return len(self.labels)

    def answers(self, model, tokenizer, rows: Sequence[list[int]], n_best: int) -> list[list[tuple[str, float]]]:
        """Return the likeliest labels of each row by their names, with their probabilities."""
        names = list(self.labels.values())
        best = self.logits(model, rows).softmax(1).topk(n_best, dim=1)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [[(names[i], share) for i, share in zip(*one, strict=True)] for one in pairs]

    def logits(self, model, rows: Sequence[list[int]]):
        """Return how much speaks for each label, for each row of tokens of a batch."""
        from league.data.batches import pad

        ids = pad(rows, model.config.pad_token_id).to(model.device)
        return model(ids, (ids != model.config.pad_token_id).long()).logits.float()


def widths_of(kernel_sizes: str | list[int]) -> list[int]:
    """Return the widths of the convolutions, which a flag gives as a text, and config.json as a list."""
    return [int(width) for width in kernel_sizes.split(",")] if isinstance(kernel_sizes, str) else kernel_sizes


TASK = Classify
