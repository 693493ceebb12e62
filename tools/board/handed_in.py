"""What was handed in: the entries of folders and archives, however they are nested."""

import os
import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from league.errors import printable
from league.files import is_plain
from league.proof.source import RECORD, InArchive, InFolder, Refused, Source, most_bytes
from league.rulebook import STAGES

MOST_DEPTH = 6
MOST_FOLDERS = 200_000
MOST_MEMBERS, MOST_DIRECTORY, MOST_UNPACKED = 5_000, 2_000_000, 8_000_000_000  # of an archive


def name_of(parts: tuple[str, ...], fallback: str) -> str:
    """Return the name of an entry by the way to it, without what says nothing."""
    named: list[str] = []
    for part in parts:
        if part != "runs" and part not in named[-1:]:
            named.append(part)
    return printable("/".join(named) or fallback)


def find(source: Path) -> Iterator[Source | tuple[str, str]]:
    """Yield each entry below a folder, or in an archive; or the name of what is none, and why."""
    if is_plain(source):
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
        with os.scandir(folder) as listed:
            items = sorted((item for item in listed if item.name[0] != "."), key=lambda item: item.name)
        by_name = {item.name: item for item in items}
        record = by_name.get(RECORD)
        if record and not record.is_symlink() and record.is_file():
            yield InFolder(name, record.stat().st_mtime, frozenset(_files(folder, by_name)), folder)
            return
    except OSError as error:  # not ours to read, or just being replaced
        yield name, f"cannot be read ({error.strerror})"
        return
    if record:
        yield name, f"{RECORD} is not a plain file"
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
    yield from (name for name in items if most_bytes(name) and items[name].is_file(follow_symlinks=False))
    for stage in STAGES:
        if stage in items and items[stage].is_dir(follow_symlinks=False):
            with os.scandir(os.path.join(folder, stage)) as listed:
                paths = [f"{stage}/{item.name}" for item in listed if item.is_file(follow_symlinks=False)]
            yield from filter(most_bytes, paths)


def in_archive(path: str, parts: tuple[str, ...]) -> Iterator[Source | tuple[str, str]]:
    """Yield the entries of a zip archive; one that plays tricks is refused as a whole."""
    name = name_of(parts, "archive")
    try:
        members = _members(path)
    except Refused as refused:
        yield name, str(refused)
        return
    except Exception as error:
        yield name, f"is not a zip archive that can be read ({printable(str(error))})"
        return
    tops = [member[: -len(RECORD)] for member in members if member == RECORD or member.endswith(f"/{RECORD}")]
    tops = [top for top in tops if not any(top != other and top.startswith(other) for other in tops)]
    if not tops:
        yield name, f"holds no {RECORD}"
    for top in tops:
        inside = {member[len(top) :] for member in members if member.startswith(top)}
        way = (*parts, *PurePosixPath(top).parts)
        yield InArchive(name_of(way, name), os.stat(path).st_mtime, frozenset(filter(most_bytes, inside)), path, top)


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
        name = info.filename
        steps = name.removesuffix("/").split("/")
        if name != info.orig_filename or not name.isprintable() or len(name) > 300 or re.search(r'[\\:*?"<>|]', name):
            raise Refused(f"a name that no entry has: {printable(info.orig_filename, 60)!r}")
        if any(step in ("", ".", "..") for step in steps):
            raise Refused(f"a path that leads elsewhere: {printable(name, 60)!r}")
        if len(steps) > MOST_DEPTH + 2:
            raise Refused("nested too deeply")
        if (key := name.removesuffix("/").casefold()) in seen:
            raise Refused(f"{printable(name, 60)!r} is in it twice")
        seen.add(key)
        if info.flag_bits & 1:
            raise Refused("encrypted")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise Refused(f"{printable(name, 60)!r} is a link, or no file at all")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(f"{printable(name, 60)!r} is packed in an unusual way")
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
