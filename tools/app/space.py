"""A Hugging Face Space as a folder: the app, our code, the chosen entries, and what to install."""

import re
import shutil
from pathlib import Path

from league.errors import UserError
from league.files import is_plain, new_folder, write_text
from league.record.shape import read_record
from league.tasks.predictions import predictions_files
from tools.team import copy_code

from .folder import Folder

ROOT = Path(__file__).resolve().parents[2]
PARTS = {"README.md", "app.py", "requirements.txt", "source", "entries"}
# What the app shows of an entry; no code of it, and stage A's model only where there is no other.
FILES = ("record.json", "clock.json", "game.json", *sorted(predictions_files()))
CHECKPOINT = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
CARD = """---
title: Translation league
emoji: 🏁
colorFrom: blue
colorTo: yellow
sdk: gradio
sdk_version: {gradio}
python_version: "3.11"
app_file: app.py
pinned: false
---

A league in training small translation models from scratch: its board, a translator for each entry, their reports.
Written by `python -m tools.app --space`; `source/` holds the code, `entries/` what is shown.
"""
APP = '''"""The league's app on a Hugging Face Space."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "source"))

from tools.app.server import serve

if __name__ == "__main__":
    serve(HERE / "entries", "0.0.0.0", int(os.environ.get("GRADIO_SERVER_PORT", "7860")), allows_hub={allows_hub})
'''


def write_space(folder: Path, out: Path, names: list[str], allows_hub: bool = True) -> str:
    """Write the Space; return the command that uploads it."""
    known = Folder(folder).names()
    if missing := [name for name in names if name not in known]:
        raise UserError(f"--entries {missing[0]}: there is no such entry in {folder}.")
    if out.exists() and not (out.is_dir() and {path.name for path in out.iterdir()} <= PARTS):
        raise UserError(f"--space {out}: it holds something else than a Space of ours: take another name, or empty it.")
    chosen = names or known
    try:
        _write(folder, out.absolute(), chosen, allows_hub)
    except OSError as error:  # of several that fail in a copy, the first speaks for all
        raise UserError(f"cannot write {out}: {error.strerror or error}.") from None
    count = "1 entry" if len(chosen) == 1 else f"{len(chosen)} entries"
    return f"{count} in {out}; to upload it: hf upload YOUR_NAME/league {out} . --repo-type space"


def _write(folder: Path, out: Path, names: list[str], allows_hub: bool) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(out, is_precious=False) as space:
        pins = requirements()
        write_text(space / "README.md", CARD.format(gradio=pins["gradio"]))
        write_text(space / "app.py", APP.format(allows_hub=allows_hub))
        write_text(space / "requirements.txt", "".join(f"{name}=={version}\n" for name, version in pins.items()))
        copy_code(space / "source")
        (space / "entries").mkdir()
        for name in names:
            copy_entry(folder / name, space / "entries" / name)


def requirements() -> dict[str, str]:
    """Return the pinned packages of the app."""
    files = (ROOT / "requirements.txt", ROOT / "requirements-app.txt")
    lines = [line for file in files for line in file.read_text(encoding="utf-8").split("\n")]
    return dict(re.fullmatch(r"([\w.-]+)==([\w.+-]+)", line).groups() for line in lines if "==" in line)


def copy_entry(entry: Path, to: Path) -> None:
    """Copy what the app shows of an entry."""
    read_record(entry / "record.json")
    has_model = [stage for stage in ("finetune", "pretrain") if (entry / stage / "model.safetensors").is_file()]
    wanted = [Path(name) for name in FILES] + [Path(stage) / name for stage in has_model[:1] for name in CHECKPOINT]
    for name in wanted:
        source = entry / name
        if is_plain(source) and not source.parent.is_symlink():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, to / name)
