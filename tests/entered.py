"""Play a script and note which files of ours it has entered: `python tests/entered.py train_pretrain --league demo`.

Prints their names at the first training step, and leaves them in SCRIPT.first_step.json; so for the moments `score`,
when the predictions are saved, and `end`.
"""

import importlib
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def entered() -> list[str]:
    """Return the files of ours that have been imported; an empty one has nothing to enter."""
    paths = {Path(module.__file__) for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
    ours = [path for path in paths if path.is_relative_to(ROOT) and ".venv" not in path.parts and path.stat().st_size]
    return sorted(path.relative_to(ROOT).as_posix() for path in ours if path != Path(__file__).resolve())


def main(script: str, *flags: str) -> None:
    folder = Path.cwd()

    def note(moment: str) -> list[str]:
        names = entered()
        (folder / f"{script}.{moment}.json").write_text(json.dumps(names))
        return names

    def on_rename(event: str, arguments: tuple) -> None:
        if event == "os.rename" and os.path.basename(arguments[1]) == "translations.txt":
            note("score")

    sys.addaudithook(on_rename)
    note_first_step(lambda: print(*note("first_step"), sep="\n", file=sys.stderr))
    if "tiny" in flags:
        importlib.import_module("play")
    importlib.import_module(script).main(list(flags))
    note("end")


def note_first_step(note) -> None:
    from transformers import TrainerCallback
    from transformers.trainer import DEFAULT_CALLBACKS

    class FirstStep(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if not state.global_step:
                note()

    DEFAULT_CALLBACKS.append(FirstStep())


if __name__ == "__main__":
    main(*sys.argv[1:])
