"""Files that are written whole or not at all: under a temporary name, then renamed."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from league.errors import UserError

MASK = os.umask(0)  # it can only be read by setting it
os.umask(MASK)
HELD_BY_ANOTHER = (BlockingIOError, PermissionError)  # from flock: EWOULDBLOCK, on some systems EACCES


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one move."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes, is_precious: bool = True) -> None:
    """Replace a file in one move; what is not precious need not survive a power cut, and waits for no disk."""
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            if is_precious:
                os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~MASK)  # a temporary file is its owner's alone, and a page could not be served
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise UserError(f"cannot write {path}: {error.strerror}; what was there before is untouched.") from None


def write_json(path: Path, value: Any, is_precious: bool = True) -> None:
    """Replace a JSON file in one move."""
    write_bytes(path, json_bytes(value), is_precious)


def json_bytes(value: Any) -> bytes:
    """Return what a JSON file of ours holds."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


# flock itself, not the `filelock` package, which was looked at: it asks whether a file is locked only by locking it,
# exclusively and with the right to write (two who look at once would each see the other), and takes 40 ms to import.


def lock(path: Path):
    """Hold a file until this process ends, however it ends; return the handle, or None if another process has it."""
    # Not through a link: what is written here would overwrite the file behind it.
    handle = open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644), "r+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except HELD_BY_ANOTHER:
        handle.close()
        return None
    except OSError:  # a network drive without locks
        return handle
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def is_locked(path: Path) -> bool:
    """Return whether a process holds the file."""
    try:
        with path.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except HELD_BY_ANOTHER:
        return True
    except OSError:
        return False
    return False


def owner_of(path: Path) -> str:
    """Return in words who holds a lock that is taken."""
    try:
        pid = int(path.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        # The system frees a dead process's lock, unless a child that it left behind still holds the file.
        return f"a process whose parent is gone (`fuser {path}` names it)"
    return f"process {pid}"


@contextmanager
def new_folder(path: Path, is_precious: bool = True):
    """Yield a temporary folder that becomes `path` when the block ends well, replacing what was there.

    What is not precious need not survive a power cut, and waits for no disk.
    """
    try:
        made = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}.") from None
    try:
        yield made
        made.chmod(0o777 & ~MASK)
        for one in (*made.rglob("*"), made) if is_precious else ():
            flush(one)
        if path.exists():
            shutil.rmtree(path)
        made.rename(path)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def flush(path: Path) -> None:
    """Wait until a file, or the list of a folder's files, is on the disk: a power cut then leaves it whole."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not path.is_dir():  # some drives cannot wait for a folder
            raise
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove what a kill left behind of writes that were never finished."""
    for left in folder.glob(".*"):
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def digest_of(path: Path) -> str:
    """Return the sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_of(folder: Path, names: Iterable[str] | None = None) -> dict[str, str]:
    """Return file name -> sha256 of the content, for every file of a folder, or for those of these names."""
    paths = folder.iterdir() if names is None else (folder / name for name in names)
    return {path.name: digest_of(path) for path in sorted(paths) if path.is_file()}


def is_plain(path: Path) -> bool:
    """Tell whether something is a file of its own, and not a link to another."""
    return path.is_file() and not path.is_symlink()
