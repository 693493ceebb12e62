"""The data: loading, cleaning, sampling, tokenizing, and the order in which a stage sees the pairs."""

import hashlib
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from league_config import Corpus, Generated, HubFiles, League

from .errors import UserError
from .files import digest_of

CACHE_VERSION = 2
MEGABATCH = 50  # batches that are sorted by length together


@dataclass(frozen=True)
class Split:
    """Cleaned pairs of one split, and what became of its rows."""

    name: str
    sources: list[str]
    targets: list[str]
    report: dict


def load_split(league: League, corpus: Corpus, split: str, data_dir: str | None) -> Split:
    """Load one split; the training split is cleaned; the test split stays whole."""
    if data_dir:
        origin, rows = "files", _read_text_files(Path(data_dir) / corpus.name, split, league)
    elif isinstance(corpus.origin, Generated):
        origin, rows = "generated", _generate(corpus.origin, split)
    else:
        origin, rows = "hub", _read_hub(corpus.origin, split, league)
    if not rows:
        raise UserError(f"the {split} split of {corpus.name} holds no pairs.")
    report = {"origin": origin, "rows": len(rows), "dropped_one_sided": 0, "dropped_broken": 0}
    pairs = [(_squeeze(source), _squeeze(target)) for source, target in rows]
    if split == "train":
        pairs = _clean(pairs, report)
        if len(pairs) < league.batch_size:
            raise UserError(
                f"the training split of {corpus.name} holds {len(pairs)} usable pairs, fewer than one batch of "
                f"{league.batch_size}; give it more data."
            )
        pairs = _sample(pairs, corpus.num_train_pairs, league.sample_seed)
    elif split == "validation":
        pairs = _sample(pairs, corpus.num_validation_pairs, league.sample_seed)
    report["used"] = len(pairs)
    report["sha256"] = _digest(f"{source}\t{target}\n" for source, target in pairs)
    sources, targets = (list(side) for side in zip(*pairs, strict=True))
    return Split(f"{corpus.name}.{split}", sources, targets, report)


def _squeeze(text: str) -> str:
    # Multi30k holds U+00A0 and stray control characters: one space for any white space, as sacrebleu does too.
    return " ".join(text.split())


def _clean(pairs: list[tuple[str, str]], report: dict) -> list[tuple[str, str]]:
    """Drop pairs that cannot teach: a side is empty, or holds the mark of a broken encoding."""
    kept = []
    for source, target in pairs:
        if not source or not target:
            report["dropped_one_sided"] += 1
        elif "\ufffd" in source + target or "\0" in source + target:
            report["dropped_broken"] += 1
        else:
            kept.append((source, target))
    return kept


def _sample(pairs: list, most: int, seed: int) -> list:
    if len(pairs) <= most:
        return pairs
    return [pairs[i] for i in sorted(random.Random(seed).sample(range(len(pairs)), most))]


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
    return digest.hexdigest()


def _read_text_files(folder: Path, split: str, league: League) -> list[tuple[str, str]]:
    paths = [folder / f"{split}.{language}" for language in (league.source, league.target)]
    sides = [_read_lines(path) for path in paths]
    if len(sides[0]) != len(sides[1]):
        raise UserError(
            f"{paths[0]} has {len(sides[0])} lines and {paths[1]} has {len(sides[1])}: line N of one must translate "
            f"line N of the other; line {min(map(len, sides)) + 1} has no partner."
        )
    return list(zip(*sides, strict=True))


def _read_lines(path: Path) -> list[str]:
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "not a file")  # a pipe would be waited for
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read {path} ({error.strerror}); --data_dir needs {path.parent.name}/{path.name} in it."
        ) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        data = error.object  # without a mark at its start
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"0x{data[error.start]:02x}"
        raise UserError(f"{path}, line {line}: not valid UTF-8 (byte {byte}); save it as UTF-8.") from None
    # Never splitlines(): Multi30k has control characters that it takes for line ends.
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not any(line.strip() for line in lines):
        raise UserError(f"{path} is empty.")
    return lines


def _generate(origin: Generated, split: str) -> list[tuple[str, str]]:
    from .corpus import generate_pairs

    return list(generate_pairs(origin.register, split, origin.num_pairs[split], origin.seed))


def _read_hub(origin: HubFiles, split: str, league: League) -> list[tuple[str, str]]:
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
    return [(source or "", target or "") for source, target in zip(*(rows[column] for column in columns), strict=True)]


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
        _write_tokens(split, tokenizer, max_length, made)
        try:
            made.rename(folder)
        except OSError:  # another process was first; its copy is the same
            shutil.rmtree(made)
    except OSError as error:
        raise UserError(f"cannot write the token cache {folder.parent}: {error.strerror}.") from None
    return TokenizedPairs(folder)


def _write_tokens(split: Split, tokenizer, max_length: int, folder: Path, chunk: int = 10_000) -> None:
    sizes, num_truncated = [0], 0
    with open(folder / "tokens.bin", "wb") as file:
        for first in range(0, len(split.sources), chunk):
            texts = (side[first : first + chunk] for side in (split.sources, split.targets))
            sides = (encode(tokenizer, side, max_length) for side in texts)
            for pair in zip(*sides, strict=True):
                for ids, was_truncated in pair:
                    sizes.append(len(ids))
                    num_truncated += was_truncated
                    file.write(np.asarray(ids, dtype=np.int32).tobytes())
    np.save(folder / "bounds.npy", np.cumsum(sizes))
    info = {"version": CACHE_VERSION, "max_length": max_length, "truncated": num_truncated}
    (folder / "info.json").write_text(json.dumps(info | {"files": _token_digests(folder)}))


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
            part = part[np.lexsort((source_lengths[part], target_lengths[part]))]
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
