"""The rule books: what a participant may change, and everything that is fixed. Standard library only."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from league.rulebook import (
    DEFAULT_TUNED,
    OPEN_STEPS,
    Corpus,
    Divided,
    Generated,
    HubFiles,
    League,
    Mixture,
    Part,
    Range,
    Stage,
)


# 🔧 TUNE MODEL_HP: the structure. Start value and search range on one line; edit here, or pass --d_model 256 and so on.
@dataclass(frozen=True)
class ModelHP:
    d_model: Annotated[int, (64, 128, 192, 256, 384, 512), "width of the model"] = 128
    nhead: Annotated[int, (2, 4, 8), "attention heads; must divide d_model"] = 4
    num_layers: Annotated[int, (1, 2, 3, 4, 6), "layers in the encoder, and as many in the decoder"] = 2
    d_ff: Annotated[int, (128, 256, 512, 1024, 2048), "width inside the feed-forward blocks"] = 256
    dropout: Annotated[float, Range(0.0, 0.4), "share of activations dropped in training, in both stages"] = 0.1


SCHEDULES = ("linear", "cosine", "constant_with_warmup", "inverse_sqrt")


# 🔧 TUNE FT_HP: the fine-tune's optimizer and schedule, under the names of Seq2SeqTrainingArguments.
@dataclass(frozen=True)
class FinetuneHP:
    learning_rate: Annotated[float, Range(1e-6, 3e-3, log=True), "peak learning rate"] = 1e-4
    lr_scheduler_type: Annotated[str, SCHEDULES, "shape of the learning rate's schedule"] = "linear"
    warmup_steps: Annotated[float, (0, 25, 50, 100, 200), "steps of warm-up; below 1, a share of all steps"] = 50
    weight_decay: Annotated[float, Range(0.0, 0.1), "AdamW's weight decay"] = 0.0
    label_smoothing_factor: Annotated[float, Range(0.0, 0.3), "share of the target spread over the vocabulary"] = 0.1


# 🔧 TUNE in the readers' leagues: the encoder of stage A, and in stage B what stands on it.
@dataclass(frozen=True)
class ReaderHP(ModelHP):
    num_layers: Annotated[int, (1, 2, 3, 4, 6, 8), "layers in the encoder"] = 2
    activation: Annotated[str, ("relu", "gelu", "silu"), "non-linearity of the feed-forward blocks"] = "relu"


FROZEN = ("nothing", "embeddings", "all_but_last_1", "all_but_last_2", "all")
KERNELS = ("1", "2", "3", "1,2,3", "2,3,4", "3,4,5", "2,3,4,5")


@dataclass(frozen=True)
class ReaderFinetuneHP(FinetuneHP):
    conv_filters: Annotated[int, (16, 32, 64, 128, 256), "convolution filters of each width"] = 32
    kernel_sizes: Annotated[str, KERNELS, "widths of the convolutions, in tokens"] = "2,3,4"
    classifier_dropout: Annotated[float, Range(0.0, 0.6), "share of the filters' answers dropped in training"] = 0.1
    freeze: Annotated[str, FROZEN, "what of the encoder is not trained"] = "nothing"


WIDE_KERNELS = ("1,2,3", "2,3,4", "1,2,3,4", "2,3,4,5")


# 🔧 TUNE in tweets and questions-ko, whose filters read the words themselves, too.
@dataclass(frozen=True)
class WideReaderFinetuneHP(ReaderFinetuneHP):
    conv_filters: Annotated[int, (128, 256, 512, 1024), "convolution filters of each width"] = 256
    kernel_sizes: Annotated[str, WIDE_KERNELS, "widths of the convolutions, in tokens"] = "1,2,3,4"
    classifier_dropout: Annotated[float, Range(0.2, 0.7), "share of the filters' answers dropped in training"] = 0.5


REPETITIONS = ("3,0.1", "3,0.3", "3,1")
OPTIMIZERS = ("adamw_torch_fused", "adafactor", "rmsprop", "adagrad", "sgd")


# 🔧 TUNE in the summaries' leagues: FT_HP, and what moves which weights.
@dataclass(frozen=True)
class SummaryFinetuneHP(FinetuneHP):
    optim: Annotated[str, OPTIMIZERS[:2], "optimizer; rmsprop, adagrad and sgd, too"] = "adamw_torch_fused"
    adam_epsilon: Annotated[float, Range(1e-9, 1e-6, log=True), "AdamW's epsilon"] = 1e-8
    freeze: Annotated[str, FROZEN, "what of the encoder is not trained"] = "nothing"
    batch_size: Annotated[int, (8, 16, 32, 64, 128), "pairs a step; as many pairs in all, whatever the steps"] = 32


# 🔧 TUNE in a league of your own, if you like: the filters of what its stage B learns from.
@dataclass(frozen=True)
class FilteredSummaryHP(SummaryFinetuneHP):
    fewest_words: Annotated[int, (0, 1, 2, 5, 10), "words that each text has at least"] = 2
    most_words: Annotated[int, (100, 200, 400, 800, 100_000), "words that each text has at most"] = 100_000
    most_tokens: Annotated[int, (0, 40, 60, 100, 160), "tokens that each text has at most; 0: longer is cut"] = 0
    is_shorter: Annotated[int, (0, 1), "1: no summary that is as long as its text"] = 1
    repetition: Annotated[str, REPETITIONS, "n, and the share of n-grams that may have come before in a text"] = "3,1"
    duplicates: Annotated[int, (0, 1), "0: no text twice, and none of validation"] = 0


@dataclass(frozen=True)
class NothingHP:
    """Of a stage A that is a checkpoint of the Hub, nothing is tuned."""


@dataclass(frozen=True)
class PretrainedHP(SummaryFinetuneHP):
    learning_rate: Annotated[float, Range(1e-6, 1e-3, log=True), "peak learning rate"] = 1e-5


# 🔧 TUNE in the open league: all that both stages have. What stage A shares with stage B begins with its name; the
# techniques are explained in docs/open.md, and off where they are 0.
@dataclass(frozen=True)
class OpenHP(ModelHP):
    d_model: Annotated[int, (64, 128, 192, 256, 384, 512), "width of the model"] = 256
    num_layers: Annotated[int, (1, 2, 3, 4, 6), "layers in the encoder"] = 4
    d_ff: Annotated[int, (128, 256, 512, 1024, 2048), "width inside the feed-forward blocks"] = 1024
    dropout: Annotated[float, Range(0.0, 0.4), "share of activations dropped in training, in both stages"] = 0.3
    num_decoder_layers: Annotated[int, (0, 1, 2, 3, 4, 6), "layers in the decoder; 0: as many as in the encoder"] = 0
    vocab_size: Annotated[int, (2000, 4000, 6000, 8000, 10_000), "entries of the vocabulary"] = 8000
    pretrain_captions: Annotated[int, (10_000, 20_000, 29_000), "pairs of captions in stage A"] = 29_000
    pretrain_talks: Annotated[int, (0, 10_000, 20_000, 50_000, 200_000), "pairs of talks beside them"] = 0
    pretrain_steps: Annotated[int, (1000, 2000, 4000, 6000, 9000, 12_000), "steps of stage A"] = 6000
    pretrain_batch_size: Annotated[int, (32, 64, 128, 256), "pairs a step"] = 64
    pretrain_learning_rate: Annotated[float, Range(1e-4, 3e-3, log=True), "peak learning rate of stage A"] = 1e-3
    pretrain_warmup_steps: Annotated[int, (100, 200, 400, 800, 1600), "steps of warm-up of stage A"] = 400
    pretrain_decay: Annotated[float, Range(0.1, 0.9), "share of the steps, the last, in which the rate falls"] = 0.5
    pretrain_weight_decay: Annotated[float, Range(0.0, 0.1), "AdamW's weight decay in stage A"] = 0.0
    pretrain_label_smoothing_factor: Annotated[float, Range(0.0, 0.3), "the target's share spread in stage A"] = 0.1
    pretrain_ema: Annotated[float, (0, 0.99, 0.995, 0.998, 0.999), "how much the mean of weights keeps at a step"] = 0.0
    pretrain_bpe_dropout: Annotated[float, Range(0.0, 0.2), "share of the tokenizer's merges left out"] = 0.0
    pretrain_token_dropout: Annotated[float, Range(0.0, 0.2), "share of the tokens read that are hidden"] = 0.0
    pretrain_r_drop: Annotated[float, Range(0.0, 5.0), "weight of R-Drop, of two passes a step"] = 0.0


@dataclass(frozen=True)
class OpenFinetuneHP(FinetuneHP):
    learning_rate: Annotated[float, Range(1e-6, 3e-3, log=True), "peak learning rate"] = 1e-5
    captions: Annotated[int, (0, 10_000, 20_000, 29_000), "pairs of captions in stage B"] = 29_000
    talks: Annotated[int, (0, 10_000, 20_000, 50_000, 200_000), "pairs of talks beside them"] = 0
    steps: Annotated[int, (100, 200, 500, 1000, 2000), "steps of stage B"] = 200
    batch_size: Annotated[int, (32, 64, 128, 256), "pairs a step"] = 64
    ema: Annotated[float, (0, 0.99, 0.995, 0.998, 0.999), "how much the mean of weights keeps at a step"] = 0.0
    bpe_dropout: Annotated[float, Range(0.0, 0.2), "share of the tokenizer's merges left out"] = 0.0
    token_dropout: Annotated[float, Range(0.0, 0.2), "share of the tokens read that are hidden"] = 0.0
    r_drop: Annotated[float, Range(0.0, 5.0), "weight of R-Drop, of two passes a step"] = 0.0
    num_beams: Annotated[int, (1, 2, 4, 6, 8), "translations that the search keeps"] = 4
    length_penalty: Annotated[float, Range(0.0, 2.0), "power of the length that divides a score"] = 1.0


MODEL_HP = ModelHP()
FT_HP = FinetuneHP()
DEFAULT_TUNED.update(pretrain=ModelHP, finetune=FinetuneHP)

# ---- FIXED from here on. A change makes the record "open"; a change on purpose is a new league version. ----


# Settled by validation BLEU, see docs/settling.md: a narrow model would like a higher peak, a wide one fails on it.
_PRETRAIN = {
    "lr_scheduler_type": "warmup_stable_decay",
    "weight_decay": 0.0,
    "label_smoothing_factor": 0.1,
}

AING = League(
    name="aing",
    version=2,  # the same data and values as version 1, with Multi30k held to one revision
    pretrain=Stage(
        Corpus(
            name="multi30k",
            domain="captions",
            num_train_pairs=20_000,
            origin=HubFiles(
                "bentrevett/multi30k",
                "37e118600232bb5298ca011a8a7e7a44e863c36a",  # the last that changed the data
                {"train": "train.jsonl", "validation": "val.jsonl", "test": "test.jsonl"},
            ),
        ),
        {
            "max_steps": 1500,
            "learning_rate": 1e-3,
            "warmup_steps": 400,
            "lr_scheduler_kwargs": {"num_decay_steps": 600, "decay_type": "linear"},
            **_PRETRAIN,
        },
    ),
    finetune=Stage(
        Corpus(
            name="iwslt2017",
            domain="talks",
            num_train_pairs=50_000,
            origin=HubFiles(
                "IWSLT/iwslt2017",
                # The repository holds a script, which datasets no longer runs; the Hub keeps the rows as Parquet on
                # this branch, which it may write again: the contents are pinned by publish --hub.
                "refs/convert/parquet",
                {split: f"iwslt2017-de-en/{split}/0000.parquet" for split in ("train", "validation", "test")},
                nested_in="translation",
            ),
            num_validation_pairs=250,  # long, and babble until stage B: all 888 would cost more than they tell
        ),
        {"max_steps": 500},
    ),
)

# The same corpora whole: who trains the best translator in the time. Both stages may mix them.
AING_OPEN = replace(
    AING,
    name="aing-open",
    version=1,
    task="open",
    pretrain=Stage(
        replace(AING.pretrain.corpus, num_train_pairs=29_000),
        {
            **AING.pretrain.arguments,
            "max_steps": OPEN_STEPS["pretrain"],
            "lr_scheduler_kwargs": {"num_decay_steps": 3000, "decay_type": "linear"},
        },
        OpenHP,
    ),
    finetune=Stage(
        replace(
            AING.finetune.corpus,
            num_train_pairs=0,
            num_other_pairs=29_000,
            num_validation_pairs=50,
        ),
        {"max_steps": OPEN_STEPS["finetune"]},
        OpenFinetuneHP,
    ),
)

DEMO = League(
    name="demo",
    version=1,
    vocab_size=1000,
    minutes=10.0,
    pretrain=Stage(
        Corpus(
            name="captions",
            domain="captions",
            num_train_pairs=10_000,
            origin=Generated("captions", {"train": 10_000, "validation": 200, "test": 300}, seed=1),
        ),
        {
            "max_steps": 400,
            "learning_rate": 1.5e-3,
            "warmup_steps": 50,
            "lr_scheduler_kwargs": {"num_decay_steps": 200, "decay_type": "linear"},
            **_PRETRAIN,
        },
    ),
    finetune=Stage(
        Corpus(
            name="talks",
            domain="talks",
            num_train_pairs=10_000,
            origin=Generated("talks", {"train": 10_000, "validation": 200, "test": 200}, seed=2),
        ),
        {"max_steps": 300},
    ),
)

# Of BERT: 15 % of the tokens are predicted, of which 80 % are masked, 10 % random, and 10 % as they were.
_MASKING = {"share": 0.15, "masked": 0.8, "random": 0.1, "is_static": False}
_READER = {
    "source": "text",
    "metric": "accuracy",
    "task": "classify",
    "scored_on": "finetune",
    "decoding": {"batch_size": 100},
}


def _masking_stage(corpus: Corpus, steps: int, learning_rate: float, warmup: int, **reading: Any) -> Stage:
    arguments = {
        "max_steps": steps,
        "learning_rate": learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": warmup,
        "weight_decay": 0.01,
        "label_smoothing_factor": 0.0,
    }
    return Stage(corpus, arguments, ReaderHP, task="mask", metric="masked_accuracy", settings=_MASKING | reading)


DEMO_READERS = League(
    name="demo-readers",
    version=1,
    **_READER,
    target="label",
    vocab_size=800,
    max_length=64,
    minutes=10.0,
    pretrain=_masking_stage(
        Corpus("scenes", "scenes", 20_000, Generated("scenes", {"train": 20_000, "validation": 300}, seed=4)),
        steps=1500,
        learning_rate=2e-3,
        warmup=50,
    ),
    finetune=Stage(
        Corpus(
            "labelled_scenes",
            "what is going on",
            800,
            Generated("labelled scenes", {"train": 800, "validation": 300, "test": 500}, seed=5),
        ),
        {"max_steps": 150},
        ReaderFinetuneHP,
        settings={"labels": {name: name for name in ("farm", "harbor", "hospital", "kitchen", "school")}},
    ),
)

# Of BART: spans of three tokens on average are hidden, three tokens in ten, and the lines are out of order.
_DENOISING = {"share": 0.3, "mean_span": 3.0, "permutes": True}

DEMO_SUMMARIES = League(
    name="demo-summaries",
    version=2,  # of which the batch size is TUNE
    source="document",
    target="summary",
    metric="rouge",
    task="summarize",
    scored_on="finetune",
    vocab_size=1000,
    max_length=160,
    batch_size=SummaryFinetuneHP.batch_size,
    minutes=10.0,
    pretrain=Stage(
        Corpus(
            name="conversations",
            domain="conversations",
            num_train_pairs=12_000,
            origin=Generated("conversations", {"train": 12_000, "validation": 100}, seed=6),
            columns=("document",),
        ),
        DEMO.pretrain.arguments | {"optim": "adamw_torch_fused", "adam_epsilon": 1e-8},
        task="denoise",
        metric="masked_accuracy",
        settings=_DENOISING,
    ),
    finetune=Stage(
        Corpus(
            name="dialogues",
            domain="dialogues",
            num_train_pairs=10_000,
            origin=Generated("dialogues", {"train": 10_000, "validation": 100, "test": 200}, seed=7),
            columns=("document", "summary"),
        ),
        {"max_steps": 200},
        SummaryFinetuneHP,
    ),
    training={"adam_beta1": 0.9, "adam_beta2": 0.98, "max_grad_norm": 1.0},
    decoding={"num_beams": 4, "length_penalty": 1.0, "early_stopping": False, "max_length": 64, "batch_size": 50},
)


def _from_checkpoint(repo_id: str, corpus: Corpus, steps: int, **others: Any) -> League:
    """Return a league whose stage A is a checkpoint of the Hub; the clock is stage B's and the score's alone."""
    return League(
        version=2,  # of which the batch size is TUNE
        source=corpus.columns[0],
        target=corpus.columns[1],
        metric="rouge",
        task="pretrained",
        scored_on="finetune",
        batch_size=PretrainedHP.batch_size,
        pretrain=Stage(corpus, {}, NothingHP, settings={"checkpoint": repo_id, "revision": "main", "prefix": ""}),
        finetune=Stage(corpus, {"max_steps": steps}, PretrainedHP),
        training={"adam_beta1": 0.9, "adam_beta2": 0.999, "max_grad_norm": 1.0},
        **others,
    )


# The numbers of training pairs leave room for what these leave out.
_SUMMARIES = {"fewest_words": 2, "is_shorter": True, "duplicates": False}
_TABLES = {split: f"{split}.csv" for split in ("train", "validation", "test")}
_WRITING = {"num_beams": 4, "length_penalty": 1.0, "early_stopping": False, "min_length": 8, "no_repeat_ngram_size": 3}

DIALOGUES = _from_checkpoint(
    "facebook/bart-base",
    Corpus(
        name="dialogsum",
        domain="dialogues",
        num_train_pairs=12_000,
        origin=HubFiles("knkarthick/dialogsum", "main", _TABLES),
        num_validation_pairs=250,
        num_test_pairs=500,
        columns=("dialogue", "summary"),
        filters=_SUMMARIES,
    ),
    steps=1200,
    name="dialogues",
    max_length=512,
    decoding=_WRITING | {"max_length": 100, "batch_size": 32},
)

NEWS_KO = _from_checkpoint(
    "gogamza/kobart-base-v2",
    Corpus(
        name="naver-news",
        domain="news",
        num_train_pairs=21_000,
        origin=HubFiles("daekeun-ml/naver-news-summarization-ko", "main", _TABLES),
        num_validation_pairs=250,
        num_test_pairs=2740,
        columns=("document", "summary"),
        filters=_SUMMARIES,
    ),
    steps=2000,
    name="news-ko",
    max_length=1024,
    decoding=_WRITING | {"max_length": 160, "batch_size": 16},
)

_TWEETS = Divided(
    "venetis/disaster_tweets",
    "22a2cbb8371d076c42fc3b4fb712c4c6cc98412f",
    "train.csv",
    columns=("text", "target"),
    shares={"validation": 0.08, "test": 0.15},
    seed=2017,
)

TWEETS = League(
    name="tweets",
    version=3,  # of a small vocabulary, whose filters read words beside what the encoder makes of them
    **_READER,
    target="target",
    vocab_size=2000,
    pretrain=_masking_stage(
        Corpus(
            "text",
            "text",
            83_400,
            Mixture(
                (
                    Part("disaster_tweets", "text", 4_900, _TWEETS),
                    Part("multi30k", "en", 29_000, AING.pretrain.corpus.origin),
                    Part("iwslt2017", "en", 49_500, AING.finetune.corpus.origin),
                )
            ),
            num_validation_pairs=900,
        ),
        steps=4000,
        learning_rate=1e-3,
        warmup=400,
        lowercase=True,
        rewritten={r"https?://\S*": "http", r"@\w+": "@user", "&amp;": "&", "&lt;": "<", "&gt;": ">", r"\s+": " "},
    ),
    finetune=Stage(
        Corpus("disaster_tweets", "tweets", 4_900, _TWEETS),
        {"max_steps": 400},
        WideReaderFinetuneHP,
        settings={"labels": {"0": "no disaster", "1": "disaster"}, "filters_read_words": True},
    ),
)

# Comes by --data_dir: where it lies on the Hub is not settled, so that its records are open.
_QUESTIONS = HubFiles("", "main", {split: f"{split}.jsonl" for split in ("train", "validation", "test")})

QUESTIONS_KO = League(
    name="questions-ko",
    version=2,  # which reads nearly syllables, and whose filters read words beside what the encoder makes of them
    **(_READER | {"source": "question"}),
    target="label",
    vocab_size=1500,
    max_length=64,
    pretrain=_masking_stage(
        Corpus(
            "questions_and_answers",
            "conversations",
            18_000,
            Mixture(
                (
                    Part("chatbot_ko", "question", 9_000, _QUESTIONS),
                    Part("chatbot_ko", "answer", 9_000, _QUESTIONS),
                )
            ),
            num_validation_pairs=800,
        ),
        steps=3000,
        learning_rate=1e-3,
        warmup=300,
    ),
    finetune=Stage(
        Corpus("chatbot_ko", "questions", 9_000, _QUESTIONS),
        {"max_steps": 600},
        WideReaderFinetuneHP,
        settings={"labels": {"0": "everyday", "1": "parting", "2": "love"}, "filters_read_words": True},
    ),
)

_ALL = (AING, AING_OPEN, DEMO, DEMO_READERS, TWEETS, QUESTIONS_KO, DEMO_SUMMARIES, DIALOGUES, NEWS_KO)
LEAGUES = {league.name: league for league in _ALL}
