"""The data: loading, cleaning, sampling."""

import hashlib
import mmap
import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import eq
from pathlib import Path
from typing import BinaryIO

import numpy as np

from league.errors import UserError
from league_config import Corpus, Generated, HubFiles, League

CHUNK = 2_000  # pairs that are in memory together
LINE_FEED = ord("\n")


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
            where = f"in {Path(data_dir) / corpus.name}" if data_dir else "at its origin in league_config.py"
            raise UserError(f"the {split} split of {corpus.name} holds no pairs: look at its files {where}.")
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
    from league.data.demo.generate import generate_pairs

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
