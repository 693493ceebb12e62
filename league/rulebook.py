"""The shape of a rule book: corpora, stages, what is fixed and what is TUNE. The books are in league_config.py."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

STAGES = ("pretrain", "finetune")
GIVEN = "checkpoint.json"  # in the place of a stage A that lies on the Hub: its name, its commit, its digests
SCRIPTS = {"pretrain": "train_pretrain.py", "finetune": "train_finetune.py", "score": "evaluate_bleu.py"}
# What a stage tunes that says nothing else: league_config.py fills it with MODEL_HP's and FT_HP's classes.
DEFAULT_TUNED: dict[str, type] = {}
# TUNE values of a stage B that filter what it learns from, see league/data/filters.py.
FILTERS = ("fewest_words", "most_words", "most_tokens", "is_shorter", "repetition", "duplicates")
TECHNIQUES = ("ema", "bpe_dropout", "token_dropout", "r_drop")  # of the open league


class Range(NamedTuple):
    """A search range that is an interval; `log` searches orders of magnitude. A plain tuple lists choices."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class HubFiles:
    """Where a corpus lies on the Hub: data files by split; the languages are columns, or lie inside `nested_in`."""

    repo_id: str
    revision: str
    files: dict[str, str]
    nested_in: str = ""


@dataclass(frozen=True)
class Generated:
    """A corpus of the built-in generator."""

    register: str
    num_pairs: dict[str, int]
    seed: int


@dataclass(frozen=True)
class Divided:
    """A single file on the Hub, divided by a digest of each text once what is repeated or contradictory is out."""

    repo_id: str
    revision: str
    file: str
    columns: tuple[str, str]  # the text, and the label that tells contradictions
    shares: dict[str, float]  # of validation and test
    seed: int


@dataclass(frozen=True)
class Part:
    """A column of a corpus, as a part of a mixture: `name` is its folder under --data_dir."""

    name: str
    column: str
    num_rows: int  # of the training split
    origin: HubFiles | Divided | Generated


@dataclass(frozen=True)
class Mixture:
    """Plain text of several corpora, in the shares that their numbers of rows make."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Corpus:
    """Rows of texts: `name` is the folder under --data_dir, `domain` the word on the screen."""

    name: str
    domain: str
    num_train_pairs: int
    origin: HubFiles | Divided | Generated | Mixture
    num_validation_pairs: int = 1_000_000
    filters: dict[str, Any] = field(default_factory=dict)  # of the training split, see league/data/filters.py
    columns: tuple[str, ...] = ()  # of a table whose texts have several lines; else the league's, a line each
    num_other_pairs: int = 0  # of the other stage's corpus, which its training split has besides
    num_test_pairs: int = 0  # about, where they are more than those of validation: no rule, only time to be kept free


@dataclass(frozen=True)
class Stage:
    """A training stage: its corpus, and what it fixes of Seq2SeqTrainingArguments."""

    corpus: Corpus
    arguments: dict[str, Any]
    tuned: type | None = None  # the dataclass of its TUNE values, if not ModelHP in stage A and FinetuneHP in stage B
    task: str = ""  # its objective, if not the league's, and what it is validated by
    metric: str = ""
    settings: dict[str, Any] = field(default_factory=dict)  # what else its task fixes


@dataclass(frozen=True)
class League:
    """A rule book: all that is FIXED, and in each stage which values are TUNE."""

    name: str
    version: int
    pretrain: Stage
    finetune: Stage
    source: str = "de"
    target: str = "en"
    metric: str = "bleu"  # a module of league/tasks, or with a dot in it a module of its own
    task: str = "translate"  # likewise
    scored_on: str = "pretrain"  # the stage whose corpus holds the test set
    sample_seed: int = 2017
    vocab_size: int = 8000
    max_length: int = 128  # tokens, <eos> included, on either side
    batch_size: int = 64  # pairs a step, over all processes
    minutes: float = 120.0
    needs_game: bool = False  # whether an entry played as practice, without --game, is open
    training: dict[str, Any] = field(
        default_factory=lambda: {
            "optim": "adamw_torch_fused",
            "adam_beta1": 0.9,
            "adam_beta2": 0.98,
            "adam_epsilon": 1e-8,
            "max_grad_norm": 1.0,
        }
    )
    decoding: dict[str, Any] = field(
        default_factory=lambda: {"num_beams": 4, "length_penalty": 1.0, "early_stopping": False, "batch_size": 50}
    )

    def tuned(self, stage: str) -> type:
        """Return the dataclass of a stage's TUNE values."""
        return getattr(self, stage).tuned or DEFAULT_TUNED[stage]

    def task_in(self, stage: str) -> str:
        """Return the module of a stage's objective."""
        return getattr(self, stage).task or self.task

    def metric_in(self, stage: str) -> str:
        """Return the module of the metric that a stage is validated by."""
        return getattr(self, stage).metric or self.metric

    @property
    def test_corpus(self) -> Corpus:
        return getattr(self, self.scored_on).corpus

    @property
    def has_one_task(self) -> bool:
        """Tell whether stage B goes on with the objective of stage A, so that what they reach can be compared."""
        return self.task_in("pretrain") == self.task_in("finetune")

    def validated(self, stage: str) -> tuple[Corpus, ...]:
        """Return the corpora that a stage is validated on, the one that decides first."""
        corpora = (self.pretrain.corpus, self.finetune.corpus)
        is_one = corpora[0].name == corpora[1].name  # where stage A is a checkpoint that others have trained
        return corpora if self.has_one_task and not is_one else (getattr(self, stage).corpus,)

    def tunes(self, *names: str) -> bool:
        """Tell whether any of these is a TUNE value of stage B."""
        return any(item.name in names for item in fields(self.tuned("finetune")))

    def ranges(self, stage: str) -> dict[str, Range | tuple]:
        """Return the search range of each TUNE value of a stage that has one."""
        hints = get_type_hints(self.tuned(stage), include_extras=True)
        return {name: get_args(hint)[1] for name, hint in hints.items() if get_origin(hint) is Annotated}

    def as_tuned(self, values: dict[str, Any], stage: str = "finetune") -> "League":
        """Return the rule book as a stage plays it: with another batch size it sees as many examples in other steps.

        Where steps are TUNE the size of a batch changes nothing else, and a search that shortens the rule book shortens
        the steps that were asked for in the same proportion.
        """
        if self.tunes("steps"):
            return _opened(self, values, stage)
        if stage == "pretrain":
            return self
        played, size = self, values.get("batch_size")
        if self.tunes("batch_size") and type(size) is int and size > 0:
            steps = max(1, self.batch_size * self.finetune.arguments["max_steps"] // size)
            arguments = self.finetune.arguments | {"max_steps": steps}
            played = replace(self, batch_size=size, finetune=replace(self.finetune, arguments=arguments))
        filters = {name: values[name] for name in FILTERS if name in values and self.tunes(name)}
        if filters:
            corpus = replace(played.finetune.corpus, filters=played.finetune.corpus.filters | filters)
            played = replace(played, finetune=replace(played.finetune, corpus=corpus))
        return played

    def steps(self, stage: str, values: dict[str, Any]) -> int:
        """Return how many steps a stage takes with these values."""
        return getattr(self.as_tuned(values), stage).arguments["max_steps"]

    def fixed(self) -> dict[str, Any]:
        """Return every FIXED value as plain JSON; what came into the rule book later stays out where it is as ever."""
        values = asdict(self)
        for name in ("task", "scored_on", "needs_game"):
            if values[name] == getattr(League, name):
                del values[name]
        for stage, usual in DEFAULT_TUNED.items():
            tuned = self.tuned(stage)
            del values[stage]["corpus"]["num_test_pairs"]
            values[stage] |= {"tuned": [item.name for item in fields(tuned)]}
            if tuned is usual:
                del values[stage]["tuned"]
            for part, names in (
                (values[stage], ("task", "metric", "settings")),
                (values[stage]["corpus"], ("columns", "filters", "num_other_pairs")),
            ):
                for name in names:
                    if not part[name]:
                        del part[name]
        return json.loads(json.dumps(values))


OPEN_STEPS = {"pretrain": 6000, "finetune": 200}  # of the open rule book, whatever the start values are
_PREFIXES = {"pretrain": "pretrain_", "finetune": ""}
_OF_OPTIMIZER = ("learning_rate", "weight_decay", "label_smoothing_factor")


def _opened(league: League, values: dict[str, Any], stage: str) -> League:
    """Return the open rule book with the values of both stages, as far as they are there and are numbers."""
    numbers = {name: value for name, value in values.items() if type(value) in (int, float) and 0 <= value < 1e9}
    stages = {name: _opened_stage(league, numbers, name) for name in _PREFIXES}
    sizes = {"vocab_size": numbers.get("vocab_size"), "batch_size": numbers.get(f"{_PREFIXES[stage]}batch_size")}
    search = {name: numbers[name] for name in ("num_beams", "length_penalty") if name in numbers}
    sizes = {name: size for name, size in sizes.items() if size}
    decoding = league.decoding | search
    if decoding["num_beams"] == 1:
        decoding["length_penalty"] = 1.0  # which decides nothing there; Transformers saves no other value beside it
    return replace(league, **stages, **sizes, decoding=decoding)


def _opened_stage(league: League, numbers: dict[str, float], name: str) -> Stage:
    stage, prefix = getattr(league, name), _PREFIXES[name]
    starts = {item.name.removeprefix(prefix): item.default for item in fields(league.tuned(name))}
    asked = {key.removeprefix(prefix): value for key, value in numbers.items() if key.startswith(prefix)}
    arguments, corpus = dict(stage.arguments), stage.corpus
    share = arguments["max_steps"] / OPEN_STEPS[name]
    steps = arguments["max_steps"] = max(1, round(share * (asked.get("steps") or starts["steps"])))
    if name == "pretrain":
        asked_or_start = starts | asked
        arguments |= {key: asked_or_start[key] for key in _OF_OPTIMIZER}
        arguments["warmup_steps"] = min(steps, round(share * asked_or_start["warmup_steps"]))
        num_decay_steps = round(asked_or_start["decay"] * steps)
        arguments["lr_scheduler_kwargs"] = {"num_decay_steps": num_decay_steps, "decay_type": "linear"}
    own, other = ("captions", "talks") if name == "pretrain" else ("talks", "captions")
    pairs = {"num_train_pairs": asked.get(own), "num_other_pairs": asked.get(other)}
    corpus = replace(corpus, **{key: number for key, number in pairs.items() if number is not None})
    techniques = {key: asked[key] for key in TECHNIQUES if key in asked}
    return replace(stage, corpus=corpus, arguments=arguments, settings=stage.settings | techniques)


def fingerprint(fixed: dict[str, Any], data: dict[str, str]) -> str:
    """Return the digest of a league's FIXED values and of the data's contents (split name -> sha256)."""
    text = json.dumps([fixed, data], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
