"""Folders that travel between machines, and the folder in which a machine works for another one."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from league.files import new_folder

Folder = dict[str, bytes]  # a folder's files by their names in it, as they travel
CACHE = "league"  # in the user's cache on a machine of a cluster: there it works, in a folder for each command
KEPT_DAYS = 7  # of what a command has left there that was never finished: chosen, nobody resumes it later


def cache_folder() -> Path:
    """Return where this machine works for others; what was never finished goes after days."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / CACHE
    for left in folder.glob("*"):
        with suppress(FileNotFoundError):  # another worker of this machine removes it, too
            if time.time() - left.stat().st_mtime > KEPT_DAYS * 86400:
                shutil.rmtree(left, ignore_errors=True)
    return folder


def clear_cache(name: str) -> None:
    """Remove what a command that worked here for another machine has left."""
    shutil.rmtree(cache_folder() / name, ignore_errors=True)


def read_folder(folder: Path, *names: str) -> Folder:
    """Return the files of a folder that are named, and those in its folders that are."""
    paths = [path for name in names for path in (folder / name, *(folder / name).rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_folder(folder: Path, files: Folder) -> None:
    """Write a folder that came from another machine, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(folder) as made:
        for name, content in files.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(content)
