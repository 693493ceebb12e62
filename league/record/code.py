"""The digest of the code that trains and scores, by which a record says what it was made with."""

import hashlib
from importlib import import_module
from pathlib import Path

from league_config import League

ROOT = Path(__file__).resolve().parents[2]
ROOMS_THAT_TRAIN = ("data", "tasks", "record", "run")
# Words for a verdict, pictures and trackers; values and data that the record names by themselves or their digests.
BESIDE_TRAINING = {"wording.py", "tracking.py", "attention.py", "settings.py", "readers.py"}


def code_files(rules: League | None = None) -> list[Path]:
    """Return the files that train and score, a league's own task and metric among them; not league_config.py."""
    scripts = [*ROOT.glob("train_*.py"), *ROOT.glob("evaluate_*.py")]
    rooms = [ROOT / "league", *(ROOT / "league" / room for room in ROOMS_THAT_TRAIN), ROOT / "modeling"]
    parts = [path for room in rooms for path in room.glob("*.py") if path.name not in BESIDE_TRAINING]
    own = {name for name in (rules.task, rules.metric) if "." in name} if rules else ()
    return sorted([*scripts, *parts]) + [Path(import_module(name).__file__) for name in sorted(own)]


def code_digest(rules: League | None = None) -> str:
    digest = hashlib.sha256()
    for path in code_files(rules):
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
