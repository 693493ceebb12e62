"""Taking over a stage that was trained elsewhere, in another entry or on the Hub, for what it cost there."""

import shutil
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace

from league.errors import UserError
from league.files import digest_of, digests_of, is_plain, new_folder, write_json
from league.hardware import device_name
from league.record.clock import Clock
from league.record.folder import MODELING, RUNS, with_own_code
from league.record.game import game_of
from league.record.rules import names_tuned
from league.record.shape import Record, StageFacts, read_record
from league.rulebook import GIVEN, SCRIPTS
from league.run import moves
from league.run.entry import Entry
from league.run.failures import clear_disk
from league.tasks.task import Task
from league.values import check_entry_name, check_repo_name


def reuse(entry: Entry, flag: str, name: str, *stages: str) -> None:
    """Take over stages of another entry, or of a repository on the Hub, that a flag names."""
    if Path(name).parent == RUNS:
        name = Path(name).name  # runs/mine, as the tools take it, is no name on the Hub
    if all(stage in entry.record.stages and entry.record.stages[stage].reused for stage in stages):
        return _check_origin(entry, flag, name, stages)  # the same command again, which needs no network
    if "/" in name:
        from league.hub.transfer import fetch_stages

        check_repo_name(flag, name, owned=True)
        folder, downloaded = fetch_stages(name, stages)
    else:
        check_entry_name(flag, name)
        folder, downloaded = RUNS / name, {}
    for stage in stages:
        take_over(entry, folder, stage, f"{flag} {name}", downloaded.get(stage))


def _check_origin(entry: Entry, flag: str, name: str, stages: tuple[str, ...]) -> None:
    try:
        others = read_record(RUNS / name / "record.json").stages
    except FileNotFoundError:
        return  # on the Hub, or gone since
    for stage in stages:
        if stage in others and others[stage].sha256 != entry.record.stages[stage].sha256:
            raise UserError(
                f"entry {entry.name!r} has taken over another {stage} stage than that of {name}: "
                f"take another --entry for {flag} {name}."
            )


def take_over(entry: Entry, folder: Path, stage: str, what: str, downloaded: Path | None = None) -> None:
    """Take over a stage of another entry, with the data and the search behind it; `what` names it in errors.

    A `downloaded` checkpoint lies in a folder of its own and without code: this project's takes its place.
    """
    if not (other := _offered(entry, folder, stage, what)):
        return
    _refuse_other_rules(entry, other, what)
    facts = with_own_code(other.stages[stage]) if downloaded else other.stages[stage]
    files = _files_of(downloaded or folder / stage, facts.sha256, f"{what}: its {stage} checkpoint")
    moves.note(entry, _asked(entry, other, stage, what))
    entry.write()
    _copy(files, entry.checkpoint(stage))
    seconds, game = _charge(entry, folder, other, stage), game_of(other)
    is_own = folder.is_relative_to(entry.folder)  # of its own search, whose time is on the game's clock already
    if not is_own:
        entry.charge_game(facts.sha256.get("model.safetensors", stage), seconds, game and game.id)
    seen = {f"{getattr(entry.rules, stage).corpus.name}.train"}
    seen |= {f"{corpus.name}.validation" for corpus in entry.rules.validated(stage)}
    entry.record.data |= {name: digests for name, digests in other.data.items() if name in seen}
    # A search for these values, too, and what was seen of the test set: written with the stage itself.
    searched = other.clock.spent.get("trials", 0.0) * 60
    entry.charge_search(other.trials, searched)
    settings = entry.options.settings
    is_asked = settings and settings.trials == other.trials  # and charged for where the stage begins
    if not is_own and not is_asked:
        entry.charge_game(f"search of entry {other.entry}"[:80], searched, game and game.id)
    if stage == "finetune":
        entry.record.test_openings = max(entry.record.test_openings, other.test_openings)
    moves.complete(entry, stage, replace(facts, reused=True, from_search=is_own))


def build_on(entry: Entry, folder: Path, what: str) -> None:
    """Take over stage A of another trial, which may be shorter than the league's and has its own validation data."""
    if not (other := _offered(entry, folder, "pretrain", what)):
        return
    facts = other.stages["pretrain"]
    files = _files_of(folder / "pretrain", facts.sha256, f"{what}: its pretrain checkpoint")
    moves.start(entry, _asked(entry, other, "pretrain", what))
    _copy(files, entry.checkpoint("pretrain"))
    _charge(entry, folder, other, "pretrain")
    moves.complete(entry, "pretrain", replace(facts, reused=True))


def _offered(entry: Entry, folder: Path, stage: str, what: str) -> Record | None:
    """Return the record whose stage is wanted; None where the entry has taken it over already."""
    entry.claim()
    if moves.completed(entry, stage):
        if entry.record.stages[stage].reused:
            return None  # the same command again
        raise UserError(f"entry {entry.name!r} has a {stage} stage of its own: take another --entry for {what}.")
    try:
        other = read_record(folder / "record.json")
    except FileNotFoundError:
        raise UserError(f"{what}: there is no entry {folder}; python -m tools.status lists them.") from None
    if stage not in other.stages:
        raise UserError(f"{what}: its {stage} stage is not complete: run {SCRIPTS[stage]} for it first.")
    return other


def _refuse_other_rules(entry: Entry, other: Record, what: str) -> None:
    league = other.asked["league"]
    if league != entry.rules.name:
        raise UserError(f"{what}: it plays the {league} league, this entry {entry.rules.name}: say --league.")
    if other.league.fixed != entry.rules.fixed():
        raise UserError(f"{what}: it was played by other fixed values than league_config.py has now.")


def _asked(entry: Entry, other: Record, stage: str, what: str) -> dict[str, Any]:
    """Return the values that a stage was trained with; its seed must be this entry's."""
    names = ("league", "seed", *names_tuned(entry.rules, stage))
    asked = {name: other.asked[name] for name in names if name in other.asked}
    if asked.get("seed") != entry.options.seed:
        seed = asked.get("seed")
        raise UserError(f"{what}: its seed is {seed}; say --seed {seed}.")
    return asked


def _files_of(folder: Path, digests: dict[str, str], which: str) -> list[Path]:
    """Return the files of a checkpoint; of one that is not as its record describes it nothing is taken over."""
    files = [folder / name if (folder / name).exists() else MODELING / name for name in digests]
    if {path.name: digest_of(path) for path in files if is_plain(path)} != digests:
        raise UserError(f"{which} is not the one that its record describes: put it back from a copy.")
    return files


def _copy(files: list[Path], target: Path) -> None:
    with clear_disk(target.parent), new_folder(target) as copy:
        for path in files:
            shutil.copyfile(path, copy / path.name)


def _charge(entry: Entry, folder: Path, other: Record, stage: str) -> float:
    """Charge the entry for a stage; return what it cost, in seconds."""
    spent = Clock(folder / "clock.json", entry.rules.minutes, writes=False).spent
    recorded = max(other.stages[stage].minutes, other.clock.spent.get(stage, 0.0)) * 60
    entry.clock.restore({stage: spent.get(stage, recorded)}, 0)
    entry.clock.save()
    return spent.get(stage, recorded)


def take_given(entry: Entry, task: Task) -> bool:
    """Make the rule book's checkpoint an entry's stage A. Tell whether it was so before."""
    moves.start(entry, {"seed": entry.options.seed})
    if moves.completed(entry, "pretrain"):
        return True
    given = task.given()
    if entry.writes:
        with new_folder(entry.checkpoint("pretrain")) as folder:
            write_json(folder / GIVEN, given.description())
    with entry.clock.charge("pretrain"):
        pass
    if entry.writes:
        moves.complete(entry, "pretrain", _facts_of_given(entry, task))
    return False


def _facts_of_given(entry: Entry, task: Task) -> StageFacts:
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
