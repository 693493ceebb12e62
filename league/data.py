"""The data: loading, cleaning, sampling, tokenizing, and the order in which a stage sees the pairs."""

import hashlib
import json
import mmap
import os
import random
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, compress, count
from operator import eq
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import numpy as np
import torch
from torch.utils.data import Dataset

from league_config import Corpus, Generated, HubFiles, League

from .errors import UserError
from .files import digest_of

CACHE_VERSION = 2
MEGABATCH = 50  # batches that are sorted by length together
CHUNK = 2_000  # pairs that are in memory together
MAX_WORDS = 200_000  # whose ids are remembered
LINE_FEED, SPACE = b"\n "


class Pairs:
    """Pairs in a nameless file, a line each, the sides parted by a tab: memory holds only where the lines begin."""

    def __init__(self, file: BinaryIO, num_pairs: int):
        self.file = file
        self.starts = np.zeros(num_pairs + 1, dtype=np.int64)
        digest, line, position = hashlib.sha256(), 1, 0
        file.seek(0)
        while block := file.read(1 << 20):
            digest.update(block)
            ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == LINE_FEED)
            self.starts[line : line + len(ends)] = position + ends + 1
            line, position = line + len(ends), position + len(block)
        self.sha256 = digest.hexdigest()

    def __len__(self) -> int:
        return len(self.starts) - 1

    def read(self, first: int, last: int) -> bytes:
        """Return the lines from `first` to before `last`."""
        start, end = self.starts[first].item(), self.starts[last].item()
        # Mapped anew each time: no position that forks share, and nothing that was read stays in memory.
        offset = start - start % mmap.ALLOCATIONGRANULARITY
        with mmap.mmap(self.file.fileno(), end - offset, offset=offset, access=mmap.ACCESS_READ) as view:
            return view[start - offset :]

    def texts(self, first: int, last: int) -> list[str]:
        """Return the texts of these lines: a source, its target, the next source and so on."""
        return self.read(first, last).decode().replace("\t", "\n").split("\n")[:-1]


class Side(Sequence):
    """The texts of one side of some pairs, which stay in their file."""

    def __init__(self, pairs: Pairs, side: int):
        self.pairs = pairs
        self.side = side

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return [self[place] for place in range(len(self))[i]]
        place = range(len(self))[i]
        return self.pairs.texts(place, place + 1)[self.side]

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), CHUNK):
            yield from self.pairs.texts(first, min(first + CHUNK, len(self)))[self.side :: 2]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))


@dataclass(frozen=True)
class Split:
    """Cleaned pairs of one split, and what became of its rows, with the digest of the pairs."""

    name: str
    pairs: Pairs = field(compare=False)
    report: dict

    @property
    def sources(self) -> Side:
        return Side(self.pairs, 0)

    @property
    def targets(self) -> Side:
        return Side(self.pairs, 1)


def load_split(league: League, corpus: Corpus, split: str, data_dir: str | None) -> Split:
    """Load one split; the training split is cleaned; the test split stays whole."""
    if data_dir:
        origin, rows = "files", _read_text_files(Path(data_dir) / corpus.name, split, league)
    elif isinstance(corpus.origin, Generated):
        origin, rows = "generated", _generate(corpus.origin, split)
    else:
        origin, rows = "hub", _read_hub(corpus.origin, split, league)
    report = {"origin": origin, "rows": 0, "dropped_one_sided": 0, "dropped_broken": 0}
    most = {"train": corpus.num_train_pairs, "validation": corpus.num_validation_pairs}.get(split)
    try:
        file = _write_pairs(rows, report, is_cleaned=split == "train")
        report["used"] = report["rows"] - report["dropped_one_sided"] - report["dropped_broken"]
        if not report["rows"]:
            raise UserError(f"the {split} split of {corpus.name} holds no pairs.")
        if split == "train" and report["used"] < league.batch_size:
            raise UserError(
                f"the training split of {corpus.name} holds {report['used']} usable pairs, fewer than one batch of "
                f"{league.batch_size}; give it more data."
            )
        if most is not None and report["used"] > most:
            file = _sample(file, report["used"], most, league.sample_seed)
            report["used"] = most
        pairs = Pairs(file, report["used"])
    except OSError as error:
        raise UserError(
            f"cannot write the pairs to a temporary file ({error.strerror}); TMPDIR=DIR names another folder for it."
        ) from None
    return Split(f"{corpus.name}.{split}", pairs, report | {"sha256": pairs.sha256})


def _write_pairs(rows: Iterable[tuple[str, str]], report: dict, is_cleaned: bool) -> BinaryIO:
    """Write the pairs, without those that cannot teach if `is_cleaned`: a side is empty, or has a broken encoding."""
    file = tempfile.TemporaryFile()
    for report["rows"], (source, target) in enumerate(rows, 1):
        # Multi30k holds U+00A0 and stray control characters: one space for any white space, as sacrebleu does too.
        source, target = " ".join(source.split()), " ".join(target.split())
        if is_cleaned and not (source and target):
            report["dropped_one_sided"] += 1
            continue
        line = f"{source}\t{target}\n"
        if is_cleaned and ("\ufffd" in line or "\0" in line):
            report["dropped_broken"] += 1
            continue
        file.write(line.encode())
    return file


def _sample(file: BinaryIO, num_pairs: int, most: int, seed: int) -> BinaryIO:
    is_chosen = bytearray(num_pairs)
    for i in random.Random(seed).sample(range(num_pairs), most):
        is_chosen[i] = True
    file.seek(0)
    sampled = tempfile.TemporaryFile()
    sampled.writelines(compress(file, is_chosen))
    return sampled


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
    return digest.hexdigest()


def _read_text_files(folder: Path, split: str, league: League) -> Iterator[tuple[str, str]]:
    paths = [folder / f"{split}.{language}" for language in (league.source, league.target)]
    counts = [_count_lines(path) for path in paths]
    if counts[0] != counts[1]:
        raise UserError(
            f"{paths[0]} has {counts[0]} lines and {paths[1]} has {counts[1]}: line N of one must translate "
            f"line N of the other; line {min(counts) + 1} has no partner."
        )
    return zip(*(_read_lines(path) for path in paths), strict=True)


def _count_lines(path: Path) -> int:
    """Check a file to its end and return how many lines it has."""
    num_lines, is_blank, text = 0, True, ""
    for text in _read_texts(path):
        num_lines += text.count("\n")
        is_blank = is_blank and not text.strip()
    if is_blank:
        raise UserError(f"{path} is empty.")
    return num_lines + (not text.endswith("\n"))


def _read_lines(path: Path) -> Iterator[str]:
    for text in _read_texts(path):
        # Never splitlines(): Multi30k has control characters that it takes for line ends.
        yield from text.removesuffix("\n").split("\n")


def _read_texts(path: Path) -> Iterator[str]:
    """Yield the text of a file, some whole lines at a time."""
    encoding, line = "utf-8-sig", 1
    for block in _read_blocks(path):
        try:
            text = block.decode(encoding)
        except UnicodeDecodeError as error:
            data = error.object  # without a mark at its start
            line += data.count(b"\n", 0, error.start)
            byte = f"0x{data[error.start]:02x}"
            raise UserError(f"{path}, line {line}: not valid UTF-8 (byte {byte}); save it as UTF-8.") from None
        yield text
        encoding, line = "utf-8", line + block.count(b"\n")


def _read_blocks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, some whole lines at a time."""
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "not a file")  # a pipe would be waited for
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                yield block + file.readline()
    except OSError as error:
        raise UserError(
            f"cannot read {path} ({error.strerror}); --data_dir needs {path.parent.name}/{path.name} in it."
        ) from None


def _generate(origin: Generated, split: str) -> Iterator[tuple[str, str]]:
    from .corpus import generate_pairs

    return generate_pairs(origin.register, split, origin.num_pairs[split], origin.seed)


def _read_hub(origin: HubFiles, split: str, league: League) -> Iterator[tuple[str, str]]:
    import datasets
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import LocalEntryNotFoundError

    datasets.disable_progress_bars()
    file = {"repo_id": origin.repo_id, "filename": origin.files[split], "revision": origin.revision}
    file["repo_type"] = "dataset"
    name = f"{origin.repo_id} ({origin.files[split]}, revision {origin.revision})"
    remedy = "use --data_dir DIR with text files, or --league demo, which needs no network."
    try:
        try:
            path = hf_hub_download(**file, local_files_only=True)  # once downloaded, it needs no network
        except LocalEntryNotFoundError:
            # Ask once, without retries: the download alone takes 23 seconds to give a dead network up.
            get_hf_file_metadata(hf_hub_url(**file))
            path = hf_hub_download(**file)
        read = datasets.Dataset.from_parquet if path.endswith(".parquet") else datasets.Dataset.from_json
        rows = read(path).flatten()
    except Exception as error:  # the clients raise a dozen kinds, of several libraries
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"cannot load {name} from the Hub: {type(error).__name__}: {reason} — {remedy}") from None
    columns = [f"{origin.nested_in}.{side}".lstrip(".") for side in (league.source, league.target)]
    if not set(columns) <= set(rows.column_names):
        found, wanted = ", ".join(rows.column_names), " and ".join(columns)
        raise UserError(f"{name} has the columns {found}; wanted {wanted} — {remedy}")
    for part in rows.select_columns(columns).iter(CHUNK):
        yield from ((source or "", target or "") for source, target in zip(*map(part.get, columns), strict=True))


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
            raise TypeError("this tokenizer does not take each word on its own: encode whole texts in league/data.py")

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


def _token_digests(folder: Path) -> dict[str, str]:
    return {name: digest_of(folder / name) for name in ("bounds.npy", "tokens.bin")}


def encode(tokenizer, texts: list[str], max_length: int) -> list[tuple[list[int], bool]]:
    """Return for each text its ids, cut to `max_length` with <eos> kept, and whether it was cut."""
    encoded = tokenizer.backend_tokenizer.encode_batch(texts)
    return [
        (ids, False) if len(ids) <= max_length else (ids[: max_length - 1] + ids[-1:], True)
        for ids in (item.ids for item in encoded)
    ]


class TrainingOrder(Dataset):
    """The pairs in the order a stage sees them, all epochs in one row, so that nothing but the seed decides it."""

    def __init__(self, pairs: TokenizedPairs, batch_size: int, num_steps: int, seed: int):
        self.pairs = pairs
        self.batch_size = batch_size
        self.order = length_grouped_order(*pairs.lengths(), batch_size, num_steps, seed)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, i: int) -> dict[str, np.ndarray]:
        return self.pairs[self.order[i]]

    def digest(self) -> str:
        """Return the sha256 of the whole order."""
        return hashlib.sha256(self.order.astype("<i8").tobytes()).hexdigest()

    def num_tokens(self, num_steps: int) -> int:
        """Return how many tokens, without padding, the first steps hold on both sides."""
        seen = self.order[: num_steps * self.batch_size]
        return int(sum(side[seen].sum() for side in self.pairs.lengths()))


def length_grouped_order(
    source_lengths: np.ndarray, target_lengths: np.ndarray, batch_size: int, num_batches: int, seed: int
) -> np.ndarray:
    """Return the indices of `num_batches` batches of similar lengths; in an epoch each pair comes at most once."""
    batches = []
    for epoch in count():
        random_state = np.random.default_rng([seed, epoch])
        order = random_state.permutation(len(source_lengths))
        cut = []
        for first in range(0, len(order), batch_size * MEGABATCH):
            part = order[first : first + batch_size * MEGABATCH]
            # By the longer side: sorted by targets alone, a fifth to a third of all source positions were padding.
            longer = np.maximum(source_lengths[part], target_lengths[part])
            part = part[np.lexsort((source_lengths[part], longer))]
            cut += [part[i : i + batch_size] for i in range(0, len(part) - batch_size + 1, batch_size)]
        batches += [cut[i] for i in random_state.permutation(len(cut))]
        if len(batches) >= num_batches:
            return np.concatenate(batches[:num_batches])


class PairCollator:
    """Pad pairs into a batch; the model shifts the targets, because a label smoother takes the labels away from it."""

    def __init__(self, model):
        self.pad_token_id = model.config.pad_token_id
        self.shift = model.prepare_decoder_input_ids_from_labels

    def __call__(self, pairs: list[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
        input_ids = pad([pair["input_ids"] for pair in pairs], self.pad_token_id)  # B S
        labels = pad([pair["labels"] for pair in pairs], -100)  # B T
        return {
            "input_ids": input_ids,
            "attention_mask": (input_ids != self.pad_token_id).long(),
            "decoder_input_ids": self.shift(labels),
            "labels": labels,
        }


def pad(rows: list, value: int) -> torch.Tensor:
    """Stack rows of ids of different lengths, filled up to the longest."""
    padded = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for line, row in zip(padded, rows, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(padded)
