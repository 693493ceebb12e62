"""The study on disk: Optuna's journal, who claimed which trial, and what came of it; any kill is mended."""

import json
import logging
import os
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from league.errors import UserError
from league.files import lock
from league.run.failures import clear_disk

from .jobs import Job, Tried
from .presence import Presence
from .sampling import Sampling, distributions, from_params, to_params
from .space import STAGES

LOCK_TIMEOUT = 60.0  # seconds; a decision of another process takes one or two


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


class Study:
    """Two Optuna studies, one for each stage, in one journal."""

    def __init__(self, folder: Path, identity: dict[str, str], sampling: Sampling, presence: Presence):
        self.folder, self.presence, self.sampling = folder, presence, sampling
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
                    f"take another --entry, or delete {folder.parent} to start again."
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
                f"put it back from a copy, or delete {self.folder.parent} to start again."
            ) from None

    @contextmanager
    def locked(self):
        """Be the only process that reads and writes the study, until the block ends."""
        until = time.monotonic() + LOCK_TIMEOUT
        path = self.folder / "lock"
        with clear_disk(self.folder):
            while not (held := lock(path)):
                if time.monotonic() > until:
                    raise UserError(
                        f"{path} has been held for {LOCK_TIMEOUT:.0f} seconds: stop the process that hangs."
                    )
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
        # One that was killed has failed without an outcome, and is resumed under the same number: the last one counts.
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
                return self._begin(asked, to_params(self.sampling.spans[asked["stage"]], asked["values"]))
        return None

    def claim(self, job: Job, allows: Callable[[dict[str, Any]], bool]) -> Claim | None:
        """Begin a trial for a job; where its values are free, the sampler picks some that `allows` them."""
        spans, rows = self.sampling.spans[job.stage], self.rows()
        if job.values is None:
            begun = [row["values"] for row in rows if row["stage"] == job.stage]
            study = self.studies[job.stage]
            params = self.sampling.pick(job.stage, study, lambda values: values not in begun and allows(values))
            if params is None:
                return None
        else:
            params = to_params(spans, job.values)
        values = from_params(spans, params) | (job.values or {})
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
        trial = study.ask(distributions(self.sampling.spans[asked["stage"]]))
        return Claim(asked, seconds, self.trial_folder(asked["number"]), trial)

    def trial_folder(self, number: int) -> Path:
        return self.folder / "trials" / f"{number:04d}"

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
