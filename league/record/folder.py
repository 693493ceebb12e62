"""The files of an entry: which there are, whether they are those of its record, and which of them go where."""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from msgspec.structs import replace

from league.errors import UserError
from league.files import digest_of, is_plain
from league.record.game import game_of
from league.record.shape import Record, StageFacts, read_record
from league.rulebook import GIVEN
from league.values import check_entry_name

RUNS = Path("runs")
MODELING = Path(__file__).resolve().parents[2] / "modeling"
CHECKPOINT = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json")
REPORT = "report.html"
PICTURES = "plots/*.png"
_CHECKPOINT = re.compile(r"checkpoint-([0-9]{1,12})")


def differing_files(folder: Path, digests: dict[str, str]) -> Iterator[str]:
    """Say which files of a folder are not those that a record names."""
    for name, digest in digests.items():
        path = folder / name
        if not is_plain(path):
            yield f"{path.parent.name}/{name} is missing"
        elif digest_of(path) != digest:
            yield f"{path.parent.name}/{name} is not the file that was recorded (sha256 differs)"


def read_entry(folder: Path) -> Record:
    """Return the record of an entry, whoever made it."""
    try:
        return read_record(folder / "record.json")
    except FileNotFoundError:
        raise UserError(
            f"{folder} holds no record.json: it is not the folder of an entry{meant(folder) or '.'}"
        ) from None


def meant(folder: Path) -> str:
    """Ask whether an entry in runs/ was meant, where somebody gave its name alone."""
    return f"; did you mean {RUNS / folder}?" if os.path.isfile(RUNS / folder / "record.json") else ""


def read_whole_entry(folder: Path) -> Record:
    """Return the record of an entry, or refuse one that is not complete or whose files are others than it recorded."""
    record = read_entry(folder)
    if "pretrain" not in record.stages:
        raise UserError(f"{folder} has no complete pretrain stage yet: train_pretrain.py gives it one.")
    wrong = []
    for stage, facts in record.stages.items():
        wrong += [f"the record does not name {stage}/{name}" for name in unnamed(facts.sha256)]
        wrong += differing_files(folder / stage, facts.sha256)
    if record.score:
        wrong += differing_files(folder, record.score.sha256)
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UserError(f"{folder} is not what its record says: {wrong[0]}{more}; put it back from a copy.")
    return record


def files_to_hand_in(folder: Path) -> dict[str, Path]:
    """Return all that proving an entry takes, by its place in a collection of entries."""
    name = folder.absolute().name
    check_entry_name("the entry's folder", name)
    record = read_whole_entry(folder)
    if not record.score:
        raise UserError(f"{folder} has no score yet: evaluate_bleu.py gives it one.")
    places = ["record.json", "clock.json", *record.score.sha256]
    if game_of(record):
        places.append("game.json")
    for place in places:
        if not is_plain(folder / place):
            raise UserError(f"{folder} lacks {place}: put it back from a copy.")
    places += [f"{stage}/{file}" for stage, facts in record.stages.items() for file in facts.sha256]
    return {f"{name}/{place}": folder / place for place in places}


def unnamed(digests: Collection[str]) -> list[str]:
    """Return the files that a checkpoint needs, and a record or a repository does not name."""
    if GIVEN in digests:
        return []
    has_pieces = any(name.endswith(".spm") for name in digests)  # a tokenizer that is not one file
    return [name for name in CHECKPOINT if name not in digests and not (has_pieces and name == "tokenizer.json")]


def with_own_code(facts: StageFacts) -> StageFacts:
    """Return the facts of a stage whose checkpoint came as data alone: the model's code is this project's."""
    own = {path.name: digest_of(path) for path in MODELING.glob("*_aing.py")}

    def renewed(digests: dict[str, str] | None) -> dict[str, str] | None:
        if digests is None:
            return None
        code = {name: digest for name, digest in digests.items() if name.endswith(".py")}
        # The same code as ever stays as it was; of another version all of ours takes its place.
        return digests if code.items() <= own.items() else {k: v for k, v in digests.items() if k not in code} | own

    return replace(facts, sha256=renewed(facts.sha256), started_from=renewed(facts.started_from))


def under_way(folder: Path, stage: str) -> Path:
    """Return where an entry keeps the checkpoints of a stage until it is complete."""
    return folder / "under_way" / stage


def last_step(folder: Path, stage: str) -> int:
    """Return the step of the newest checkpoint of a stage under way, or 0 where there is none."""
    names = [path.name for path in under_way(folder, stage).glob("checkpoint-*")]
    return max((int(match[1]) for match in map(_CHECKPOINT.fullmatch, names) if match), default=0)


def last_stage(record: Record) -> str:
    return "finetune" if "finetune" in record.stages else "pretrain"


def repository_files(folder: Path, record: Record, stage: str) -> dict[str, Path]:
    """Return what a stage's repository on the Hub holds: its checkpoint at the root, the record, and what shows it."""
    files = {name: folder / stage / name for name in record.stages[stage].sha256}
    files["record.json"] = folder / "record.json"
    if stage == last_stage(record):
        beside = [folder / name for name in (REPORT, *(record.score.sha256 if record.score else ()))]
        beside += sorted(folder.glob(PICTURES))
        files |= {path.relative_to(folder).as_posix(): path for path in beside if is_plain(path)}
    return files
