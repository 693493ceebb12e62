"""A league of another kind, in one module: a bag of words says which animal a sentence is about; scored by accuracy.

Neither a translation nor BLEU: all that a task and a metric must bring along. docs/new_league.md quotes it.
"""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from league.data.batches import pad
from league.data.tokens import Tokens, encode, map_once
from league.errors import UserError
from league.rulebook import Corpus, HubFiles, League, Range, Stage
from league.tasks.checkpoint import load_tokenizer
from league.tasks.task import Task, agreed
from modeling import train_tokenizer

ANIMALS = ("dog", "cat", "horse", "bird")
FILLER = "the old one in my garden near a house today".split()
SOUNDS = {"dog": "barks", "cat": "purrs", "horse": "neighs", "bird": "sings"}

# The metric.

NAME, LABEL = "accuracy", "accuracy"


def signature() -> str:
    return "exact match|version:1"


def statistics(predictions: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Return for each row whether it is right, and that it is one."""
    right = [prediction == reference for prediction, reference in zip(predictions, references, strict=True)]
    return np.stack([np.array(right, dtype=np.int64), np.ones(len(right), dtype=np.int64)], axis=1)


def value(totals: np.ndarray) -> np.ndarray:
    return 100 * totals[..., 0] / totals[..., 1]


def row_values(statistics: np.ndarray) -> np.ndarray:
    return value(statistics)


def extras(predictions: Sequence[str], references: Sequence[str], statistics: np.ndarray) -> dict[str, Any]:
    return {"guessed": len(set(predictions))}


# The model.


class BagConfig(PreTrainedConfig):
    model_type = "bag"

    def __init__(self, width: int = 8, vocab_size: int = 300, pad_token_id: int = 0, **kwargs):
        super().__init__(pad_token_id=pad_token_id, **kwargs)
        self.width, self.vocab_size = width, vocab_size


class Bag(PreTrainedModel):
    config_class = BagConfig

    def __init__(self, config: BagConfig):
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.width, padding_idx=config.pad_token_id)
        self.classifier = nn.Linear(config.width, len(ANIMALS))
        self.post_init()

    def _init_weights(self, module):
        if isinstance(module, nn.Embedding | nn.Linear):
            module.weight.data.normal_(std=0.1)

    def forward(self, input_ids, attention_mask=None, labels=None, **kwargs) -> SequenceClassifierOutput:
        return SequenceClassifierOutput(logits=self.classifier(self.embedding(input_ids).mean(1)))


# The task.


@dataclass(frozen=True)
class BagHP:
    width: Annotated[int, (2, 4, 8, 16), "width of the embedding"] = 4


@dataclass(frozen=True)
class RateHP:
    learning_rate: Annotated[float, Range(1e-4, 1e-1, log=True), "peak learning rate"] = 1e-4


class Loss:
    epsilon = 0.0

    def __call__(self, outputs, labels, num_items_in_batch=None):
        return nn.functional.cross_entropy(outputs["logits"].float(), labels)


class ToyTask(Task):
    predictions_file = "animals.txt"

    def columns(self) -> tuple[str, str]:
        return "text", "animal"

    def inputs(self, split) -> Sequence[str]:
        return split.texts("text")

    def references(self, split) -> Sequence[str]:
        return split.texts("animal")

    def train_tokenizer(self, split):
        return train_tokenizer(split.texts("text"), self.rules.vocab_size, self.rules.max_length)

    def tokenize(self, split, tokenizer, cache_dir: Path) -> Tokens:
        def rows_to_ids(rows: dict[str, list[str]]) -> dict[str, list]:
            ids = [ids for ids, _ in encode(tokenizer, rows["text"], self.rules.max_length)]
            labels = [[ANIMALS.index(animal)] for animal in rows["animal"]]
            return {"input_ids": ids, "labels": labels, "num_cut": [0] * len(ids)}

        key = [tokenizer.backend_tokenizer.to_str(), *ANIMALS]
        return map_once(split, rows_to_ids, self.rules.max_length, key, cache_dir)

    def check(self, stage: str, values: Any) -> None:
        if stage == "pretrain" and not 1 <= values.width <= 64:
            raise UserError(f"--width {values.width}: must be between 1 and 64.")

    def num_parameters(self, structure: dict[str, Any]) -> int | None:
        width = structure.get("width")
        return (self.rules.vocab_size + len(ANIMALS)) * width + len(ANIMALS) if isinstance(width, int) else None

    def work(self, structure: dict[str, Any]) -> float:
        return 100.0 + structure["width"]

    def new_model(self, structure: dict[str, Any], tokenizer):
        return Bag(BagConfig(vocab_size=len(tokenizer), **structure))

    def load_checkpoint(self, folder: Path) -> tuple:
        return Bag.from_pretrained(folder), load_tokenizer(folder, self.rules.vocab_size)

    def collator(self, model, seed: int):
        def collate(rows: list[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
            labels = torch.tensor([int(row["labels"][0]) for row in rows])
            return {"input_ids": pad([row["input_ids"] for row in rows], 0), "labels": labels}

        return collate

    def loss(self, model, args):
        return Loss()

    def loss_of_a_guess(self) -> float:
        return math.log(len(ANIMALS))

    def structure_in_effect(self, trainer) -> dict[str, Any]:
        model = trainer.model
        return {"width": agreed((model.embedding.weight.shape[1], model.classifier.in_features))}

    def expected_structure(self, structure: dict[str, Any]) -> dict[str, Any]:
        return {"width": structure.get("width")}

    def encode(self, tokenizer, inputs: Sequence[str]) -> list[list[int]]:
        return [ids for ids, _ in encode(tokenizer, list(inputs), self.rules.max_length)]

    def predict_rows(self, model, tokenizer, rows: Sequence[list[int]]) -> list[str]:
        logits = model(input_ids=pad(rows, 0).to(model.device)).logits
        return [ANIMALS[i] for i in logits.argmax(1).tolist()]

    def decoding_in_effect(self, model) -> dict[str, Any]:
        return dict(self.rules.decoding)

    def expected_decoding(self) -> dict[str, Any]:
        return self.rules.decoding


TASK = ToyTask


# The rule book, which would stand in league_config.py.

NOWHERE = HubFiles("nobody/animals", "main", {split: f"{split}.jsonl" for split in ("train", "validation", "test")})
SCHEDULE = {"lr_scheduler_type": "linear", "weight_decay": 0.0, "label_smoothing_factor": 0.0, "warmup_steps": 2}
TOY = League(
    name="toy",
    version=1,
    task="seam.toy",
    metric="seam.toy",
    vocab_size=300,
    max_length=32,
    batch_size=16,
    minutes=5.0,
    pretrain=Stage(
        Corpus("names", "names", 400, NOWHERE), {"max_steps": 60, "learning_rate": 3e-2, **SCHEDULE}, tuned=BagHP
    ),
    finetune=Stage(Corpus("sounds", "sounds", 400, NOWHERE), {"max_steps": 12, **SCHEDULE}, tuned=RateHP),
    decoding={"batch_size": 20},
)


def write_corpora(folder: Path) -> None:
    """Write the toy's text files: animals by their names, and in stage B by what they do."""
    generator = random.Random(1)
    for corpus, words in (("names", {animal: animal for animal in ANIMALS}), ("sounds", SOUNDS)):
        (folder / corpus).mkdir(parents=True)
        for split, count in (("train", 400), ("validation", 40), ("test", 60)):
            rows = []
            for i in range(count):
                animal = generator.choice(ANIMALS)
                filler = generator.choices(FILLER, k=generator.randint(2, 6))
                filler.insert(generator.randint(0, len(filler)), words[animal])
                rows.append(json.dumps({"text": f"{' '.join(filler)} {i}", "animal": animal}))
            (folder / corpus / f"{split}.jsonl").write_text("\n".join(rows) + "\n")
