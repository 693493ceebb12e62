"""Checkpoints under way: each lists its own files, so that one that is torn or damaged is never resumed from."""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, get_last_checkpoint

from league.files import digests_of, write_text
from league.untrusted import read_json

SEAL = "complete.json"


def seal(folder: Path, num_processes: int) -> None:
    """Mark a checkpoint as written to its end."""
    write_text(folder / SEAL, _sealed(num_processes, digests_of(folder)))


def _sealed(num_processes: int, files: dict[str, str]) -> str:
    content = {"num_processes": num_processes, "files": files}
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return json.dumps(content | {"sha256": digest}, indent=2) + "\n"


def last_complete_checkpoint(folder: Path, num_processes: int) -> str | None:
    """Return the newest checkpoint that is as it was written; remove those that are not."""
    while folder.is_dir() and (newest := get_last_checkpoint(str(folder))):
        checkpoint = Path(newest)
        wrong = damage(checkpoint)
        if wrong is None:
            before = read_json(checkpoint / SEAL)["num_processes"]
            if before != num_processes:
                _say(f"written by {before} process(es), resumed by {num_processes}: the weights will differ.")
            # One whose removal was cut short has a new time: the Trainer, which removes by time, would keep it instead.
            for other in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
                if other != checkpoint and damage(other) is not None:
                    shutil.rmtree(other)
            return newest
        if wrong:
            _say(f"{checkpoint.name} is damaged ({wrong}): resuming from the one before.")
        # Left in place it would count among those that are kept, and push out a whole one.
        shutil.rmtree(checkpoint)
    return None


def damage(checkpoint: Path) -> str | None:
    """Return what is wrong with a checkpoint: None, the file, or an empty string where a kill came before its end."""
    try:
        sealed, digests = read_json(checkpoint / SEAL), digests_of(checkpoint)
        wrong = next((name for name, digest in sealed["files"].items() if digests.get(name) != digest), None)
        # The seal is sealed too: with a digit lost, another number of processes would be believed.
        whole = _sealed(sealed["num_processes"], sealed["files"])
        return wrong or (None if (checkpoint / SEAL).read_bytes() == whole.encode() else SEAL)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return SEAL


def _say(text: str) -> None:
    if os.environ.get("RANK", "0") == "0":
        print(text, file=sys.stderr)
