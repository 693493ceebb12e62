"""Reading the rows of a corpus, from text files line by line, and from tables with `datasets`."""

import csv
import hashlib
import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from league.data.rows import CHUNK
from league.errors import UserError
from league.rulebook import Divided, HubFiles

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TABLES = (".jsonl", ".csv", ".parquet")


def read_files(folder: Path, split: str, columns: tuple[str, ...], are_lines: bool) -> Iterator[tuple[str, ...]]:
    """Read a split from a text file for each column, line by line, or from the first table that is there."""
    texts = [folder / f"{split}.{column}" for column in columns]
    if len(columns) == 1 and (plain := folder / f"{split}.txt").exists():
        return read_text_files([plain])
    table = next((path for path in (folder / f"{split}{kind}" for kind in TABLES) if path.exists()), None)
    if (are_lines or len(columns) == 1) and (table is None or any(path.exists() for path in texts)):
        return read_text_files(texts)
    if table is None:
        wanted = " or ".join(f"{split}{kind}" for kind in TABLES)
        raise UserError(f"cannot read a {split} split in {folder}; --data_dir needs {wanted} in {folder.name}.")
    return read_table(table, columns)


def read_text_files(paths: list[Path]) -> Iterator[tuple[str, ...]]:
    """Yield what stands in the same line of all files."""
    first_lonely = number = 0
    for number, row in enumerate(zip_longest(*map(read_lines, paths)), 1):
        if None not in row:
            yield row
        elif not first_lonely:
            first_lonely, ended = number, [text is None for text in row]
    if first_lonely:
        counts = [first_lonely - 1 if has_ended else number for has_ended in ended]
        raise UserError(
            f"{paths[0]} has {counts[0]} lines and {paths[1]} has {counts[1]}: line N of one must translate "
            f"line N of the other; line {first_lonely} has no partner."
        )


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file; only a line feed ends one."""
    # Not with splitlines() or the text loader of datasets: Multi30k has characters that they take for line ends.
    number, is_blank = 0, True
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "not a file")  # a pipe would be waited for
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                text = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).decode().removesuffix("\n")
                is_blank = is_blank and not text.strip()
                yield text
    except OSError as error:
        raise UserError(
            f"cannot read {path} ({error.strerror}); --data_dir needs {path.parent.name}/{path.name} in it."
        ) from None
    except UnicodeDecodeError as error:
        byte = f"0x{error.object[error.start]:02x}"
        raise UserError(f"{path}, line {number}: not valid UTF-8 (byte {byte}); save it as UTF-8.") from None
    if is_blank:
        raise UserError(f"{path} is empty.")


def read_table(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the columns' values as texts: what is no text as JSON, what is missing as an empty text."""
    read = read_json_lines if path.suffix == ".jsonl" else load_table
    for number, row in enumerate(read(path, columns), 1):
        try:
            texts = tuple(map(_as_text, row))
        except UnicodeDecodeError:
            raise UserError(f"{path}, row {number}: bytes that are no UTF-8; save its columns as texts.") from None
        yield texts


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):  # as some programs write a text into parquet
        return value.decode()
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def read_json_lines(path: Path, columns: tuple[str, ...]) -> Iterator[tuple]:
    """Yield the columns' values of a file of JSON objects, a line each; nested ones are `outer.inner`."""
    # Not with datasets: it takes a column of dates for times, and "1" for 1 where both occur.
    is_first = True
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: not a JSON object.")
        if "\\ud" in line.lower() and not _is_text(row):
            raise UserError(
                f"{path}, line {number}: half a character, such as \\ud83d without the half that follows it."
            )
        nested = [(outer, value) for outer, value in row.items() if isinstance(value, dict)]
        row |= {f"{outer}.{inner}": part for outer, value in nested for inner, part in value.items()}
        if is_first:
            check_columns(path, list(row), columns)
            is_first = False
        yield tuple(map(row.get, columns))


def _is_text(row: dict) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def load_table(path: Path, columns: tuple[str, ...]) -> Iterator[tuple]:
    """Load a CSV or parquet file with `datasets` and yield the columns' values; nested ones are `outer.inner`."""
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # it logs what it raises
    # In a cache of its own: the shared one knows a file by its name and time, not by its content.
    with TemporaryDirectory() as cache:
        try:
            if not path.is_file():
                raise ValueError("not a file")
            if path.suffix == ".parquet":
                table = datasets.Dataset.from_parquet(str(path), cache_dir=cache)
            else:
                # As it is written: "NA" and "null" are words, 007 is not 7; and a column that nobody wants may hold
                # anything.
                with path.open(encoding="utf-8-sig", newline="") as file:
                    names = next(csv.reader(file), [])
                as_written = {"converters": dict.fromkeys([*names, *columns], str), "na_filter": False}
                table = datasets.Dataset.from_csv(str(path), cache_dir=cache, **as_written)
            if "__index_level_0__" in table.column_names:  # pandas has moved the columns by one
                raise ValueError("some rows have more values than the header has names")
        except Exception as error:  # of several libraries
            raise UserError(f"cannot read {path}: {reason_of(error)}") from None
        table = table.flatten()
        check_columns(path, table.column_names, columns)
        for part in table.select_columns(list(columns)).iter(CHUNK):
            yield from zip(*map(part.get, columns), strict=True)


def check_columns(path: Path, names: list[str], columns: tuple[str, ...]) -> None:
    if not set(columns) <= set(names):
        raise UserError(f"{path} has the columns {', '.join(names)}; wanted {' and '.join(columns)}.")


def reason_of(error: Exception) -> str:
    """Return what happened, on one line."""
    error = error.__cause__ or error  # datasets wraps it
    kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    return kind + " ".join(str(error).split())[:300]


def read_hub(origin: HubFiles, split: str, columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a split's file on the Hub."""
    names = tuple(f"{origin.nested_in}.{name}".lstrip(".") for name in columns)
    return _from_hub(origin.repo_id, origin.revision, origin.files[split], names)


def read_divided(origin: Divided, split: str, columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a file on the Hub that belong to a split, without repeated and contradictory texts."""
    labels: dict[str, set[str]] = {}
    for text, label in _from_hub(origin.repo_id, origin.revision, origin.file, origin.columns):
        labels.setdefault(" ".join(text.split()), set()).add(label)
    for text, (label, *others) in labels.items():
        if not others and split_of(text, origin) == split:
            row = dict(zip(origin.columns, (text, label), strict=True))
            yield tuple(row[name] for name in columns)


def split_of(text: str, origin: Divided) -> str:
    """Return the split of a text, by a digest: the same wherever it stands in the file."""
    digest = hashlib.sha256(f"{origin.seed} {text}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    for name, share in origin.shares.items():
        if place < share:
            return name
        place -= share
    return "train"


def _from_hub(repo_id: str, revision: str, filename: str, columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import LocalEntryNotFoundError

    file = {"repo_id": repo_id, "filename": filename, "revision": revision, "repo_type": "dataset"}
    try:
        try:
            path = hf_hub_download(**file, local_files_only=True)  # once downloaded, it needs no network
        except LocalEntryNotFoundError:
            # Ask once, without retries: the download alone takes 23 seconds to give a dead network up.
            get_hf_file_metadata(hf_hub_url(**file))
            path = hf_hub_download(**file)
        yield from read_table(Path(path), columns)
    except Exception as error:  # the clients raise a dozen kinds, of several libraries
        raise UserError(
            f"cannot load {repo_id} ({filename}, revision {revision}) from the Hub: "
            f"{reason_of(error)} — use --data_dir DIR with text files, or --league demo, which needs no network."
        ) from None
