"""Playing an entry anew from its record: the three scripts, with the flags that it was played with."""

from pathlib import Path
from typing import Any

import evaluate_bleu
import train_finetune
import train_pretrain
from league.rules import SCHEDULE, STRUCTURE


def replay(asked: dict[str, Any], entry: str, seed: int, data_dir: str | None) -> None:
    """Play an entry with the values of another one's record, in runs/ of the current folder."""
    shared = ["--league", asked["league"], "--entry", entry, "--seed", str(seed)]
    if data_dir:
        shared += ["--data_dir", str(Path(data_dir).resolve())]
    train_pretrain.main(shared + flags(asked, STRUCTURE))
    train_finetune.main(shared + flags(asked, SCHEDULE))
    evaluate_bleu.main(shared)


def flags(asked: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    """Return the flags that ask for these values."""
    return [word for name in names for word in (f"--{name}", str(asked[name]))]
