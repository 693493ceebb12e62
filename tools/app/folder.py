"""The entries of one folder: a name that a visitor gives leads to one of them, or nowhere."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from league.errors import UserError
from league.files import is_plain
from league.record.shape import Record, read_record
from league.values import is_entry_name

MOST = 10_000


class Folder:
    """A folder of entries; anyone may have written what lies in it."""

    def __init__(self, path: Path):
        self.path = path

    def names(self) -> list[str]:
        """Return the entries' names: real folders with a plain name and a record."""
        try:
            with os.scandir(self.path) as entries:
                folders = [one.name for one in entries if one.is_dir(follow_symlinks=False)]
        except OSError:
            return []
        named = sorted(name for name in folders if is_entry_name(name))
        return [name for name in named if is_plain(self.path / name / "record.json")][:MOST]

    def entry(self, name: Any) -> Path:
        """Return the folder of an entry that is there."""
        if name not in self.names():
            raise UserError(f"there is no entry {str(name)[:64]!r} any more: reload the page.")
        return self.path / name

    def public(self, error: UserError) -> str:
        """Return an error in words for visitors, who need not know where on this machine the folder lies."""
        return str(error).replace(f"{self.path}/", "")


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file does; None where there is none."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def record_of(folder: Path) -> Record:
    """Return an entry's record, read once as long as it stays the same; do not change it."""
    return _record(folder, stamp(folder / "record.json"))


@lru_cache(maxsize=1000)
def _record(folder: Path, _: tuple[int, int] | None) -> Record:
    try:
        return read_record(folder / "record.json")
    except FileNotFoundError:
        raise UserError(f"{folder / 'record.json'} is gone.") from None
