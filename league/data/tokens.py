"""The tokens: each split is tokenized once, on every core, and mapped from a cache ever after."""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from threading import Lock

import numpy as np
from torch.utils.data import Dataset

from league.data.corpora import CHUNK, LINE_FEED, Pairs, Split
from league.errors import UserError
from league.files import digest_of

CACHE_VERSION = 2
MAX_WORDS = 200_000  # whose ids are remembered
SPACE = ord(" ")


class TokenizedPairs(Dataset):
    """Token ids of a split, mapped from a file: pair i is tokens[bounds[2i]:bounds[2i+1]] and the stretch behind it."""

    def __init__(self, folder: Path):
        self.info = json.loads((folder / "info.json").read_text())
        self.bounds = np.load(folder / "bounds.npy", mmap_mode="r")
        self.tokens = np.memmap(folder / "tokens.bin", dtype=np.int32, mode="r")
        if self.info["version"] != CACHE_VERSION or self.info["files"] != _token_digests(folder):
            raise ValueError("not a cache of this version, or damaged")

    def __len__(self) -> int:
        return len(self.bounds) // 2

    def __getitem__(self, i: int) -> dict[str, np.ndarray]:
        start, middle, end = self.bounds[2 * i : 2 * i + 3]
        return {"input_ids": self.tokens[start:middle], "labels": self.tokens[middle:end]}

    def lengths(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lengths of all sources and of all targets."""
        sizes = np.diff(self.bounds)
        return sizes[0::2], sizes[1::2]


def tokenize_split(split: Split, tokenizer, max_length: int, cache_dir: Path) -> TokenizedPairs:
    """Tokenize a split, or map it from the cache, where it lies under the digest of all that determines it."""
    backend = tokenizer.backend_tokenizer.to_str()
    key = _digest([str(CACHE_VERSION), split.report["sha256"], backend, str(max_length)])[:32]
    folder = Path(cache_dir) / key
    try:
        return TokenizedPairs(folder)
    except (OSError, EOFError, ValueError, LookupError, TypeError):  # as many kinds as ways to be damaged
        shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(".making-*"):  # by a kill; a younger one may be somebody's work
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > 3600:
                    shutil.rmtree(left, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
        _write_tokens(split.pairs, tokenizer, max_length, made)
        try:
            made.rename(folder)
        except OSError:  # another process was first; its copy is the same
            shutil.rmtree(made)
    except OSError as error:
        raise UserError(f"cannot write the token cache {folder.parent}: {error.strerror}.") from None
    return TokenizedPairs(folder)


def _write_tokens(pairs: Pairs, tokenizer, max_length: int, folder: Path) -> None:
    words = WordIds(tokenizer)
    words.check(pairs)
    bounds, num_truncated = np.zeros(2 * len(pairs) + 1, dtype=np.int64), 0

    def tokenize(first: int) -> tuple[np.ndarray, np.ndarray, int]:
        return _cut(*words.ids_of(pairs.read(first, min(first + CHUNK, len(pairs)))), max_length)

    with open(folder / "tokens.bin", "wb") as file:
        line = 1
        for ids, sizes, num_cut in _in_threads(tokenize, range(0, len(pairs), CHUNK)):
            file.write(ids)
            bounds[line : line + len(sizes)] = sizes
            line, num_truncated = line + len(sizes), num_truncated + num_cut
    np.save(folder / "bounds.npy", np.cumsum(bounds, out=bounds))
    info = {"version": CACHE_VERSION, "max_length": max_length, "truncated": num_truncated}
    (folder / "info.json").write_text(json.dumps(info | {"files": _token_digests(folder)}))


def _in_threads(function: Callable, arguments: Iterable) -> Iterator:
    """Yield the results in order, while every core works on the next ones, but no further ahead than that."""
    num_threads = os.cpu_count() or 1
    with ThreadPoolExecutor(num_threads) as pool:
        pending = deque()
        for argument in arguments:
            pending.append(pool.submit(function, argument))
            if len(pending) > num_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


class WordIds:
    """The ids of words, each encoded once: the league's tokenizer takes each word between spaces on its own."""

    def __init__(self, tokenizer):
        self.backend = tokenizer.backend_tokenizer
        self.lock = Lock()
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self.places: dict[bytes, int] = {}  # the word with the space or line feed behind it
        self.ids, self.bounds = np.zeros(0, dtype=np.int32), np.zeros(1, dtype=np.int64)

    def check(self, pairs: Pairs) -> None:
        """Refuse another kind of tokenizer, by some pairs."""
        most = min(100, len(pairs))
        whole = self.backend.encode_batch_fast(pairs.texts(0, most))
        if self.ids_of(pairs.read(0, most))[0].tolist() != [i for item in whole for i in item.ids]:
            raise TypeError("this tokenizer does not take each word on its own: encode whole texts in league/tokens.py")

    def ids_of(self, block: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of all texts of a block of lines in a row, and how many each text has."""
        import pyarrow

        letters = np.frombuffer(block.replace(b"\t", b"\n"), dtype=np.uint8)
        ends = np.flatnonzero((letters == LINE_FEED) | (letters == SPACE)) + 1
        buffers = [None, pyarrow.py_buffer(np.append(0, ends)), pyarrow.py_buffer(letters)]
        words = pyarrow.LargeBinaryArray.from_buffers(pyarrow.large_binary(), len(ends), buffers).dictionary_encode()
        places, ids, bounds = self._look_up(words.dictionary.to_pylist())
        places = places[words.indices.to_numpy()]
        starts = bounds[places]
        sizes = bounds[places + 1] - starts
        written = np.cumsum(sizes)
        ids = ids[np.repeat(starts - written + sizes, sizes) + np.arange(written[-1])]
        return ids, np.diff(written[letters[ends - 1] == LINE_FEED], prepend=0)

    def _look_up(self, words: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the place of each word, and all ids with the bounds of the places."""
        with self.lock:
            if len(self.places) > MAX_WORDS:
                self.forget()
            if new := [word for word in words if word not in self.places]:
                encoded = self.backend.encode_batch_fast([word[:-1].decode() for word in new])
                # Only the last word of a text has <eos> behind it.
                ids = [
                    item.ids[: None if word[-1] == LINE_FEED else -1] for word, item in zip(new, encoded, strict=True)
                ]
                self.places.update(zip(new, count(len(self.places))))
                self.ids = np.append(self.ids, np.fromiter(chain.from_iterable(ids), dtype=np.int32))
                self.bounds = np.append(self.bounds, self.bounds[-1] + np.cumsum([len(word) for word in ids]))
            return np.array([self.places[word] for word in words]), self.ids, self.bounds


def _cut(ids: np.ndarray, sizes: np.ndarray, max_length: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Cut texts to `max_length` ids with <eos> kept; return the ids, the sizes and how many were cut."""
    is_long = sizes > max_length
    if not is_long.any():
        return ids, sizes, 0
    is_kept = np.ones(len(ids), dtype=bool)
    for end, size in zip(np.cumsum(sizes)[is_long], sizes[is_long], strict=True):
        is_kept[end - size + max_length - 1 : end - 1] = False
    return ids[is_kept], np.minimum(sizes, max_length), int(is_long.sum())


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
    return digest.hexdigest()


def _token_digests(folder: Path) -> dict[str, str]:
    return {name: digest_of(folder / name) for name in ("bounds.npy", "tokens.bin")}


def encode(tokenizer, texts: list[str], max_length: int) -> list[tuple[list[int], bool]]:
    """Return for each text its ids, cut to `max_length` with <eos> kept, and whether it was cut."""
    encoded = tokenizer.backend_tokenizer.encode_batch(texts)
    return [
        (ids, False) if len(ids) <= max_length else (ids[: max_length - 1] + ids[-1:], True)
        for ids in (item.ids for item in encoded)
    ]
