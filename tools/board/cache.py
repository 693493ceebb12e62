"""What was computed once from some content stays true of it: kept by digest, outside of anything handed in."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from league.errors import UserError
from league.files import write_bytes, write_json

CACHE = Path(".cache") / "board"


class Cache:
    """Results by the digest of what they came from. None at all where `folder` is None."""

    def __init__(self, folder: Path | None):
        self.folder = folder

    @classmethod
    def beside(cls, source: Path) -> "Cache":
        """Return the cache of this folder, unless it lies in the source: a hand-in could then bring its own proof."""
        is_inside = source.resolve() in CACHE.resolve().parents
        return cls(None if is_inside else CACHE)

    def array(self, key: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Return an array of counts, computed when first asked for."""
        path = self._path("statistics", f"{key}.npy")
        if path and path.is_file():
            try:
                return np.load(path, allow_pickle=False).astype(np.int64)
            except (OSError, ValueError, EOFError):
                pass  # damaged: made again
        value = compute()
        if path:
            file = BytesIO()
            np.save(file, value.astype(np.int32))
            self._write(write_bytes, path, file.getvalue())
        return value

    def get(self, kind: str, key: str) -> Any:
        """Return what was kept, or None."""
        path = self._path(kind, f"{key}.json")
        try:
            return json.loads(path.read_text(encoding="utf-8")) if path else None
        except (OSError, ValueError):
            return None

    def put(self, kind: str, key: str, value: Any) -> None:
        if path := self._path(kind, f"{key}.json"):
            self._write(write_json, path, value)

    def _path(self, kind: str, name: str) -> Path | None:
        return self.folder / kind / name if self.folder else None

    def _write(self, write: Callable, path: Path, value: Any) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, value)
        except (OSError, UserError):
            self.folder = None  # no cache is no misfortune
