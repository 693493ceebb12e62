"""What differs between objectives, behind one small class: scripts, rules, proof, report and tuner ask a task."""

import math
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from league.errors import TooFew
from league.rulebook import Corpus, League

STRUCTURE = ("d_model", "nhead", "num_layers", "d_ff", "dropout")  # TUNE values that shape our encoders and decoders


class HubWords(NamedTuple):
    """What the card of a model says of its task."""

    what: str  # it is
    pipeline_tag: str  # of the Hub
    auto_class: str  # of the library, that loads it
    use: str  # the line of Python that shows what it answers to a `batch`
    languages: tuple[str, ...] = ()
    example: str = ""  # of a text, if not one of its language
    options: str = ""  # of the tokenizer


class Task:
    """An objective under one rule book. What the library needs is imported where it is used: a task is asked early."""

    predictions_file = "predictions.txt"  # of an entry, a line for each row of the test set
    report_parts: tuple[str, ...] = ()  # of the report, beside those that every task has
    is_given = False  # stage A: a checkpoint of the Hub, which is fetched and not trained
    divides_long_texts = False  # for a reader, into parts that are predicted one by one and joined; else they are cut
    windows = ""  # so for the score, too: the parts' predictions are "joined", or what was joined is read once more
    border = " "  # between what was predicted of parts

    def __init__(self, rules: League, stage: str = "finetune"):
        self.rules, self.stage = rules, stage

    # The data.

    def tokens(self, split, tokenizer, cache_dir: Path):
        """Tokenize a split; rows to train on stay out where they have more tokens than the corpus's filters want."""
        tokens = self.tokenize(split, tokenizer, cache_dir)
        corpus = getattr(self.rules, self.stage).corpus
        most = corpus.filters.get("most_tokens") if split.name == f"{corpus.name}.train" else None
        return tokens.of_at_most(most) if most else tokens

    def columns(self) -> tuple[str, ...]:
        """Return the columns of a row: what is read, then what is to be predicted."""
        return self.rules.source, self.rules.target

    def load_split(self, corpus: Corpus, name: str, data_dir: str | None):
        """Load one split of a corpus: train, validation or test."""
        from league.data.corpora import load_split

        return load_split(self.rules, corpus, name, data_dir, self.columns())

    def inputs(self, split) -> Sequence[str]:
        """Return what is read of each row."""
        return split.sources

    def references(self, split) -> Sequence[str]:
        """Return what the predictions of a split are judged by."""
        return split.targets

    def about(self, train, *validation) -> list[str]:
        """Return what is worth saying of the data before a stage trains on them, a line each."""
        return []

    def tokenizer_texts(self, split) -> Iterable[str]:
        """Return what the tokenizer is trained on, of the data of stage A."""
        return self.inputs(split)

    def tokenizer_options(self) -> dict[str, Any]:
        """Return what the tokenizer does besides: the options of `train_tokenizer`."""
        return {}

    def train_tokenizer(self, split):
        """Return the tokenizer that stage A trains on its data, or say that they give too small a vocabulary."""
        from modeling import train_tokenizer

        rules, texts = self.rules, self.tokenizer_texts(split)
        tokenizer = train_tokenizer(texts, rules.vocab_size, rules.max_length, **self.tokenizer_options())
        if len(tokenizer) != rules.vocab_size:
            raise TooFew(
                f"the text of {rules.pretrain.corpus.name} gives a vocabulary of {len(tokenizer)} entries, the league "
                f"asks for {rules.vocab_size}; give it more text, or lower vocab_size in league_config.py "
                "(records are open then)."
            )
        return tokenizer

    def tokenize(self, split, tokenizer, cache_dir: Path):
        """Return the tokens of a split, which a cache keeps."""
        from league.data.tokens import tokenize_split

        return tokenize_split(split, tokenizer, self.rules.max_length, cache_dir)

    # The model.

    def hub_words(self) -> HubWords:
        raise NotImplementedError

    def check(self, stage: str, values: Any) -> None:
        """Refuse TUNE values of a stage that cannot be trained, before any work."""
        raise NotImplementedError

    def num_parameters(self, values: dict[str, Any]) -> int | None:
        """Return the size of a model, from the TUNE values up to its stage; None where they make none."""
        raise NotImplementedError

    def work(self, structure: dict[str, Any]) -> float:
        """Return how much there is to compute for a token, in any unit: for estimates of speed."""
        raise NotImplementedError

    def new_model(self, structure: dict[str, Any], tokenizer):
        """Return a model with fresh weights."""
        return self.model_class()(self.config_of(structure))

    def model_class(self) -> type:
        raise NotImplementedError

    def config_of(self, values: dict[str, Any]):
        """Return the configuration that a checkpoint's config.json describes; a ValueError says what it may not."""
        raise NotImplementedError

    def load_checkpoint(self, folder: Path) -> tuple:
        """Return the model and tokenizer of a checkpoint that anyone may have made; none of its code is run."""
        from league.tasks.checkpoint import load_checkpoint

        return load_checkpoint(folder, self)

    def start_from(self, folder: Path, values: dict[str, Any]) -> tuple:
        """Return the model and tokenizer that stage B begins with: stage A's, and what its own TUNE values add."""
        return self.load_checkpoint(folder)

    def prepare(self, model, on_gpu: bool | None = None) -> None:
        """Settle how a model computes and predicts here."""

    # Training and predicting.

    def drawn(self, order, split, tokenizer, seed: int):
        """Return the order of a stage's rows with the tokens that they are learned by: as they are, or drawn anew."""
        return order

    def collator(self, model, seed: int):
        raise NotImplementedError

    def callbacks(self) -> list:
        """Return what the Trainer calls besides the watch, before it."""
        return []

    def loss(self, model, args):
        """Return the Trainer's `compute_loss_func`; its `epsilon` is the label smoothing in effect."""
        raise NotImplementedError

    def loss_of_a_guess(self) -> float:
        """Return the loss of an even guess: what is far above it has diverged."""
        return math.log(self.rules.vocab_size)

    def structure_in_effect(self, trainer) -> dict[str, Any]:
        """Read the structure back from a trained model: the TUNE values that shape it, and what is fixed of it."""
        raise NotImplementedError

    def expected_structure(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return what `structure_in_effect` must find for the TUNE values of both stages."""
        raise NotImplementedError

    def validate(self, model, tokenizer, split, progress: str | None = None) -> dict[str, float]:
        """Return how good a model is on a validation split, the stage's metric first, under its name."""
        from league.tasks.metric import metric_named
        from league.tasks.predicting import predict

        metric = metric_named(self.rules.metric_in(self.stage))
        predictions = predict(self, model, tokenizer, self.inputs(split), progress)
        statistics = metric.statistics(predictions, self.references(split))
        return {metric.NAME: metric.value(statistics.sum(0)).item()}

    def encode(self, tokenizer, inputs: Sequence[str]) -> list[list[int]]:
        """Return the tokens that the model reads of each input."""
        return [ids for ids, _ in self.encode_or_cut(tokenizer, inputs)]

    def encode_or_cut(self, tokenizer, inputs: Sequence[str]) -> list[tuple[list[int], bool]]:
        """Return the tokens that the model reads of each input, and whether that is not all of it."""
        from league.data.tokens import encode

        return encode(tokenizer, list(inputs), self.rules.max_length)

    def divide(self, tokenizer, text: str) -> list[str]:
        """Return the windows of a text that is longer than the model."""
        raise NotImplementedError

    def predict_rows(self, model, tokenizer, rows: Sequence[list[int]]) -> list[str]:
        """Return a prediction for each row of tokens of a batch."""
        raise NotImplementedError

    def decoding_in_effect(self, model) -> dict[str, Any]:
        """Return the settings under which a model predicts, for the record."""
        raise NotImplementedError

    def expected_decoding(self) -> dict[str, Any]:
        """Return what `decoding_in_effect` must find."""
        raise NotImplementedError


def task_of(rules: League, stage: str = "finetune") -> Task:
    """Return the task of a stage, from the module that the rule book names; that of stage B is what is scored."""
    name = rules.task_in(stage)
    return import_module(name if "." in name else f"league.tasks.{name}").TASK(rules, stage)


def shape_in_effect(trainer, network, stacks: Sequence[Any], weights: Sequence[Any]) -> dict[str, Any]:
    """Read the shape of our own layers back from a trained model: `weights` have a row for each token."""
    from torch import nn

    layers = [layer for stack in stacks for layer in stack.layers]
    attentions = [module for module in network.modules() if hasattr(module, "o_proj")]
    lengths = (trainer.model.config.max_position_embeddings, trainer.train_dataset.tokens.max_length)
    return {
        "d_model": agreed(weight.shape[1] for weight in weights),
        "nhead": agreed(module.o_proj.in_features // module.head_dim for module in attentions),
        "num_layers": agreed(len(stack.layers) for stack in stacks),
        "d_ff": agreed(layer.feed_forward.up_proj.out_features for layer in layers),
        "dropout": agreed(module.p for module in network.modules() if isinstance(module, nn.Dropout)),
        "vocab_size": agreed((weights[0].shape[0], len(trainer.processing_class))),
        "max_length": agreed(lengths),
    }


def agreed(values: Iterable[Any]) -> Any:
    """Return the one value on which all agree; else all of them, which no rule expects."""
    different = sorted(set(values))
    return different[0] if len(different) == 1 else different


def numbers_of(values: dict[str, Any], names: Sequence[str]) -> dict[str, int | float]:
    """Return the named values, which must be numbers: those of a config.json may be anything."""
    numbers = {name: values.get(name) for name in names}
    if not all(type(number) in (int, float) for number in numbers.values()):
        raise ValueError("config.json lacks a value of the structure")
    return numbers
