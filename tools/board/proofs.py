"""The full proof of entries: minutes each, so that what was proven once is not proven again."""

from collections.abc import Callable
from importlib.metadata import version

from league.errors import NotAtHand, UserError, printable
from league.proof.data import DataAtHand
from league.proof.source import CLOCK, RECORD, Refused
from league.record.shape import parse_record
from league.rulebook import STAGES, fingerprint
from league.tasks.task import task_of
from league_config import LEAGUES

from .cache import Cache
from .judging import key_of
from .rows import Row

Say = Callable[[str], None]
MOST_PROBLEMS = 8  # that are kept of one entry


class BrokenOff(Exception):
    """What this machine could not do, memory or disk, says nothing of an entry, and is not kept."""


def prove(rows: list[Row], data: DataAtHand, cache: Cache, say: Say) -> None:
    """Prove rows, the best first; an official one becomes `verified`, one that fails `refuted`."""
    for i, row in enumerate(rows, 1):
        outcome, is_new = _proof(row, data, cache, lambda i=i, row=row: say(f"{i}/{len(rows)} proving {row.name}"))
        if isinstance(outcome, str):
            row.notes.append(f"not proven: {outcome}")
        elif outcome:
            row.refute(outcome)
        else:
            row.is_proven = True
            if row.state == "claimed":
                row.state = "verified"
            else:
                row.notes.append("proven to be what its record says")
        if is_new:
            why = outcome if isinstance(outcome, str) else "".join(outcome[:1])
            say(f"{i}/{len(rows)} {row.name}: {row.state}" + (f" ({why})" if why else ""))


def _proof(row: Row, data: DataAtHand, cache: Cache, begin: Callable[[], None]) -> tuple[list[str] | str, bool]:
    """Return what is wrong with an entry, or in a text why that is not known; and whether it was proven just now."""
    from league.hardware import device_name
    from league.record.code import code_digest

    league = LEAGUES.get(row.league[0])
    if league is None:
        return "its league is not known here", False
    needed = {RECORD, CLOCK, task_of(league).predictions_file, *(f"{stage}/model.safetensors" for stage in STAGES)}
    if missing := sorted(needed - row.source.files):
        return f"{', '.join(missing)} not handed in", False
    try:
        recorded = _data_of(row)
        splits = data.splits(league.as_tuned(row.values))
        if others := [name for name, split in splits.items() if recorded.get(name) != split.report["sha256"]]:
            return f"the data at hand are others than its ({', '.join(others)})", False
        # What else the outcome depends on: sums are rounded otherwise on another device, and the rules may be edited.
        key = key_of(row.source, code_digest(league), fingerprint(league.fixed(), {}), device_name(), version("torch"))
        if (known := cache.get("proofs", key)) is not None:
            return known, False
        begin()
        wrong = _check(row, data)
    except Refused as refused:
        return [str(refused)], False
    except UserError as error:
        return f"its data are not at hand: {printable(str(error))}", False
    except (BrokenOff, OSError) as error:
        return f"the proof broke off ({printable(str(error))})", True
    cache.put("proofs", key, wrong)
    return wrong, True


def _data_of(row: Row) -> dict[str, str]:
    try:
        return parse_record(row.source.read(RECORD)).data_digests()
    except ValueError as error:
        raise Refused(f"{RECORD} changed under way ({printable(str(error), 100)})") from None


def _check(row: Row, data: DataAtHand) -> list[str]:
    from league.hardware import is_of_machine
    from league.proof.checks import checks

    with row.source.unpacked() as folder:
        try:
            problems = [f"{check.name}: {problem}" for check in checks(folder, data) for problem in check.problems]
        except NotAtHand as error:
            raise BrokenOff(str(error).replace(str(folder), row.name)) from None
        except UserError as error:
            problems = [str(error).replace(str(folder), row.name)]
        except Exception as error:
            if is_of_machine(error):
                raise BrokenOff(f"{type(error).__name__}: {error}") from None
            problems = [f"the proof broke off: {type(error).__name__}: {error}"]
    return [printable(problem, 300) for problem in problems[:MOST_PROBLEMS]]
