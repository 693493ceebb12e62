"""Play a script under the `tiny` league, the demo league in seconds: `python tests/play.py train_pretrain --entry x`.

Variables stage accidents: SIGNAL_AT=9:SIGINT sends this process a signal after step 9 (the first process, of several),
SAVE_EVERY=0 writes a checkpoint at every step, MINUTES=0 leaves no time, SLOW_STEPS=0.2 makes each step take so long,
NO_GRAPHS=1 trains kernel by kernel on a GPU, too; LONGER=4 makes the stages four times as long.
"""

import dataclasses
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import league_config
from league.record import rules
from league.rulebook import Corpus, Generated, League, Stage
from league_config import DEMO, DEMO_READERS

LONGER = int(os.environ.get("LONGER", "1"))


def _tiny(stage: Stage, max_steps: int) -> Stage:
    register = stage.corpus.name
    pairs = {"train": 300, "validation": 12, "test": 25}
    corpus = Corpus(register, stage.corpus.domain, 200, Generated(register, pairs, seed=3))
    schedule = {"warmup_steps": 5, "lr_scheduler_kwargs": {"num_decay_steps": 10, "decay_type": "linear"}}
    return Stage(corpus, {**stage.arguments, "max_steps": max_steps, **(schedule if stage is DEMO.pretrain else {})})


TINY = dataclasses.replace(
    DEMO,
    name="tiny",
    vocab_size=400,
    max_length=48,
    batch_size=16,
    minutes=float(os.environ.get("MINUTES", 5.0)),
    pretrain=_tiny(DEMO.pretrain, 24 * LONGER),
    finetune=_tiny(DEMO.finetune, 10 * LONGER),
)
SCENES, LABELLED = DEMO_READERS.pretrain, DEMO_READERS.finetune
TINY_READERS = dataclasses.replace(
    DEMO_READERS,
    name="tiny-readers",
    vocab_size=400,
    batch_size=16,
    minutes=float(os.environ.get("MINUTES", 5.0)),
    pretrain=dataclasses.replace(
        SCENES,
        corpus=Corpus("scenes", "scenes", 200, Generated("scenes", {"train": 200, "validation": 12}, seed=4)),
        arguments=SCENES.arguments | {"max_steps": 24, "warmup_steps": 5},
    ),
    finetune=dataclasses.replace(
        LABELLED,
        corpus=Corpus(
            "labelled_scenes",
            "scene",
            64,
            Generated("labelled scenes", {"train": 64, "validation": 12, "test": 25}, seed=5),
        ),
        arguments={"max_steps": 10},
        settings=LABELLED.settings | {"filters_read_words": True},
    ),
)
TINY_LEAGUES: dict[str, League] = {}
_published = rules.published


def add(*leagues: League) -> None:
    """Let tiny leagues be known, and as good as published."""
    for league in leagues:
        TINY_LEAGUES[league.name] = league_config.LEAGUES[league.name] = league


def published(name: str, version: int) -> dict | None:
    """Look a rule book up as if the tiny leagues were published beside the others."""
    if name in TINY_LEAGUES and version == TINY_LEAGUES[name].version:
        return {"fixed": league_config.LEAGUES[name].fixed(), "data": {}}  # as a test may have changed it
    return _published(name, version)


add(TINY, TINY_READERS)
rules.published = published


def play(script: str, *flags: str) -> None:
    """Run a script's `main` in this process, as its command line would."""
    importlib.import_module(script).main(["--league", "tiny", *flags])


def _note_work(path: str) -> Callable[[str], None]:
    """Write down, apart from all clocks, when a process is at work."""
    from league.record import clock

    def note(what: str) -> None:
        with open(path, "a") as file:
            file.write(f"{os.getpid()} {what} {time.time()}\n")

    charge = clock.Clock.charge

    @contextmanager
    def noted_charge(self, purpose):
        note("begins")
        try:
            with charge(self, purpose) as charged:
                yield charged
        finally:
            note("ends")

    clock.Clock.charge = noted_charge
    return note


def _stage_accidents() -> None:
    from league.hub import connection
    from league.run import stage, watch

    note = _note_work(os.environ["WORK_NOTED"]) if "WORK_NOTED" in os.environ else lambda what: None

    connection.WAITS = ()  # a Hub out of reach is not asked again
    if "NO_GRAPHS" in os.environ:
        stage.use_graphs = lambda trainer: None
    watch.SAVE_EVERY = float(os.environ.get("SAVE_EVERY", watch.SAVE_EVERY))
    step, _, name = os.environ.get("SIGNAL_AT", "").partition(":")
    on_step_end = watch.StageWatch.on_step_end

    def on_step_end_with_accident(self, args, state, control, **kwargs):
        if name and state.global_step == int(step) and state.is_world_process_zero:
            note("ends" if name == "SIGKILL" else "stops")
            os.kill(os.getpid(), getattr(signal, name))
        time.sleep(float(os.environ.get("SLOW_STEPS", "0")))
        on_step_end(self, args, state, control, **kwargs)

    watch.StageWatch.on_step_end = on_step_end_with_accident


def main(league: str) -> None:
    """Run what the command line names, with the accidents that are asked for: a script under this league, or a tool."""
    from league.errors import run_command

    _stage_accidents()
    module, *flags = sys.argv[1:]
    named = [] if module.startswith("tools.") else ["--league", league]
    run_command(lambda: importlib.import_module(module).main([*named, *flags]))


if __name__ == "__main__":
    from league.errors import run_command

    _stage_accidents()

    run_command(lambda: play(*sys.argv[1:]))
