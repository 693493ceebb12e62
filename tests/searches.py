"""Searches of the tiny league in processes of their own, forked from one that has imported everything."""

import dataclasses
import itertools
import json
import multiprocessing
import multiprocessing.forkserver
import os
import sys
import time
from pathlib import Path
from typing import Annotated

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}

import optuna
import play
import pytest
import sacrebleu  # noqa: F401
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, modeling_utils  # noqa: F401

import league_config
from league.errors import run_command
from league.rulebook import STAGES
from league.run import watch  # noqa: F401
from league.untrusted import read_json
from tools.tune import final, trial  # noqa: F401
from tools.tune.sampling import Sampling

FROM = {
    "league": "tiny",
    "seed": 1,
    "model_hp": {"d_model": 32, "nhead": 2, "num_layers": 1, "d_ff": 64, "dropout": 0.1},
    "finetune_hp": {
        "learning_rate": 1e-4,
        "lr_scheduler_type": "linear",
        "warmup_steps": 2,
        "weight_decay": 0.0,
        "label_smoothing_factor": 0.1,
    },
    "trials": 0,
    "minutes": 0.0,
}  # the league's own 50 steps of warm-up are more than the tiny league's stage B has
RANGES = {
    league_config.ModelHP: {"d_model": (32, 64), "nhead": (2, 4), "num_layers": (1, 2), "d_ff": (64, 128, 256)},
    league_config.FinetuneHP: {"warmup_steps": (0, 2, 4)},
}
FORKS = multiprocessing.get_context("forkserver")
NUMBERS = itertools.count()


def make_small(minutes: float) -> None:
    """Give the tiny league small structures to search, in so many minutes."""
    play.TINY = dataclasses.replace(play.TINY, minutes=minutes)
    league_config.LEAGUES["tiny"] = play.TINY
    for kind, spans in RANGES.items():
        for name, span in spans.items():
            kind.__annotations__[name] = annotated(kind, span, name)


def annotated(kind: type, span: tuple, name: str):
    return Annotated[int if kind is league_config.ModelHP else float, span, name]


def start_server() -> None:
    """Start what the processes are forked from; until Python 3.13 it looks for modules only where PYTHONPATH says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        FORKS.set_forkserver_preload(["searches"])
        multiprocessing.forkserver.ensure_running()


class Process:
    """A search under way in `folder`."""

    def __init__(
        self,
        folder: Path,
        *flags: str,
        minutes: float = 0.5,
        save_every: float = 60.0,
        paces: dict[str, float] | None = None,  # instead of measuring them, which takes ten seconds
    ):
        self.words = folder / f"process-{next(NUMBERS)}"
        self.began = time.time()
        start_server()
        self.process = FORKS.Process(target=_work, args=(folder, self.words, minutes, save_every, paces, flags))
        self.process.start()

    def kill(self) -> float:
        """Kill it as the system would; return when."""
        assert self.process.is_alive(), self.output()
        self.process.kill()
        self.process.join()
        return time.time()

    def end(self, timeout: float = 240) -> "Process":
        """Wait until it ends by itself."""
        self.process.join(timeout)
        if self.process.is_alive():
            self.process.kill()
        self.took = time.time() - self.began
        assert self.process.exitcode == 0, f"exit {self.process.exitcode}\n{self.output()}"
        return self

    def output(self) -> str:
        return "\n".join(path.read_text() for path in (self.stdout, self.stderr) if path.exists())

    @property
    def stdout(self) -> Path:
        return self.words.with_suffix(".out")

    @property
    def stderr(self) -> Path:
        return self.words.with_suffix(".err")

    @property
    def last_line(self) -> str:
        return self.stdout.read_text().splitlines()[-1]


def _work(
    folder: Path, words: Path, minutes: float, save_every: float, paces: dict[str, float] | None, flags: tuple[str, ...]
) -> None:
    os.chdir(folder)
    for number, suffix in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(words.with_suffix(suffix), os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    watch.SAVE_EVERY = save_every
    if paces:
        trial.Runner.probe = lambda *_: paces
    make_small(minutes)
    run_command(lambda: play.play("tools.tune.__main__", *flags))
    sys.stdout.flush()


def studies_of(tune: Path) -> list[optuna.Study]:
    """Return a search's two studies, as Optuna itself reads them."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(tune / "journal.log")))
    return [optuna.load_study(study_name=stage, storage=storage) for stage in ("pretrain", "finetune")]


def trials_of(tune: Path) -> list[optuna.trial.FrozenTrial]:
    """Return a search's trials, several for one that was killed."""
    trials = [trial for study in studies_of(tune) for trial in study.get_trials(deepcopy=False)]
    return [trial for trial in trials if "asked" in trial.user_attrs]


def used_by(tune: Path) -> float:
    """Return the seconds on a search's clock."""
    return sum(read_json(tune / "clock.json")["spent"].values())


def write_from(folder: Path, **changes) -> Path:
    path = folder / "from.json"
    path.write_text(json.dumps(FROM | changes))
    return path


def charged_for_search(folder: Path) -> float:
    """Return the seconds on an entry's clock but for the score."""
    spent = read_json(folder / "clock.json")["spent"]
    return sum(seconds for name, seconds in spent.items() if name != "score")


def assert_each_trial_has_one_outcome(tune_folder: Path) -> None:
    trials = trials_of(tune_folder)
    numbers = {trial.user_attrs["asked"]["number"] for trial in trials}
    ended = [trial.user_attrs["asked"]["number"] for trial in trials if "outcome" in trial.user_attrs]
    assert sorted(ended) == sorted(numbers) == list(range(len(numbers)))


def sampling_of(rules) -> Sampling:
    return Sampling("tpe", 1, {stage: rules.ranges(stage) for stage in STAGES})


def assert_nothing_was_lost(before: dict[Path, bytes], after: dict[Path, bytes]) -> None:
    for path, content in before.items():
        assert after[path].startswith(content) if path.suffix == ".log" else after[path] == content, path
