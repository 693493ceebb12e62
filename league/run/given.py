"""Stage A where it is a checkpoint of the Hub: nothing is trained, and the entry refers to it by digest."""

import torch

from league.files import digests_of, new_folder, write_json
from league.hardware import device_name
from league.record.folder import GIVEN
from league.record.shape import StageFacts
from league.run import moves
from league.run.entry import Entry
from league.tasks.task import Task


def take(entry: Entry, task: Task) -> bool:
    """Make the rule book's checkpoint an entry's stage A. Tell whether it was so before."""
    moves.start(entry, {"seed": entry.options.seed})
    if moves.completed(entry, "pretrain"):
        return True
    given = task.given()
    if entry.writes:
        with new_folder(entry.checkpoint("pretrain")) as folder:
            names = {"repo_id": given.repo_id, "commit": given.folder.name}
            write_json(folder / GIVEN, names | {"sha256": given.digests()})
    with entry.clock.charge("pretrain"):
        pass
    if entry.writes:
        moves.complete(entry, "pretrain", _facts(entry, task))
    return False


def _facts(entry: Entry, task: Task) -> StageFacts:
    return StageFacts(
        steps=0,
        tokens=0,
        sentences_cut=0,
        loss=None,
        curve=[],
        effective=task.structure_in_effect(None),
        order="0" * 64,
        started_from=None,
        reused=False,
        device=device_name(),
        precision="fp32",
        num_processes=1,
        num_threads=torch.get_num_threads(),
        minutes=0.0,
        out_of_time=False,
        validation={},
        validation_seconds=0.0,
        sha256=digests_of(entry.checkpoint("pretrain")),
    )
