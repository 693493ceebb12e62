"""The digest of the code that trains and scores, by which a record says what it was made with."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS_THAT_TRAIN = ("data", "tasks", "record", "run")
# Words for a verdict, pictures and trackers; values and data that the record names by themselves or their digests.
BESIDE_TRAINING = {"wording.py", "tracking.py", "attention.py", "settings.py", "readers.py"}


def code_files() -> list[Path]:
    """Return the files that train and score. TUNE values are edited in league_config.py, which is none of them."""
    scripts = [*ROOT.glob("train_*.py"), *ROOT.glob("evaluate_*.py")]
    rooms = [ROOT / "league", *(ROOT / "league" / room for room in ROOMS_THAT_TRAIN), ROOT / "modeling"]
    parts = [path for room in rooms for path in room.glob("*.py") if path.name not in BESIDE_TRAINING]
    return sorted([*scripts, *parts])


def code_digest() -> str:
    digest = hashlib.sha256()
    for path in code_files():
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
