"""The study on disk: Optuna's journal, who claimed which trial, and what came of it; any kill is mended."""

import json
import logging
import math
import os
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import GridSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from league.errors import UserError
from league.files import lock
from league.run.failures import clear_disk
from league_config import Range

from .plan import Job, Tried
from .space import KINDS, ranges

STAGES = tuple(KINDS)
START_UP = 4  # trials; with Optuna's ten, a search of ten trials is a random one
PATIENCE = 60.0  # seconds that a decision of another process may take
MOST_REFUSED = 50  # samples in a row, of each kind of sampler


@dataclass
class Claim:
    """A trial that is this process's to run."""

    asked: dict[str, Any]
    seconds: float  # after which it is given up
    folder: Path
    trial: optuna.Trial


class _Held:
    # Every write happens under the study's own lock, which a kill frees; Optuna's would have to be waited for.
    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


class _EndlessGrid(GridSampler):
    # Optuna's stops its own loop after the last point, and fails where there is no such loop.
    def after_trial(self, study, trial, state, values) -> None:
        pass


class Study:
    """Two Optuna studies, one for each stage, in one journal."""

    def __init__(self, folder: Path, identity: dict[str, str], sampler: str, seed: int, presence):
        self.folder, self.presence, self.kind, self.seed = folder, presence, sampler, seed
        self.journal = folder / "journal.log"
        optuna.logging.set_verbosity(logging.ERROR)
        warnings.filterwarnings("ignore", module="optuna")
        with self.locked():
            self._open()
            before = self.studies[STAGES[0]].user_attrs.get("identity")
            if before is None:
                self.studies[STAGES[0]].set_user_attr("identity", identity)
            elif before != identity:
                names = ", ".join(name for name in identity if before.get(name) != identity[name])
                raise UserError(
                    f"the search in {folder} was begun with other {names}: "
                    f"take another --entry, or delete {folder.parent} to begin anew."
                )

    def _open(self) -> None:
        try:
            if self.journal.exists():  # Optuna passes over a last line that it cannot read, until there is one more
                with self.journal.open("rb") as lines:
                    for line in lines:
                        json.loads(line)
            storage = JournalStorage(JournalFileBackend(str(self.journal), lock_obj=_Held()))
            self.studies = {
                stage: optuna.create_study(
                    study_name=stage,
                    storage=storage,
                    direction="maximize",
                    load_if_exists=True,
                    sampler=RandomSampler(),
                )
                for stage in STAGES
            }
            numbers = [row["number"] for row in self.rows()]
            if missing := set(range(len(numbers))) - set(numbers):
                raise ValueError(f"it lacks trial {min(missing)}")
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
            raise UserError(
                f"{self.journal} is damaged ({error}): "
                f"put it back from a copy, or delete {self.folder.parent} to begin anew."
            ) from None

    @contextmanager
    def locked(self):
        """Be the only process that reads and writes the study, until the block ends."""
        until = time.monotonic() + PATIENCE
        path = self.folder / "lock"
        with clear_disk(self.folder):
            while not (held := lock(path)):
                if time.monotonic() > until:
                    raise UserError(f"{path} has been held for {PATIENCE:.0f} seconds: stop the process that hangs.")
                time.sleep(0.05)
            try:
                self._mend()
                yield self
            finally:
                held.close()

    def _mend(self) -> None:
        # A kill in the middle of a write leaves half a line, which would make the whole journal unreadable.
        if not self.journal.exists():
            return
        with open(self.journal, "rb+") as file:
            size = file.seek(0, os.SEEK_END)
            end, step = size, 4096
            while end > 0:
                start = max(0, end - step)
                file.seek(start)
                at = file.read(end - start).rfind(b"\n")
                if at >= 0:
                    end = start + at + 1
                    break
                end = start
            if end < size:
                file.truncate(end)

    # What was tried.

    def rows(self) -> list[dict[str, Any]]:
        """Return all trials that began, in order: what was asked for, and what came of it."""
        facts = [trial.user_attrs for trial in self._latest()]
        return [{**one["asked"], "state": "running", **one.get("outcome", {})} for one in facts]

    def _latest(self) -> list[FrozenTrial]:
        # One that was killed has failed without an outcome, and goes on under the same number: the last one counts.
        latest = {}
        for stage in STAGES:
            for trial in self.studies[stage].get_trials(deepcopy=False):
                if "asked" in trial.user_attrs:
                    latest[trial.user_attrs["asked"]["number"]] = trial
        return [latest[number] for number in sorted(latest)]

    def tried(self) -> list[Tried]:
        """Return what was tried, as the plan sees it."""
        names = Tried.__dataclass_fields__
        return [Tried(**{name: row[name] for name in names if name in row}) for row in self.rows()]

    def note(self, name: str, value: Any) -> None:
        """Keep a fact of the whole search."""
        self.studies[STAGES[0]].set_user_attr(name, value)

    def noted(self, name: str, default: Any = None) -> Any:
        return self.studies[STAGES[0]].user_attrs.get(name, default)

    # Claims; all of these are called under the lock.

    def orphan(self) -> Claim | None:
        """Take over a trial whose process is gone, from its last checkpoint."""
        for study in self.studies.values():  # killed between writing it down and beginning it
            while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                study.tell(study.ask(), state=TrialState.FAIL)
        for trial in self._latest():
            asked = trial.user_attrs["asked"]
            if trial.state == TrialState.RUNNING:
                if self.presence.is_alive(asked["worker"]):
                    continue
                self.studies[asked["stage"]].tell(trial.number, state=TrialState.FAIL)
            if "outcome" not in trial.user_attrs:
                if not asked["origin"].endswith("after a kill"):
                    asked = asked | {"origin": f"{asked['origin']}, again after a kill"}
                return self._begin(asked, to_params(asked["stage"], asked["values"]))
        return None

    def claim(self, job: Job, allows) -> Claim | None:
        """Begin a trial for a job; where its values are free, the sampler picks some that `allows` them."""
        params = to_params(job.stage, job.values) if job.values else self._sample(job, allows)
        if params is None:
            return None
        values = from_params(job.stage, params) | (job.values or {})
        rows = self.rows()
        number = max((row["number"] for row in rows), default=-1) + 1
        asked = {
            "number": number,
            "stage": job.stage,
            "values": values,
            "structure": job.base.structure if job.base else values,
            "fidelity": job.fidelity,
            "origin": job.origin,
            "promoted_from": job.promoted_from,
            "base": job.base.number if job.base else None,
            "began_minute": round(self.presence.used() / 60, 3),
        }
        return self._begin(asked, params, job.seconds)

    def _begin(self, asked: dict[str, Any], params: dict[str, Any], seconds: float = 0.0) -> Claim:
        study = self.studies[asked["stage"]]
        asked["worker"] = self.presence.name
        study.enqueue_trial(params, user_attrs={"asked": asked})
        trial = study.ask(distributions(asked["stage"]))
        return Claim(asked, seconds, self.trial_folder(asked["number"]), trial)

    def trial_folder(self, number: int) -> Path:
        return self.folder / "trials" / f"{number:04d}"

    def _sample(self, job: Job, allows) -> dict[str, Any] | None:
        study = self.studies[job.stage]
        begun = [row["values"] for row in self.rows() if row["stage"] == job.stage]
        known = [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]
        for sampler in (self._sampler(job.stage), RandomSampler(seed=self._next_seed(job.stage))):
            # A sampler that has learned to love what is too slow here would offer nothing else. In memory: what is
            # refused is no trial, and need not be written down.
            copy = optuna.create_study(direction="maximize", sampler=sampler)
            copy.add_trials(known)
            for _ in range(MOST_REFUSED):
                trial = copy.ask(distributions(job.stage))
                values = from_params(job.stage, trial.params)
                if values not in begun and allows(values):
                    return trial.params
                copy.tell(trial, state=TrialState.FAIL)
        return None

    def _next_seed(self, stage: str) -> int:
        return (self.seed * 1_000_003 + len(self.studies[stage].get_trials(deepcopy=False))) % 2**32

    def _sampler(self, stage: str):
        seed = self._next_seed(stage)
        if self.kind == "random":
            return RandomSampler(seed=seed)
        if self.kind == "grid":
            return _EndlessGrid({name: _grid(span) for name, span in ranges(stage).items()}, seed=seed)
        return TPESampler(n_startup_trials=START_UP, multivariate=True, seed=seed)

    def end(self, claim: Claim, outcome: dict[str, Any]) -> None:
        """Write down what came of a trial; it counts only if nobody has given it up meanwhile."""
        asked, trial = claim.asked, claim.trial
        study = self.studies[asked["stage"]]
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if trial.number not in {one.number for one in running}:
            return
        trial.set_user_attr("outcome", outcome | {"ended_minute": round(self.presence.used() / 60, 3)})
        worth = outcome.get("change") if asked["stage"] == "finetune" else outcome.get("validation")
        if outcome["state"] == "complete" and asked["fidelity"] == 1:
            study.tell(trial, worth)
        elif outcome["state"] == "complete":
            # Pruned with a value: the sampler ranks it behind all that ran in full, by its value among its like.
            trial.report(worth, outcome["steps"])
            study.tell(trial, state=TrialState.PRUNED)
        else:
            # An exploded loss is the worst there is; one that was too slow says nothing of quality.
            study.tell(trial, state=TrialState.PRUNED if outcome["state"] == "diverged" else TrialState.FAIL)


def distributions(stage: str) -> dict[str, Any]:
    """Return Optuna's distributions: choices that have an order by their place in it, so that neighbours are near."""
    found = {}
    for name, span in ranges(stage).items():
        if isinstance(span, Range):
            found[name] = FloatDistribution(span.low, span.high, log=span.log)
        elif isinstance(span[0], str):
            found[name] = CategoricalDistribution(span)
        else:
            found[name] = IntDistribution(0, len(span) - 1)
    return found


def to_params(stage: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return values as Optuna's parameters; those beside the ranges become the nearest within."""
    params = {}
    for name, span in ranges(stage).items():
        value = values[name]
        if isinstance(span, Range):
            params[name] = min(span.high, max(span.low, float(value)))
        elif isinstance(span[0], str):
            params[name] = value if value in span else span[0]
        else:
            params[name] = min(range(len(span)), key=lambda i: abs(span[i] - value))
    return params


def from_params(stage: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the values that Optuna's parameters stand for, rounded to what a command line shows."""
    values = {}
    for name, span in ranges(stage).items():
        value = params[name]
        if isinstance(span, Range):
            values[name] = float(f"{value:.3g}")
        else:
            values[name] = value if isinstance(span[0], str) else span[value]
    return values


def _grid(span: Range | tuple) -> list:
    if not isinstance(span, Range):
        return list(span) if isinstance(span[0], str) else list(range(len(span)))
    low, high = (math.log(span.low), math.log(span.high)) if span.log else (span.low, span.high)
    points = [low + (high - low) * i / 3 for i in range(4)]
    return [min(span.high, max(span.low, math.exp(one) if span.log else one)) for one in points]
