"""Proving a record: every claim that can be checked without training is checked against the files and the data."""

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from league.data.batches import TrainingOrder
from league.data.corpora import Split, load_split
from league.data.tokens import tokenize_split
from league.errors import NotAtHand, UserError
from league.hardware import device_like
from league.record.clock import Clock
from league.record.folder import CHECKPOINT, differing_files, is_plain, read_entry
from league.record.rules import STRUCTURE, clock_problems, verdict_problems
from league.tasks.predicting import predict
from league.tasks.scoring import score
from league.tasks.task import task_of
from league.untrusted import read_json
from league_config import LEAGUES, League

MAX_BYTES = 50_000_000


class Check(NamedTuple):
    """What was looked at, and what is wrong with it, if anything."""

    name: str
    problems: list[str]


def read_scored_entry(folder: Path) -> tuple[dict[str, Any], League]:
    """Return the record of an entry that has a score, whoever made it, and the league that it plays."""
    record = read_entry(folder)
    if "score" not in record:
        raise UserError(f"{folder} has no score yet: evaluate_bleu.py gives it one.")
    name = record["league"]["name"]
    if name not in LEAGUES:
        raise UserError(f"{folder} plays the league {name!r}, which league_config.py does not know.")
    return record, LEAGUES[name]


def read_translations(folder: Path) -> list[str]:
    """Return the hypotheses of an entry."""
    path = folder / "translations.txt"
    if not is_plain(path):
        raise UserError(f"{path} is missing.")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path} is larger than any translation of a test set.")
    try:
        return path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not valid UTF-8 ({error.reason} at byte {error.start}).") from None


def checks(folder: Path, data_dir: str | None) -> Iterator[Check]:
    """Prove a scored record, the quick checks first; what needs a file that is missing or damaged stops there."""
    record, league = read_scored_entry(folder)
    yield Check("the verdict follows from the rules", list(verdict_problems(record)))
    if record["league"]["fixed"] != league.fixed():
        raise NotAtHand(
            f"{folder} was played by other fixed values than league_config.py has here: "
            "prove it with the code that it was made with."
        )
    wrong = list(_files(folder, record))
    yield Check("the files are those that the record describes", wrong)
    yield Check("the clock is the record's", list(_clock(folder, record)))
    splits = {}
    yield Check("the data are those that it was trained and scored on", list(_data(record, league, data_dir, splits)))
    if any("missing" in problem for problem in wrong):
        return
    hypotheses, test = read_translations(folder), splits[f"{league.pretrain.corpus.name}.test"]
    yield Check("the score is that of the translations", list(_score(record, league, hypotheses, test)))
    model, tokenizer = task_of(league).load_checkpoint(folder / "finetune")
    yield Check("the tokenizer is that of the training data", list(_tokenizer(folder, record, league, splits)))
    yield Check("the order of the data is the seed's", list(_order(record, league, splits, tokenizer)))
    yield Check("the weights have the structure", list(_structure(record, model)))
    device = device_like(record["score"]["device"])
    task_of(league).prepare(model, on_gpu=device.type != "cpu")
    model.to(device)
    again = predict(task_of(league), model, tokenizer, test.sources, "predicting again")
    yield Check("the weights translate as recorded", list(_translations(record, hypotheses, again, test, league)))


@contextmanager
def needed_here():
    """Tell what this machine lacks for a proof apart from what is wrong with an entry."""
    try:
        yield
    except UserError as error:
        raise NotAtHand(str(error)) from None


def _files(folder: Path, record: dict[str, Any]) -> Iterator[str]:
    for stage, facts in record["stages"].items():
        for name in CHECKPOINT:
            if name not in facts["sha256"]:
                yield f"the record does not name {stage}/{name}"
        yield from differing_files(folder / stage, facts["sha256"])
        if (folder / stage).is_dir():
            for path in sorted((folder / stage).iterdir()):
                if path.name not in facts["sha256"]:
                    yield f"{stage}/{path.name} is there, and not in the record"
    if set(record["score"]["sha256"]) != {"translations.txt"}:
        yield "the record does not name translations.txt alone as what was scored"
    yield from differing_files(folder, record["score"]["sha256"])


def _clock(folder: Path, record: dict[str, Any]) -> Iterator[str]:
    path = folder / "clock.json"
    if not is_plain(path):
        yield "clock.json is missing"
        return
    clock = Clock(path, record["clock"]["limit"], writes=False)
    yield from clock_problems(clock.spent, record)


def _data(record: dict, league: League, data_dir: str | None, splits: dict[str, Split]) -> Iterator[str]:
    wanted = [
        (league.pretrain.corpus, ("train", "validation", "test")),
        (league.finetune.corpus, ("train", "validation")),
    ]
    for corpus, names in wanted:
        for name in names:
            with needed_here():
                split = load_split(league, corpus, name, data_dir)
            splits[split.name] = split
            told = record["data"].get(split.name)
            if told is None:
                yield f"{split.name} is not in the record"
            for key in ("rows", "used", "sha256"):
                if told and told[key] != split.report[key]:
                    yield f"{split.name}: {key} is {split.report[key]} here, {told[key]} in the record"


def _score(record: dict[str, Any], league: League, hypotheses: list[str], test: Split) -> Iterator[str]:
    if len(hypotheses) != len(test.targets):
        yield f"translations.txt has {len(hypotheses)} lines, the test set {len(test.targets)}"
        return
    for name, value in score(league, hypotheses, test.targets).items():
        told = record["score"].get(name)
        pairs = zip(value, told, strict=True) if isinstance(value, list) else [(value, told)]
        if not all(_close(one, other) for one, other in pairs):
            yield f"{name} is {value} by the translations, {told} by the record"


def _close(one: Any, other: Any) -> bool:
    numbers = isinstance(one, float) and isinstance(other, int | float)
    return math.isclose(one, other, rel_tol=1e-7, abs_tol=1e-9) if numbers else one == other


def _tokenizer(folder: Path, record: dict, league: League, splits: dict[str, Split]) -> Iterator[str]:
    from modeling import train_tokenizer

    captions = splits[f"{league.pretrain.corpus.name}.train"]
    trained = train_tokenizer(chain(captions.sources, captions.targets), league.vocab_size, league.max_length)
    with tempfile.TemporaryDirectory() as made:
        trained.save_pretrained(made)
        for stage in record["stages"]:
            for name in ("tokenizer.json", "tokenizer_config.json"):
                try:
                    is_same = read_json(Path(made) / name, MAX_BYTES) == read_json(folder / stage / name, MAX_BYTES)
                except (OSError, ValueError):
                    is_same = False
                if not is_same:
                    yield f"{stage}/{name} is not what the training data give"


def _order(record: dict, league: League, splits: dict[str, Split], tokenizer) -> Iterator[str]:
    seed = record["asked"].get("seed")
    if seed is None:
        yield "the record names no seed"
        return
    for name, stage in (("pretrain", league.pretrain), ("finetune", league.finetune)):
        if name not in record["stages"]:
            yield f"the record has no {name} stage"
            continue
        facts, split = record["stages"][name], splits[f"{stage.corpus.name}.train"]
        with tempfile.TemporaryDirectory() as cache:
            with needed_here():
                tokens = tokenize_split(split, tokenizer, league.max_length, Path(cache))
            order = TrainingOrder(tokens, league.batch_size, stage.arguments["max_steps"], seed)
            found = {
                "order": order.digest(),
                "tokens": order.num_tokens(facts["steps"]),
                "sentences_cut": tokens.num_cut(),
            }
            yield from (
                f"{name}: {key} is {value} by seed {seed}, {facts[key]} by the record"
                for key, value in found.items()
                if facts[key] != value
            )


def _structure(record: dict[str, Any], model) -> Iterator[str]:
    for name in STRUCTURE:
        built, told = getattr(model.config, name), record["asked"].get(name)
        if built != told:
            yield f"{name} is {built} in the checkpoint, {told} in the record"


def _translations(record: dict, hypotheses: list[str], again: list[str], test: Split, league: League) -> Iterator[str]:
    differing = [i for i, (one, other) in enumerate(zip_longest(hypotheses, again)) if one != other]
    if differing:
        bleu = score(league, again, test.targets)["bleu"]
        yield (
            f"{len(differing)} of {len(again)} sentences come out otherwise (the first in line {differing[0] + 1}); "
            f"scored anew, BLEU is {bleu:.2f}, the record says {record['score']['bleu']:.2f}; "
            f"it was made on {record['score']['device']} with torch {record['versions'].get('torch')}"
        )
