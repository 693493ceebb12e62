"""The digest of the code that trains and scores, by which a record says what it was made with."""

import ast
import hashlib
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from league.rulebook import League
from league_config import AING

ROOT = Path(__file__).resolve().parents[2]
ROOMS_THAT_TRAIN = ("data", "record", "run")
# Words for a verdict, pictures and trackers; values and data that the record names by themselves or their digests.
BESIDE_TRAINING = {"wording.py", "tracking.py", "settings.py", "readers.py"}


def code_files(rules: League = AING) -> list[Path]:
    """Return the files that train and score, of tasks and metrics those that the league needs; not league_config.py."""
    scripts = [*ROOT.glob("train_*.py"), *ROOT.glob("evaluate_*.py")]
    rooms = [ROOT / "league", *(ROOT / "league" / room for room in ROOMS_THAT_TRAIN), ROOT / "modeling"]
    parts = [path for room in rooms for path in room.glob("*.py") if path.name not in BESIDE_TRAINING]
    names = {
        rules.metric,
        *(name(stage) for name in (rules.task_in, rules.metric_in) for stage in ("pretrain", "finetune")),
    }
    own = {Path(import_module(name).__file__) for name in names if "." in name}
    tasks = {ROOT / "league" / "tasks" / f"{name}.py" for name in names if "." not in name}
    waiting = [*scripts, *parts, *own, *tasks]
    while waiting:
        new = _tasks_imported_by(waiting.pop()) - tasks
        tasks |= new
        waiting += new
    return sorted([*scripts, *parts, *tasks]) + sorted(own)


@lru_cache(None)
def _tasks_imported_by(path: Path) -> frozenset[Path]:
    """Return the files of the room of tasks that a file imports, in its functions, too."""
    imports = (node.module or "" for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.ImportFrom))
    names = (name.removeprefix("league.tasks.") for name in imports if name.startswith("league.tasks."))
    return frozenset(ROOT / "league" / "tasks" / f"{name}.py" for name in names)


def code_digest(rules: League = AING) -> str:
    digest = hashlib.sha256()
    for path in code_files(rules):
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
