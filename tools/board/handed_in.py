"""What was handed in: folders and archives, however they are nested, read without trust in any name or size."""

import hashlib
import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from league import untrusted

RECORD = "record.json"
STAGES = ("pretrain", "finetune")
MOST_BYTES = {RECORD: untrusted.MAX_BYTES, "clock.json": 100_000, "translations.txt": 5_000_000}
MOST_WEIGHTS, MOST_BESIDE_WEIGHTS = 2_000_000_000, 50_000_000
MOST_DEPTH = 6
MOST_FOLDERS = 200_000
MOST_MEMBERS, MOST_DIRECTORY, MOST_UNPACKED = 5_000, 2_000_000, 8_000_000_000  # of an archive
MOST_LETTERS = 200
CHUNK = 1 << 20


class Refused(Exception):
    """What was handed in cannot be read; the message says why."""


def most_bytes(path: str) -> int:
    """Return how large a file of an entry may be."""
    beside = MOST_WEIGHTS if path.endswith(".safetensors") else MOST_BESIDE_WEIGHTS
    return MOST_BYTES.get(path, beside)


def is_ours(path: str) -> bool:
    """Tell whether a path, relative to an entry, is one of the files that an entry has."""
    stage, _, name = path.rpartition("/")
    return path in MOST_BYTES or stage in STAGES and re.fullmatch(r"[A-Za-z0-9_][\w.-]{0,79}", name) is not None


def shown(text: str, most: int = MOST_LETTERS) -> str:
    """Return a foreign name as something that can be printed: no control characters, no turning round of the text."""
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return text if len(text) <= most else text[: most - 1] + "…"


def name_of(parts: tuple[str, ...], fallback: str) -> str:
    """Return the name of an entry by the way to it, without what says nothing."""
    told: list[str] = []
    for part in parts:
        if part != "runs" and part not in told[-1:]:
            told.append(part)
    return shown("/".join(told) or fallback)


class HandedIn:
    """An entry that was handed in: its name, when it came, and its files."""

    name: str
    received: float
    files: frozenset[str]  # of an entry's files those that are there

    def open(self, path: str) -> BinaryIO:
        raise NotImplementedError

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file piece by piece, up to the size that it may have."""
        left = most_bytes(path)
        try:
            with self.open(path) as file:
                while chunk := file.read(min(CHUNK, left + 1)):
                    left -= len(chunk)
                    if left < 0:
                        raise Refused(f"{path} is larger than {most_bytes(path):,} bytes")
                    yield chunk
        except Refused:
            raise
        except Exception as error:  # zipfile has many, and who packs an archive by hand finds them all
            raise Refused(f"{path} cannot be read ({shown(str(error))})") from None

    def read(self, path: str) -> bytes:
        return b"".join(self.chunks(path))

    def digest(self, path: str) -> str:
        digest = hashlib.sha256()
        for chunk in self.chunks(path):
            digest.update(chunk)
        return digest.hexdigest()

    @contextmanager
    def unpacked(self) -> Iterator[Path]:
        """Yield a folder with a copy of the entry's files, and nothing else that may lie beside them."""
        with tempfile.TemporaryDirectory(prefix="board-") as made:
            folder = Path(made) / "entry"
            folder.mkdir()
            for path in sorted(self.files):
                target = folder / path
                target.parent.mkdir(exist_ok=True)
                with target.open("wb") as file:
                    file.writelines(self.chunks(path))
            yield folder


@dataclass(frozen=True)
class InFolder(HandedIn):
    name: str
    received: float
    files: frozenset[str]
    folder: str

    def open(self, path: str) -> BinaryIO:
        # Neither through a link nor from a pipe, which would never end.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        handle = os.open(os.path.join(self.folder, path), flags | getattr(os, "O_BINARY", 0))
        file = os.fdopen(handle, "rb", buffering=0)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            file.close()
            raise OSError("not a plain file")
        return file


@dataclass(frozen=True)
class InArchive(HandedIn):
    name: str
    received: float
    files: frozenset[str]
    archive: str
    prefix: str

    def open(self, path: str) -> BinaryIO:
        with zipfile.ZipFile(self.archive) as archive:
            return archive.open(self.prefix + path)


def find(source: Path) -> Iterator[HandedIn | tuple[str, str]]:
    """Yield each entry below a folder, or in an archive; or the name of what is none, and why."""
    if source.is_file() and not source.is_symlink():
        yield from in_archive(str(source), (source.stem,))
        return
    left = [MOST_FOLDERS]
    yield from _in_folder(str(source), (), source.resolve().name, left)


def _in_folder(folder: str, parts: tuple[str, ...], fallback: str, left: list[int]) -> Iterator:
    left[0] -= 1
    name = name_of(parts, fallback)
    if left[0] < 0 or len(parts) > MOST_DEPTH:
        if left[0] == -1 or len(parts) > MOST_DEPTH:
            yield name, "too many folders" if left[0] < 0 else "nested too deeply"
        return
    try:
        with os.scandir(folder) as found:
            items = sorted((item for item in found if item.name[0] != "."), key=lambda item: item.name)
    except OSError as error:
        yield name, f"cannot be read ({error.strerror})"
        return
    by_name = {item.name: item for item in items}
    if record := by_name.get(RECORD):
        if record.is_symlink() or not record.is_file():
            yield name, f"{RECORD} is not a plain file"
            return
        try:
            received, files = record.stat().st_mtime, frozenset(_files(folder, by_name))
        except OSError as error:  # not ours to read, or just being replaced
            yield name, f"cannot be read ({error.strerror})"
            return
        yield InFolder(name, received, files, folder)
        return
    for item in items:
        inner = (*parts, item.name)
        if item.is_symlink():
            yield name_of(inner, ""), "is a link, and links are not followed"
        elif item.is_dir():
            yield from _in_folder(item.path, inner, fallback, left)
        elif item.name.lower().endswith(".zip"):
            if item.is_file():
                yield from in_archive(item.path, (*parts, item.name[:-4]))
            else:
                yield name_of(inner, ""), "is not a plain file"


def _files(folder: str, items: dict[str, os.DirEntry]) -> Iterator[str]:
    yield from (name for name in MOST_BYTES if name in items and items[name].is_file(follow_symlinks=False))
    for stage in STAGES:
        if stage in items and items[stage].is_dir(follow_symlinks=False):
            with os.scandir(os.path.join(folder, stage)) as found:
                paths = [f"{stage}/{item.name}" for item in found if item.is_file(follow_symlinks=False)]
            yield from filter(is_ours, paths)


def in_archive(path: str, parts: tuple[str, ...]) -> Iterator[HandedIn | tuple[str, str]]:
    """Yield the entries of a zip archive; one that plays tricks is refused as a whole."""
    name = name_of(parts, "archive")
    try:
        members = _members(path)
    except Refused as refused:
        yield name, str(refused)
        return
    except Exception as error:
        yield name, f"is not a zip archive that can be read ({shown(str(error))})"
        return
    tops = [member[: -len(RECORD)] for member in members if member == RECORD or member.endswith(f"/{RECORD}")]
    tops = [top for top in tops if not any(top != other and top.startswith(other) for other in tops)]
    if not tops:
        yield name, f"holds no {RECORD}"
    for top in tops:
        inside = {member[len(top) :] for member in members if member.startswith(top)}
        way = (*parts, *PurePosixPath(top).parts)
        yield InArchive(name_of(way, name), os.stat(path).st_mtime, frozenset(filter(is_ours, inside)), path, top)


def _members(path: str) -> list[str]:
    """Return the names of an archive's files, if none of them is a trick."""
    _refuse_a_large_directory(path)
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise Refused(f"more than {MOST_MEMBERS:,} files")
    if sum(info.file_size for info in infos) > MOST_UNPACKED:
        raise Refused(f"unpacks to more than {MOST_UNPACKED:,} bytes")
    seen = set()
    for info in infos:
        told = info.filename
        steps = told.removesuffix("/").split("/")
        if told != info.orig_filename or not told.isprintable() or len(told) > 300 or re.search(r'[\\:*?"<>|]', told):
            raise Refused(f"a name that no entry has: {shown(info.orig_filename, 60)!r}")
        if any(step in ("", ".", "..") for step in steps):
            raise Refused(f"a path that leads elsewhere: {shown(told, 60)!r}")
        if len(steps) > MOST_DEPTH + 2:
            raise Refused("nested too deeply")
        if (key := told.removesuffix("/").casefold()) in seen:
            raise Refused(f"{shown(told, 60)!r} is in it twice")
        seen.add(key)
        if info.flag_bits & 1:
            raise Refused("encrypted")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise Refused(f"{shown(told, 60)!r} is a link, or no file at all")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(f"{shown(told, 60)!r} is packed in an unusual way")
    return [info.filename for info in infos if not info.is_dir() and not _is_litter(info.filename)]


def _is_litter(path: str) -> bool:
    return any(step == "__MACOSX" or step.startswith(".") for step in path.split("/"))


def _refuse_a_large_directory(path: str) -> None:
    # zipfile reads all of it before one can ask: millions of names would fill the memory.
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 70_000))
        tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise Refused("is not a zip archive")
    if tail[max(0, at - 20) : at].startswith(b"PK\6\7"):
        raise Refused("a zip archive of more than 4 GB, or one that says so")
    if int.from_bytes(tail[at + 12 : at + 16], "little") > MOST_DIRECTORY:
        raise Refused(f"more than {MOST_MEMBERS:,} files")
