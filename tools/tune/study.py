"""The study on disk: Optuna's journal, which trials were begun, and what came of them; any kill is mended."""

import json
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from league.errors import UserError
from league.rulebook import STAGES

from .jobs import Job, Tried, worth_of
from .sampling import Sampling, distributions, from_params, to_params

AGAIN = ", again after a kill"  # what such a trial has cost in all, nobody knows


@dataclass
class Begun:
    """A trial that is to be run, or runs."""

    asked: dict[str, Any]
    seconds: float  # after which it is given up
    folder: Path
    trial: optuna.Trial
    until: float = math.inf  # on the search's clock, where it runs


class _Held:
    # Who searches holds the entry, whose lock a kill frees; Optuna's own would have to be waited for.
    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


class Study:
    """Two Optuna studies, one for each stage, in one journal."""

    def __init__(self, folder: Path, identity: dict[str, str], sampling: Sampling):
        self.folder, self.sampling = folder, sampling
        self.journal = folder / "journal.log"
        optuna.logging.set_verbosity(logging.ERROR)
        warnings.filterwarnings("ignore", module="optuna")
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
            if self.journal.exists():
                self._mend()
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

    def _mend(self) -> None:
        content = self.journal.read_bytes()
        # A kill in the middle of a write leaves half a line, which would make the whole journal unreadable.
        whole = content[: content.rfind(b"\n") + 1]
        for line in whole.splitlines():  # Optuna passes over a last line that it cannot read, until there is one more
            json.loads(line)
        os.truncate(self.journal, len(whole))

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

    # Trials from their beginning to their end.

    def left_over(self) -> Iterator[Begun]:
        """Begin those trials again that a kill has interrupted, under their own numbers."""
        for study in self.studies.values():  # killed between writing it down and beginning it
            while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                study.tell(study.ask(), state=TrialState.FAIL)
        for trial in self._latest():
            asked = trial.user_attrs["asked"]
            if trial.state == TrialState.RUNNING:
                self.studies[asked["stage"]].tell(trial.number, state=TrialState.FAIL)
            if "outcome" not in trial.user_attrs:
                yield self._begin(again(asked), to_params(self.sampling.spans[asked["stage"]], asked["values"]))

    def begin(self, job: Job, allows: Callable[[dict[str, Any]], bool], minute: float) -> Begun | None:
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
            "began_minute": round(minute, 3),
        }
        return self._begin(asked, params, job.seconds)

    def _begin(self, asked: dict[str, Any], params: dict[str, Any], seconds: float = 0.0) -> Begun:
        study = self.studies[asked["stage"]]
        study.enqueue_trial(params, user_attrs={"asked": asked})
        trial = study.ask(distributions(self.sampling.spans[asked["stage"]]))
        return Begun(asked, seconds, self.trial_folder(asked["number"]), trial)

    def trial_folder(self, number: int) -> Path:
        return self.folder / "trials" / f"{number:04d}"

    def end(self, begun: Begun, outcome: dict[str, Any], minute: float) -> None:
        """Write down what came of a trial."""
        asked, trial = begun.asked, begun.trial
        study = self.studies[asked["stage"]]
        trial.set_user_attr("outcome", outcome | {"origin": asked["origin"], "ended_minute": round(minute, 3)})
        worth = worth_of(outcome)
        if outcome["state"] == "complete" and asked["fidelity"] == 1:
            study.tell(trial, worth)
        elif outcome["state"] == "complete":
            # Pruned with a value: the sampler ranks it behind all that ran in full, by its value among its like.
            trial.report(worth, outcome["steps"])
            study.tell(trial, state=TrialState.PRUNED)
        else:
            # An exploded loss is the worst there is; one that was too slow says nothing of quality.
            study.tell(trial, state=TrialState.PRUNED if outcome["state"] == "diverged" else TrialState.FAIL)


def again(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what is asked of a trial whose process was killed."""
    origin = asked["origin"].removesuffix(AGAIN)
    return asked | {"origin": f"{origin}, again after a kill", "restarts": asked.get("restarts", 0) + 1}
