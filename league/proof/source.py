"""Where the files of an entry lie, in a folder or in an archive: read without trust in any name or size."""

import hashlib
import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from league.errors import UserError, printable
from league.files import is_plain
from league.rulebook import STAGES
from league.tasks.predictions import predictions_files
from league.untrusted import MAX_BYTES

RECORD, CLOCK, GAME = "record.json", "clock.json", "game.json"
# Each far beyond what the largest model or test set of a league takes.
MOST_CLOCK, MOST_PREDICTIONS, MOST_WEIGHTS, MOST_BESIDE_WEIGHTS = 100_000, 5_000_000, 2_000_000_000, 50_000_000
CHUNK = 1 << 20


class Refused(UserError):
    """What was handed in cannot be read; the message says why."""


class Unscored(Refused):
    """An entry that is still being played."""


def most_bytes(path: str) -> int | None:
    """Return how large a file of an entry may be; None for what is no file of an entry."""
    stage, _, name = path.rpartition("/")
    if not stage:
        most = {RECORD: MAX_BYTES, CLOCK: MOST_CLOCK, GAME: MAX_BYTES}
        return most.get(path, MOST_PREDICTIONS if path in predictions_files() else None)
    if stage not in STAGES or not re.fullmatch(r"[A-Za-z0-9_][\w.-]{0,79}", name):
        return None
    return MOST_WEIGHTS if name.endswith(".safetensors") else MOST_BESIDE_WEIGHTS


@dataclass(frozen=True)
class Source:
    """The files of one entry."""

    name: str
    received: float  # time
    files: frozenset[str]  # those of an entry's files that are there

    def open(self, path: str) -> BinaryIO:
        raise NotImplementedError

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file piece by piece, up to the size that it may have."""
        left = most = most_bytes(path) or MOST_BESIDE_WEIGHTS
        try:
            with self.open(path) as file:
                while chunk := file.read(min(CHUNK, left + 1)):
                    left -= len(chunk)
                    if left < 0:
                        raise Refused(f"{path} is larger than {most:,} bytes")
                    yield chunk
        except Refused:
            raise
        except Exception as error:  # zipfile has many, and who packs an archive by hand finds them all
            raise Refused(f"{path} cannot be read ({printable(str(error))})") from None

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
class InFolder(Source):
    folder: str

    def open(self, path: str) -> BinaryIO:
        # Neither through a link nor from a pipe, which would never end.
        handle = os.open(os.path.join(self.folder, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        file = os.fdopen(handle, "rb", buffering=0)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            file.close()
            raise OSError("not a plain file")
        return file


@dataclass(frozen=True)
class InArchive(Source):
    archive: str
    prefix: str

    def open(self, path: str) -> BinaryIO:
        with zipfile.ZipFile(self.archive) as archive:
            return archive.open(self.prefix + path)


def in_folder(folder: Path) -> InFolder:
    """Return an entry as it lies here, with whatever lies in its stages' folders."""
    files = [path.name for path in folder.iterdir() if most_bytes(path.name) and is_plain(path)]
    for stage in STAGES:
        if (folder / stage).is_dir():
            # Hidden ones are a file manager's; nothing loads them.
            files += [f"{stage}/{path.name}" for path in (folder / stage).iterdir() if path.name[0] != "."]
    return InFolder(folder.name, 0.0, frozenset(files), str(folder))
