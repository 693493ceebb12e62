"""Playing entries again from their records: the three scripts, with the flags that each was played with."""

import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from league.record.folder import RUNS
from league.record.rules import values_asked
from league.record.shape import Record, read_record
from league.rulebook import STAGES, Mixture
from league.values import GAME_VARIABLE
from league_config import LEAGUES
from tools.folders import Folder, cache_folder, read_folder, write_folder
from tools.workers import MOST_LOST, Lost

ROOT = Path(__file__).resolve().parent.parent
RECORD = "record.json"


@dataclass(frozen=True)
class Replay:
    """An entry to be played in `folder`/runs."""

    entry: str
    league: str
    scripts: dict[str, list[str]]  # with their flags
    threads: dict[str, int]  # by script; without: the worker's
    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / RUNS / self.entry


@dataclass(frozen=True)
class Failed:
    """What comes of an entry that could not be played to its end."""

    reason: str


def again(record: Record, entry: str, seed: int, folder: Path, keeps_threads: bool = True) -> Replay:
    """Return how an entry is played with the values of another one's record, and each stage on as many threads."""
    league = record.league.name
    shared = ["--league", league, "--entry", entry, "--seed", str(seed)]
    scripts, threads = {}, {}
    for stage in STAGES:
        values = [f"--{name}={value}" for name, value in values_asked(record, LEAGUES[league], stage).items()]
        scripts[f"train_{stage}"] = shared + values
        threads[f"train_{stage}"] = min(256, max(1, record.stages[stage].num_threads))  # sums round by how they split
    scripts["evaluate_bleu"], threads["evaluate_bleu"] = shared, threads["train_finetune"]
    return Replay(entry, league, scripts, threads if keeps_threads else {}, folder.absolute())


def command(script: str) -> list[str]:
    """Return how a script is started."""
    return [sys.executable, str(ROOT / f"{script}.py")]


def finish(words: list[str], folder: Path, settings: dict[str, str], is_seen: bool) -> tuple[int, bytes | None]:
    """Run a command to its end; return its exit code, and its output where nobody sees it."""
    kept = {} if is_seen else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(words, cwd=folder, env=settings, **kept) as process:
        try:
            output, _ = process.communicate()
        except KeyboardInterrupt:  # which it has had, too: it saves what it has
            process.wait()
            raise
    return process.returncode, output


@dataclass
class Replays:
    """Playing entries again as a work for the workers of a team."""

    data_dir: str | None
    data: Folder | None = None  # what lies in it, where a worker cannot see it
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    command: Callable[[str], list[str]] = field(default_factory=lambda: command)
    note: Callable[[Any, Any], None] | None = None  # where no terminal sees what is printed

    def arrive(self, note: Callable[[Any, Any], None]) -> None:
        """Settle where the worker is, with the data if they were sent."""
        self.note = note
        if self.data is not None:
            self.away = cache_folder() / self.name
            self.data_dir = str(self.away / f"data-{os.getpid()}") if self.data else None
            if self.data:
                write_folder(Path(self.data_dir), self.data)

    def play(self, what: Replay) -> Folder | Failed | None:
        """Play an entry, and return its files where nobody else sees them, or why it came to no end."""
        folder = what.folder if self.data is None else self.away
        (folder / RUNS).mkdir(parents=True, exist_ok=True)
        data = ["--data_dir", self.data_dir] if self.data_dir else []
        for script, flags in what.scripts.items():
            # Practice, whatever the terminal's game is.
            settings = os.environ | {GAME_VARIABLE: ""}
            if script in what.threads:
                settings["OMP_NUM_THREADS"] = str(what.threads[script])
            if self.note:
                self.note(what.entry, script)
            # A process each: the memory of one does not add to the next one's.
            words = [*self.command(script), *flags, *data]
            code, output = finish(words, folder, settings, is_seen=not self.note)
            if code:
                return Failed(f"{script}.py ended with code {code}{last_line(output)}")
        home = folder / RUNS / what.entry
        return None if self.data is None else read_folder(home, *(path.name for path in home.iterdir()))


def last_line(output: bytes | None) -> str:
    """Return the last line that a script has printed where nobody saw it."""
    lines = [line.strip() for line in (output or b"").decode(errors="replace").splitlines() if line.strip()]
    return f" ({lines[-1].removeprefix('error: ')})" if lines else ""


def replay_all(replays: Sequence[Replay], data_dir: str | None, team: Any) -> dict[str, str]:
    """Play entries again with the workers of a team, and return why some of them came to no end.

    Where no folder is shared, each comes back once it is scored.
    """
    data_dir = data_dir and str(Path(data_dir).resolve())
    begun = [] if team.is_local else [what for what in replays if what.home.exists()]
    ended = {what.entry: Replays(data_dir).play(what) for what in begun}  # what was begun here is finished here
    failed = {entry: result.reason for entry, result in ended.items() if isinstance(result, Failed)}
    waiting = [what for what in replays if what not in begun]
    if not waiting:
        return failed
    work = Replays(data_dir, None if team.is_local else data_of(waiting, data_dir))
    team.employ(work)
    losses, began, said = Counter(), {}, {}
    while waiting or team.is_busy:
        for seat, what in zip(team.free(), list(waiting), strict=False):
            waiting.remove(what)
            began[what.entry] = time.monotonic()
            team.begin(seat, what, "play", what)
        for seat, what, result in team.wait(1.0):
            if isinstance(result, Lost):
                losses[what.entry] += 1
                if losses[what.entry] < MOST_LOST:
                    waiting.insert(0, what)
                    continue
                result = Failed(f"it has lost {MOST_LOST} workers, the last one so: {result.reason}")
            if isinstance(result, Failed):
                failed[what.entry] = result.reason
                print(f"{what.entry}: {result.reason}", flush=True)
                continue
            if result is not None:
                write_folder(what.home, result)
            if not team.is_alone:
                minutes, score = (time.monotonic() - began[what.entry]) / 60, read_record(what.home / RECORD).score
                reached = f"{score.value:.2f} " if score else ""  # not every work goes as far as a score
                print(f"{what.entry}: {reached}after {minutes:.1f} minutes on {seat.address}", flush=True)
        for entry, script in team.notes().items():
            if said.get(entry) != script:
                said[entry] = script
                print(f"{entry}: {script}.py", flush=True)
    if not team.is_local:
        team.clear(work.name)
    return failed


def data_of(replays: Sequence[Replay], data_dir: str | None) -> Folder:
    """Return the files that the leagues of entries read in a folder of data."""
    if not data_dir:
        return {}
    leagues = [LEAGUES[what.league] for what in replays]
    corpora = [getattr(league, stage).corpus for league in leagues for stage in STAGES]
    parts = [part for one in corpora for part in (one.origin.parts if isinstance(one.origin, Mixture) else [one])]
    return read_folder(Path(data_dir), *sorted({part.name for part in parts}))
