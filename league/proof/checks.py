"""Proving a record: every claim that can be checked without training is checked against the files and the data."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path

from league.data.batches import TrainingOrder
from league.data.corpora import Split
from league.errors import NotAtHand, UserError
from league.files import digest_of, is_plain
from league.hardware import device_like
from league.proof.claim import Check, Claim, quick_checks
from league.proof.data import DataAtHand
from league.proof.source import MOST_BESIDE_WEIGHTS, in_folder
from league.record.folder import read_entry
from league.record.rules import broken_rules, names_tuned
from league.record.shape import Record
from league.rulebook import STAGES, League
from league.tasks.metric import metric_of
from league.tasks.predicting import predict
from league.tasks.predictions import predictions_of
from league.tasks.task import task_of
from league.untrusted import read_json
from league_config import LEAGUES


def read_scored_entry(folder: Path) -> tuple[Record, League]:
    """Return the record of an entry that has a score, whoever made it, and the league that it plays."""
    record = read_entry(folder)
    if not record.score:
        raise UserError(f"{folder} has no score yet: evaluate_bleu.py gives it one.")
    name = record.league.name
    if name not in LEAGUES:
        raise UserError(f"{folder} plays the league {name!r}, which league_config.py does not know.")
    return record, LEAGUES[name]


def read_predictions(folder: Path, league: League) -> list[str]:
    """Return the predictions of an entry."""
    path = folder / task_of(league).predictions_file
    if not is_plain(path):
        raise UserError(f"{path} is missing.")
    try:
        return predictions_of(path.name, in_folder(folder).read(path.name))
    except ValueError as error:
        raise UserError(f"{path} {error}.") from None


def checks(folder: Path, data: DataAtHand) -> Iterator[Check]:
    """Prove a scored record, the quick checks first; what needs a file that is missing or damaged stops there."""
    record, league = read_scored_entry(folder)
    claim, failed = Claim(record, in_folder(folder), data), []
    for check in quick_checks(claim):
        failed += check.problems
        yield check
        if record.league.fixed != league.fixed():
            raise NotAtHand(
                f"{folder} was played by other fixed values than league_config.py has here: "
                "prove it with the code that it was made with."
            )
    # By what is broken, not by what the record owns up to.
    rules = {broken.rule for broken in broken_rules(record)}
    if refused := [name for name in STAGES if f"asked of {name}" in rules]:
        yield Check("the scripts take its values", [f"{name}: values with which nobody can train" for name in refused])
        return
    with needed_here():
        splits = data.splits(league.as_tuned(record.asked))
        if task_of(league).is_given:
            task_of(league).given(with_weights=False)
    yield Check("the data are those that it was trained and scored on", list(_data(record, splits)))
    if any("missing" in problem for problem in failed):
        return
    task, test = task_of(league.as_tuned(record.asked)), data.test_set(league)
    model, tokenizer = task.load_checkpoint(folder / "finetune")
    yield Check("the tokenizer is that of the training data", list(_tokenizer(folder, record, league, splits)))
    yield Check("the order of the data is the seed's", list(_order(record, league, splits, tokenizer)))
    yield Check("the weights have the structure", list(_structure(record, league, model)))
    device = device_like(record.score.device)
    task.prepare(model, on_gpu=device.type != "cpu")
    model.to(device)
    again = predict(task, model, tokenizer, task.inputs(test), "predicting again")
    differences = list(_predictions(record, league, read_predictions(folder, league), again, test))
    yield Check(f"the weights give the recorded {claim.what}", differences)


@contextmanager
def needed_here():
    """Turn what this machine lacks for a proof into something else than what is wrong with an entry."""
    try:
        yield
    except UserError as error:
        raise NotAtHand(str(error)) from None


def _data(record: Record, splits: dict[str, Split]) -> Iterator[str]:
    for name, split in splits.items():
        recorded = record.data.get(name)
        if recorded is None:
            yield f"{name} is not in the record"
            continue
        for key in ("rows", "used", "sha256"):
            if getattr(recorded, key) != split.report[key]:
                yield f"{name}: {key} is {split.report[key]} here, {getattr(recorded, key)} in the record"


def _tokenizer(folder: Path, record: Record, league: League, splits: dict[str, Split]) -> Iterator[str]:
    task, stages = task_of(league.as_tuned(record.asked, "pretrain"), "pretrain"), dict(record.stages)
    trained = task.train_tokenizer(splits[f"{league.pretrain.corpus.name}.train"])
    if task.is_given:
        del stages["pretrain"]
    with tempfile.TemporaryDirectory() as made:
        trained.save_pretrained(made)
        for stage in stages:
            for path in sorted(Path(made).iterdir()):
                if not _are_equal(path, folder / stage / path.name):
                    yield f"{stage}/{path.name} is not what the training data give"


def _are_equal(one: Path, other: Path) -> bool:
    try:
        if one.suffix != ".json":
            return is_plain(other) and digest_of(one) == digest_of(other)
        return read_json(one, MOST_BESIDE_WEIGHTS) == read_json(other, MOST_BESIDE_WEIGHTS)
    except (OSError, ValueError):
        return False


def _order(record: Record, league: League, splits: dict[str, Split], tokenizer) -> Iterator[str]:
    seed = record.asked.get("seed")
    if seed is None:
        yield "the record names no seed"
        return
    for name in ("pretrain", "finetune"):
        rules = league.as_tuned(record.asked, name)
        stage = getattr(rules, name)
        if name not in record.stages:
            yield f"the record has no {name} stage"
        if name not in record.stages or (name == "pretrain" and task_of(league).is_given):
            continue
        facts, split = record.stages[name], splits[f"{stage.corpus.name}.train"]
        with tempfile.TemporaryDirectory() as cache:
            with needed_here():
                tokens = task_of(rules, name).tokens(split, tokenizer, Path(cache))
            order = TrainingOrder(tokens, rules.batch_size, stage.arguments["max_steps"], seed)
            measured = {
                "order": order.digest(),
                "tokens": order.num_tokens(facts.steps),
                "sentences_cut": tokens.num_cut(),
                "rows_too_long": tokens.num_left_out,
            }
            yield from (
                f"{name}: {key} is {value} by seed {seed}, {getattr(facts, key)} by the record"
                for key, value in measured.items()
                if getattr(facts, key) != value
            )


def _structure(record: Record, league: League, model) -> Iterator[str]:
    for name in names_tuned(league, "pretrain"):
        built, asked = getattr(model.config, name, None), record.asked.get(name)
        if hasattr(model.config, name) and built != asked and (built or asked):  # no depth of its own is none, or 0
            yield f"{name} is {built} in the checkpoint, {asked} in the record"


def _predictions(
    record: Record, league: League, predictions: list[str], again: list[str], test: Split
) -> Iterator[str]:
    differing = [i for i, (one, other) in enumerate(zip_longest(predictions, again)) if one != other]
    if differing:
        metric = metric_of(league)
        value = metric.value(metric.statistics(again, task_of(league).references(test)).sum(0))
        yield (
            f"{len(differing)} of {len(again)} come out otherwise (the first in line {differing[0] + 1}); "
            f"scored again, {metric.LABEL} is {value:.2f}, the record says {record.score.value:.2f}; "
            f"it was made on {record.score.device} with torch {record.versions.get('torch')}"
        )
