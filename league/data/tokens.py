"""The tokens: a split is mapped to its token ids once, and read from a cache ever after."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from shutil import rmtree

import numpy as np
from torch.utils.data import Dataset

from league.data.corpora import Split
from league.data.rows import CHUNK, Rows
from league.errors import UserError

CACHE_VERSION = 3
COLUMNS = ("input_ids", "labels")  # of the ids of a row's texts


class Tokens(Dataset):
    """The token ids of a split, in a memory-mapped file: a row has ids by column."""

    kept: np.ndarray | None = None  # the rows that a filter by length leaves, if not all

    def __init__(self, rows: Rows, max_length: int):
        self.rows = rows
        self.max_length = max_length
        # Arrow's own columns: a row of a Dataset takes 100 microseconds, and a step fetches 64.
        self.ids = {name: rows.table[name] for name in rows.names if name != "num_cut"}

    def __len__(self) -> int:
        return len(self.rows) if self.kept is None else len(self.kept)

    def __getitem__(self, i: int) -> dict[str, np.ndarray]:
        if self.kept is not None:
            i = int(self.kept[i])
        return {name: column[i].values.to_numpy() for name, column in self.ids.items()}

    def lengths(self) -> np.ndarray:
        """Return how many ids each row has, a line for each column."""
        from pyarrow.compute import list_value_length

        parts = [[list_value_length(batch[name]).to_numpy() for name in self.ids] for batch in self.rows.batches()]
        return self._of_kept(np.concatenate(parts, axis=1))

    def num_cut(self) -> int:
        """Return how many texts were longer than `max_length`."""
        return int(self._cut().sum())

    def of_at_most(self, most: int) -> "Tokens":
        """Return the rows of which no text has more tokens, or was cut."""
        shorter = Tokens(self.rows, self.max_length)
        shorter.kept = np.flatnonzero((self.lengths() <= most).all(axis=0) & (self._cut() == 0))
        return shorter

    @property
    def num_left_out(self) -> int:
        """How many rows a filter by length leaves out."""
        return len(self.rows) - len(self)

    def left_out(self) -> np.ndarray:
        """Return the rows that a filter by length leaves out."""
        return np.setdiff1d(np.arange(len(self.rows)), self._of_kept(np.arange(len(self.rows))))

    def _cut(self) -> np.ndarray:
        return self._of_kept(np.concatenate([batch["num_cut"].to_numpy() for batch in self.rows.batches()]))

    def _of_kept(self, figures: np.ndarray) -> np.ndarray:
        return figures if self.kept is None else figures[..., self.kept]


def tokenize_split(split: Split, tokenizer, max_length: int, cache_dir: Path) -> Tokens:
    """Tokenize the texts of each row: the first becomes input_ids, a second one labels."""
    names = dict(zip(split.rows.names, COLUMNS, strict=False))

    def tokenize(rows: dict[str, list[str]]) -> dict[str, list]:
        sides = [encode(tokenizer, rows[name], max_length) for name in names]
        num_cut = [sum(was_cut for _, was_cut in row) for row in zip(*sides, strict=True)]
        ids = {name: [ids for ids, _ in side] for name, side in zip(names.values(), sides, strict=True)}
        return ids | {"num_cut": num_cut}

    key = [tokenizer.backend_tokenizer.to_str(), str(max_length)]
    return map_once(split, tokenize, max_length, key, cache_dir)


def map_once(split: Split, function: Callable, max_length: int, key: Iterable[str], cache_dir: Path) -> Tokens:
    """Map the rows of a split with `Dataset.map`; the cache keeps the result by the digest of all that decides it.

    `function` makes of rows their ids by column, and as num_cut how many texts of each were cut to `max_length`.
    """
    parts = (str(CACHE_VERSION), split.report["sha256"], *key)
    key = hashlib.sha256("".join(parts).encode()).hexdigest()[:32]
    folder = Path(cache_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear_old(folder)
        return Tokens(_read(folder, key) or _make(folder, key, split, function), max_length)
    except OSError as error:
        raise UserError(f"cannot use the token cache {folder}: {error.strerror}.") from None


def _read(folder: Path, key: str) -> Rows | None:
    """Return what was mapped before; a file's name ends in its digest, and one that is damaged is removed."""
    for path in folder.glob(f"{key}-*.arrow"):
        with path.open("rb") as file:
            if path.name == _name(key, file):
                return Rows(file)
        path.unlink(missing_ok=True)
    return None


def _make(folder: Path, key: str, split: Split, function: Callable) -> Rows:
    from datasets import Features, List, Value

    ids = {name: List(Value("int32")) for name in COLUMNS[: len(split.rows.names)]}

    def release_after(rows: dict[str, list[str]]) -> dict[str, list]:
        split.rows.release()
        return function(rows)

    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as made:
        path = Path(made) / "rows.arrow"
        split.rows.dataset(split.report["sha256"]).map(
            release_after,
            batched=True,
            batch_size=CHUNK,
            writer_batch_size=CHUNK,
            remove_columns=split.rows.names,
            features=Features(ids | {"num_cut": Value("int8")}),
            cache_file_name=str(path),
            new_fingerprint=key,
        )
        with path.open("rb") as file:
            os.replace(path, folder / _name(key, file))
            return Rows(file)


def _name(key: str, file) -> str:
    return f"{key}-{hashlib.file_digest(file, 'sha256').hexdigest()}.arrow"


def _clear_old(folder: Path) -> None:
    """Remove what kills have left; what is younger may be somebody's work."""
    for left in folder.glob(".making-*"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > 3600:
                rmtree(left, ignore_errors=True)


def encode(tokenizer, texts: list[str], max_length: int) -> list[tuple[list[int], bool]]:
    """Return for each text its ids, cut to `max_length` with <eos> kept, and whether it was cut."""
    encoded = tokenizer.backend_tokenizer.encode_batch_fast(texts)
    return [
        (ids, False) if len(ids) <= max_length else (ids[: max_length - 1] + ids[-1:], True)
        for ids in (item.ids for item in encoded)
    ]
