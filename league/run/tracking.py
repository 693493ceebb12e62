"""A run for each stage in the experiment tracker, named by it and grouped by its entry, also many in one process."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from league.record.folder import RUNS

FOLDER = "TENSORBOARD_LOGGING_DIR"


def tracked(report_to: str, group: str, name: str) -> AbstractContextManager:
    """Give what Trainers report inside the block a run of its own."""
    is_first = os.environ.get("RANK", "0") == "0"  # of several processes only this one reports
    return TRACKERS[report_to](group, name) if is_first and report_to in TRACKERS else nullcontext()


@contextmanager
def _in_tensorboard(group: str, name: str) -> Iterator[None]:
    # The Trainer's own place is among the checkpoints under way, which do not outlive the stage.
    before = os.environ.get(FOLDER)
    os.environ[FOLDER] = str(Path(before or RUNS / "tensorboard") / group / name)
    try:
        yield
    finally:
        del os.environ[FOLDER]
        if before is not None:
            os.environ[FOLDER] = before


@contextmanager
def _in_wandb(group: str, name: str) -> Iterator[None]:
    import wandb

    wandb.finish()  # init would return a run that is still open
    # Not by WANDB_RUN_GROUP, which is read once in a process. The Trainer reports to the run that is open.
    wandb.init(project=os.environ.get("WANDB_PROJECT", "huggingface"), name=name, group=group)
    exit_code = 1
    try:
        yield
        exit_code = 0
    finally:
        wandb.finish(exit_code)


@contextmanager
def _in_trackio(group: str, name: str) -> Iterator[None]:
    import trackio

    # Trackio 0.43 takes a group, and an id of its own, from the call alone: there is no setting for either.
    open_run, runs = trackio.init, []

    def open_own_run(**settings):
        # The Trainer gives no group, and resumes any run of its name, another study's as well. It ends the run with
        # the training, and resumes it for what it logs afterwards.
        runs.append(open_run(**settings | {"name": name, "group": group, "resume": "allow" if runs else "never"}))
        return runs[-1]

    trackio.init = open_own_run
    try:
        yield
    finally:
        trackio.init = open_run
        if runs and trackio.context_vars.current_run.get() is runs[-1]:
            trackio.finish()


TRACKERS = {"tensorboard": _in_tensorboard, "wandb": _in_wandb, "trackio": _in_trackio}
