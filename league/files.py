"""Files that are written whole or not at all: under a temporary name, then renamed."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import UserError


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one move."""
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise UserError(f"cannot write {path}: {error.strerror}; what was there before is untouched.") from None


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file in one move."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def lock(path: Path):
    """Hold a file until this process ends, however it ends; return the handle, or None if another process has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return path.open("a+")
    handle = path.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


@contextmanager
def new_folder(path: Path):
    """Yield a temporary folder that becomes `path` when the block ends well, replacing what was there."""
    try:
        made = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}.") from None
    try:
        yield made
        made.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        made.rename(path)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def sha256_of(paths: Iterable[Path]) -> dict[str, str]:
    """Return file name -> sha256 of the content."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
