"""Keep runs/ in a second place, such as Drive: bring back what is missing here, then copy what is new, every minute.

python -m tools.keep /content/drive/MyDrive/league
python -m tools.keep /content/drive/MyDrive/league --once
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from league.cli.options import parse_options
from league.errors import UserError, run_command
from league.record.folder import RUNS
from league.record.game_clock import BEGUN, GAMES
from league.rulebook import STAGES

EVERY = 60  # seconds: as often as a stage writes a checkpoint


@dataclass
class KeepOptions:
    once: bool = field(default=False, metadata={"help": "bring back and copy once, then end"})


def main(argv: list[str] | None = None) -> None:
    words = {"folder": {"help": "the second place, a folder that outlives this machine"}}
    options, named = parse_options(__doc__, KeepOptions, argv=argv, words=words)
    kept = Path(named.folder)
    if not kept.parent.is_dir():
        raise UserError(f"{kept.parent}: is not there; mount it first.")
    try:
        for entry in bring_back(kept):
            print(f"brought back: {entry}", flush=True)
    except OSError as error:
        raise UserError(f"cannot bring back what is in {kept}: {error.strerror or error}.") from None
    while True:
        for folder in (*entries_in(RUNS), *games_in(RUNS)):
            try:
                copy(folder, kept / folder.relative_to(RUNS), removes=folder.parent == RUNS)
            except OSError as error:
                failure = f"cannot keep {folder} in {kept}: {error.strerror or error}"
                if options.once:
                    raise UserError(f"{failure}.") from None
                print(f"{failure}; trying again in {EVERY} seconds", flush=True)
        if options.once:
            return
        time.sleep(EVERY)


def bring_back(kept: Path) -> Iterator[str]:
    """Copy what is kept and not here; refuse to choose where both places have an entry that the other has not."""
    for folder in games_in(kept):
        here = RUNS / folder.relative_to(kept)
        if (here / BEGUN).exists() and (here / BEGUN).read_bytes() != (folder / BEGUN).read_bytes():
            raise UserError(f"game {folder.name}: another one lies in {kept}; move {here} away, or name it otherwise.")
        for name in files_in(folder):
            if not (here / name).exists():  # what is here is as new as it can be
                copy_file(folder / name, here / name)
    for folder in entries_in(kept):
        here = RUNS / folder.name
        lacking = [stage for stage in STAGES if any(files_in(folder / stage)) and not (here / stage).is_dir()]
        if not (here / "record.json").exists():  # which comes last
            copy(folder, here)
            yield folder.name
        elif lacking or written(folder) > written(here) + 1:
            what = f"has its {lacking[0]} stage in {kept} and not" if lacking else f"newer in {kept} than"
            raise UserError(f"{folder.name}: {what} here; move {here} away, or name your entry otherwise.")


def entries_in(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/record.json"))


def games_in(folder: Path) -> list[Path]:
    """Return the clocks of games, to which each process adds a file of its own."""
    return sorted(path.parent for path in folder.glob(f"{GAMES}/*/{BEGUN}"))


def written(entry: Path) -> float:
    return (entry / "record.json").stat().st_mtime


def copy(source: Path, target: Path, removes: bool = True) -> None:
    """Make the files in `target` those in `source`, each written whole; what is being written comes next time."""
    # What speaks of the others is read before they are listed, and written after them: they are then all there.
    spoken = {name: read(source / name) for name in ("record.json", "clock.json") if (source / name).is_file()}
    found = set(files_in(source))
    for name in sorted(found - set(map(Path, spoken))):
        try:
            copy_file(source / name, target / name)
        except FileNotFoundError:
            continue  # renamed or removed meanwhile
    for name, (content, times) in spoken.items():
        put(target / name, len(content), times[1], partial(write_again, content, times))
    # Where a stage has ended meanwhile, its checkpoints stay until its record is here, too.
    if removes and written(source) == spoken["record.json"][1][1]:
        for name in set(files_in(target)) - found:
            (target / name).unlink(missing_ok=True)


def copy_file(source: Path, target: Path) -> None:
    now = source.stat()
    put(target, now.st_size, now.st_mtime, lambda path: shutil.copy2(source, path))


def put(target: Path, size: int, changed: float, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name first, unless it is there already, of this size and time."""
    if target.exists() and (target.stat().st_size, int(target.stat().st_mtime)) == (size, int(changed)):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.keeping")
    write(temporary)
    os.replace(temporary, target)


def read(path: Path) -> tuple[bytes, tuple[float, float]]:
    """Return a file that others replace, and its times, no newer than its content."""
    status = path.stat()
    return path.read_bytes(), (status.st_atime, status.st_mtime)


def write_again(content: bytes, times: tuple[float, float], path: Path) -> None:
    path.write_bytes(content)
    os.utime(path, times)


def files_in(folder: Path) -> Iterator[Path]:
    """Return the files under a folder, without hidden ones: caches, and what is being written."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            yield name


if __name__ == "__main__":
    run_command(main)
