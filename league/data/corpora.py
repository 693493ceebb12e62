"""The splits of a corpus: loading, cleaning, sampling."""

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from league.data.filters import BROKEN, EMPTY, Filters
from league.data.rows import CHUNK, Rows, Texts, store, store_texts
from league.errors import TooFew, UserError
from league.rulebook import Corpus, Divided, Generated, League, Mixture


@dataclass(frozen=True)
class Split:
    """Cleaned rows of one split, and what became of those that were read, with the digest of the texts."""

    name: str
    rows: Rows = field(compare=False)
    report: dict

    def texts(self, column: str) -> Texts:
        return Texts(self.rows, column)

    @property
    def sources(self) -> Texts:
        return self.texts(self.rows.names[0])

    @property
    def targets(self) -> Texts:
        return self.texts(self.rows.names[1])


def splits_used(league: League) -> Iterator[tuple[str, Corpus, str]]:
    """Yield stage, corpus and name of every split that a league uses, the test set last."""
    for stage in ("pretrain", "finetune"):
        for name in ("train", "validation"):
            yield stage, getattr(league, stage).corpus, name
    yield league.scored_on, league.test_corpus, "test"


def load_split(league: League, corpus: Corpus, split: str, data_dir: str | None, columns: Sequence[str] = ()) -> Split:
    """Load one split, by default its sentence pairs; the training split is cleaned; the test split stays whole."""
    columns = tuple(columns or corpus.columns) or (league.source, league.target)
    if isinstance(corpus.origin, Mixture):
        return _mix(league, corpus, split, data_dir, columns)
    if split == "train" and corpus.num_other_pairs:
        return _with_others(league, corpus, data_dir, columns)
    are_lines = _are_lines(league, corpus, columns)
    origin, texts = _read(corpus, split, data_dir, columns, are_lines)
    report = {"origin": origin, "rows": 0, "dropped_one_sided": 0, "dropped_broken": 0}
    filters = _filters(league, corpus, data_dir, columns) if split == "train" else None
    most = {"train": corpus.num_train_pairs, "validation": corpus.num_validation_pairs}.get(split)
    with _writable():
        tidied = (tuple(map(tidy_line if are_lines else tidy_lines, row)) for row in texts)
        rows = store_texts(_clean(tidied, report, filters), columns)
        report["used"] = len(rows)
        if not report["rows"]:
            where = f"in {Path(data_dir) / corpus.name}" if data_dir else "at its origin in league_config.py"
            raise UserError(f"the {split} split of {corpus.name} holds no rows: look at its files {where}.")
        if split == "train" and report["used"] < league.batch_size:
            raise TooFew(
                f"the training split of {corpus.name} holds {report['used']} usable rows, fewer than one batch of "
                f"{league.batch_size}; give it more data."
            )
        if most is not None and report["used"] > most:
            rows = _sample(rows, most, league.sample_seed)
            report["used"] = most
    report["sha256"] = _digest(rows, "\t".join if are_lines else _json_of)
    return Split(f"{corpus.name}.{split}", rows, report)


def _with_others(league: League, corpus: Corpus, data_dir: str | None, columns: tuple[str, ...]) -> Split:
    """Load a training split with pairs of the other stage's corpus after its own."""
    other = next(one for one in (league.pretrain.corpus, league.finetune.corpus) if one.name != corpus.name)
    numbers = (corpus, corpus.num_train_pairs), (other, corpus.num_other_pairs)
    parts = [
        load_split(league, replace(one, num_train_pairs=number, num_other_pairs=0), "train", data_dir, columns)
        for one, number in numbers
        if number
    ]
    return _joined(f"{corpus.name}.train", parts, columns)


def _mix(league: League, corpus: Corpus, split: str, data_dir: str | None, columns: tuple[str, ...]) -> Split:
    """Load the parts of a mixture, each as a corpus of its own, one after the other into one split."""
    parts: list[Split] = []
    for part in corpus.origin.parts:
        most = -(-corpus.num_validation_pairs // len(corpus.origin.parts))
        columns_of_part = (part.column,) if corpus.columns else ()
        alone = Corpus(part.name, part.name, part.num_rows, part.origin, most, columns=columns_of_part)
        parts.append(load_split(league, alone, split, data_dir, (part.column,)))
    return _joined(f"{corpus.name}.{split}", parts, columns)


def _joined(name: str, parts: list[Split], columns: tuple[str, ...]) -> Split:
    """Return the rows of several splits, one after the other."""
    with _writable():
        texts = (zip(*map(part.texts, part.rows.names), strict=True) for part in parts)
        rows = store_texts(chain.from_iterable(texts), columns)
    counted = ("rows", "dropped_one_sided", "dropped_broken", "used")
    report = {key: sum(part.report[key] for part in parts) for key in counted}
    report |= {"origin": parts[0].report["origin"], "sha256": _digest(rows, "\t".join)}
    return Split(name, rows, report)


def gathered(split: Split, references_of: Callable[[str], list[str]]) -> Split:
    """Return a split in which a text that comes several times is one row, whose second text is a JSON list of all."""
    by_text: dict[str, list[str]] = {}
    for text, other in zip(split.sources, split.targets, strict=True):
        by_text.setdefault(text, []).extend(references_of(other))
    if len(by_text) == len(split.sources):
        return split
    pairs = ((text, json.dumps(all_, ensure_ascii=False) if all_[1:] else all_[0]) for text, all_ in by_text.items())
    with _writable():
        rows = store_texts(pairs, split.rows.names)
    counted = {"rows": len(rows), "used": len(rows), "sha256": _digest(rows, _json_of)}
    return Split(split.name, rows, split.report | counted)


@contextmanager
def _writable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write the rows to a temporary file ({error.strerror}); TMPDIR=DIR names another folder for it."
        ) from None


def _read(
    corpus: Corpus, split: str, data_dir: str | None, columns: tuple[str, ...], are_lines: bool
) -> tuple[str, Iterator[tuple[str, ...]]]:
    """Return where the rows come from, and the rows."""
    if data_dir:
        from league.data.readers import read_files

        return "files", read_files(Path(data_dir) / corpus.name, split, columns, are_lines)
    if isinstance(corpus.origin, Generated):
        return "generated", _generate(corpus.origin, split)
    if not corpus.origin.repo_id:
        raise UserError(f"{corpus.name} has no place on the Hub yet: give its files with --data_dir DIR.")
    from league.data.readers import read_divided, read_hub

    read = read_divided if isinstance(corpus.origin, Divided) else read_hub
    return "hub", read(corpus.origin, split, columns)


def _generate(origin: Generated, split: str) -> Iterator[tuple[str, ...]]:
    from league.data.demo.generate import generate_rows

    return generate_rows(origin.register, split, origin.num_pairs[split], origin.seed)


def tidy_line(text: str) -> str:
    """Make one space of any white space, as sacrebleu does too: Multi30k holds U+00A0 and stray control characters."""
    return " ".join(text.split())


def tidy_lines(text: str) -> str:
    """Tidy each line of a text: a summary may count its sentences by them."""
    return "\n".join(map(tidy_line, text.split("\n"))).strip()


def _are_lines(league: League, corpus: Corpus, columns: tuple[str, ...]) -> bool:
    """Tell whether each text of a corpus is one line."""
    return not corpus.columns and (columns == (league.source, league.target) or len(columns) == 1)


def _filters(league: League, corpus: Corpus, data_dir: str | None, columns: tuple[str, ...]) -> Filters:
    """Return the filters of a training split, which may have to know the texts that validate."""
    check_filters(corpus)
    elsewhere: Iterable[str] = ()
    if not corpus.filters.get("duplicates", True):
        elsewhere = load_split(league, corpus, "validation", data_dir, columns).sources
    return Filters(corpus.filters, elsewhere)


def check_filters(corpus: Corpus) -> None:
    """Refuse filters that cannot be."""
    try:
        Filters(corpus.filters)
    except (ValueError, re.error) as error:
        raise UserError(f"the filters of {corpus.name}: {error}.") from None


def _clean(rows: Iterable[tuple[str, ...]], report: dict, filters: Filters | None) -> Iterator[tuple[str, ...]]:
    """Yield the rows, without those that the filters leave out."""
    for report["rows"], row in enumerate(rows, 1):
        why = filters.why_not(row) if filters else ""
        if not why:
            yield row
        else:
            name = {EMPTY: "dropped_one_sided", BROKEN: "dropped_broken"}.get(why, "dropped_by_filters")
            report[name] = report.get(name, 0) + 1


def dropped(league: League, corpus: Corpus, data_dir: str | None, columns: Sequence[str]) -> dict[str, list[str]]:
    """Return what the training split's filters leave out: the rows' first texts, by the reason."""
    columns = tuple(columns)
    are_lines, filters, found = _are_lines(league, corpus, columns), _filters(league, corpus, data_dir, columns), {}
    for row in _read(corpus, "train", data_dir, columns, are_lines)[1]:
        row = tuple(map(tidy_line if are_lines else tidy_lines, row))
        if why := filters.why_not(row):
            found.setdefault(why, []).append(row[0])
    return found


def _sample(rows: Rows, most: int, seed: int) -> Rows:
    chosen = sorted(random.Random(seed).sample(range(len(rows)), most))
    sampled = rows.dataset("all").select(chosen, new_fingerprint="sampled").with_format("arrow")

    def batches() -> Iterator:
        for batch in sampled.iter(CHUNK):
            yield batch.combine_chunks()  # or each stretch of neighbours would be written as a batch of its own
            rows.release()

    return store(batches(), rows.table.schema)


def _digest(rows: Rows, line_of: Callable[[tuple[str, ...]], str]) -> str:
    """Return the sha256 of the rows, a line each."""
    digest = hashlib.sha256()
    for batch in rows.batches():
        texts = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        digest.update("".join(f"{line_of(row)}\n" for row in texts).encode())
    return digest.hexdigest()


def _json_of(row: tuple[str, ...]) -> str:
    return json.dumps(row, ensure_ascii=False)
