"""A dataset on the Hub as a folder: the files of entries and archives, no others, and none that is too large."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from league.errors import UserError, printable
from league.proof.source import most_bytes

from .rows import Refusal

MOST_FILES, MOST_ARCHIVE = 100_000, 4_000_000_000
MOST_IN_ALL, MOST_NAMES = 50_000_000_000, 300


@contextmanager
def pulled(source: str, with_checkpoints: bool) -> Iterator[tuple[Path, list[Refusal]]]:
    """Yield a source as a local folder or archive, and what was left behind; a name may be a dataset's on the Hub."""
    if Path(source).exists() or not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", source):
        yield Path(source), []
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="board-") as made:
        folder = Path(made) / source.replace("/", "--")
        yield folder, pull(source, folder, with_checkpoints)


def pull(repo_id: str, folder: Path, with_checkpoints: bool) -> list[Refusal]:
    """Download what an entry is made of, and date it as the Hub does; return what is too large to be of one."""
    from huggingface_hub import HfApi, snapshot_download

    from league.hub.connection import errors_in_one_line, with_retries

    folder.mkdir()
    with errors_in_one_line(f"{repo_id} is no folder here, and cannot be pulled from the Hub"):
        api = HfApi()
        # What is looked at is what is downloaded, whatever comes in between.
        at = {"repo_type": "dataset", "revision": with_retries(lambda: api.repo_info(repo_id, repo_type="dataset")).sha}
        listed = with_retries(lambda: [*api.list_repo_tree(repo_id, recursive=True, expand=True, **at)])
        files = {file.path: file for file in listed if hasattr(file, "size")}
        most = {path: _most_bytes(path, with_checkpoints) for path in files}
        wanted = {path: file for path, file in files.items() if file.size <= most[path]}
        names = {PurePosixPath(path).name for path in wanted}
        size = sum(file.size for file in wanted.values())
        if len(files) > MOST_FILES or size > MOST_IN_ALL or len(names) > MOST_NAMES:
            raise UserError("it holds more than a league day's entries; download what is wanted, and give the folder.")
        others = [path for path in files if path not in wanted and PurePosixPath(path).name in names]
        with_retries(
            lambda: snapshot_download(
                repo_id,
                **at,
                local_dir=folder,
                allow_patterns=[pattern for name in names for pattern in (_literally(name), f"*/{_literally(name)}")],
                ignore_patterns=[_literally(path) for path in others],
            )
        )
        # Where the connection is lost the client may be content with what is there.
        if lost := [path for path in wanted if not (folder / path).is_file()]:
            raise UserError(f"{len(lost)} of {len(wanted)} files did not arrive; try again.")
    for path, file in wanted.items():
        if file.last_commit:
            when = file.last_commit.date.timestamp()
            os.utime(folder / path, (when, when))
    return [
        Refusal(printable(path), f"larger than {most[path]:,} bytes")
        for path, file in files.items()
        if 0 <= most[path] < file.size
    ]


def _most_bytes(path: str, with_checkpoints: bool) -> int:
    """Return how large a file may be that is downloaded; none that is not an entry's."""
    steps = path.split("/")
    if any(step in ("", ".", "..") for step in steps) or "\\" in path:
        return -1
    if path.lower().endswith(".zip"):
        return MOST_ARCHIVE
    if most := most_bytes(steps[-1]):
        return most
    return (with_checkpoints and most_bytes("/".join(steps[-2:]))) or -1


def _literally(text: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", text)
