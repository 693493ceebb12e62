"""The full proof of entries: minutes each, so that what was proven once is not proven again."""

from collections.abc import Callable
from importlib.metadata import version

from league.data.corpora import load_split
from league.errors import NotAtHand, UserError
from league.record.shape import parse_record
from league_config import LEAGUES, fingerprint

from .cache import Cache
from .handed_in import RECORD, STAGES, Refused, shown
from .judging import key_of
from .rows import Row

Say = Callable[[str], None]
NEEDED = {RECORD, "clock.json", "translations.txt", *(f"{stage}/model.safetensors" for stage in STAGES)}


class BrokenOff(Exception):
    """What this machine could not do, memory or disk, says nothing of an entry, and is not kept."""


class DataAtHand:
    """The digests of the data that proofs are made with, league by league."""

    def __init__(self, data_dir: str | None):
        self.data_dir = data_dir
        self.known: dict[str, dict[str, str] | str] = {}

    def digests(self, name: str) -> dict[str, str] | str:
        """Return split -> sha256, or why the data are not at hand."""
        if name not in self.known:
            league = LEAGUES[name]
            wanted = [(league.pretrain.corpus, split) for split in ("train", "validation", "test")]
            wanted += [(league.finetune.corpus, split) for split in ("train", "validation")]
            try:
                splits = [load_split(league, corpus, split, self.data_dir) for corpus, split in wanted]
                self.known[name] = {split.name: split.report["sha256"] for split in splits}
            except UserError as error:
                self.known[name] = f"its data are not at hand: {error}"
        return self.known[name]


def prove(rows: list[Row], data_dir: str | None, cache: Cache, say: Say) -> None:
    """Prove rows, the best first; an official one becomes `verified`, one that fails `refuted`."""
    data = DataAtHand(data_dir)
    for i, row in enumerate(rows, 1):
        found, is_new = _proof(row, data, cache, lambda i=i, row=row: say(f"{i}/{len(rows)} proving {row.name}"))
        if isinstance(found, str):
            row.notes.append(f"not proven: {found}")
        elif found:
            row.refute(found)
        elif row.state == "claimed":
            row.state = "verified"
        else:
            row.notes.append("proven to be what its record says")
        if is_new:
            why = found if isinstance(found, str) else "".join(found[:1])
            say(f"{i}/{len(rows)} {row.name}: {row.state}" + (f" ({why})" if why else ""))


def _proof(row: Row, data: DataAtHand, cache: Cache, begin: Callable[[], None]) -> tuple[list[str] | str, bool]:
    """Return what is wrong with an entry, or in a text why that cannot be told; and whether it was looked at anew."""
    from league.hardware import device_name
    from league.run.evidence import code_digest

    missing = sorted(NEEDED - row.handed_in.files)
    if missing:
        return f"{', '.join(missing)} not handed in", False
    if row.league[0] not in LEAGUES:
        return "its league is not known here", False
    try:
        told = {name: report["sha256"] for name, report in _data_of(row).items()}
        digests = data.digests(row.league[0])
        if isinstance(digests, str):
            return shown(digests, 200), False
        others = [name for name in digests if told.get(name) != digests[name]]
        if others:
            return f"the data at hand are others than its ({', '.join(others)})", False
        # What else the outcome depends on: sums are rounded otherwise on another device, and the rules may be edited.
        rules = fingerprint(LEAGUES[row.league[0]].fixed(), {})
        key = key_of(row.handed_in, code_digest(), rules, device_name(), version("torch"))
        if (known := cache.get("proofs", key)) is not None:
            return known, False
        begin()
        wrong = _check(row, data.data_dir)
    except Refused as refused:
        return [str(refused)], False
    except (BrokenOff, OSError) as error:
        return f"the proof broke off ({shown(str(error), 200)})", True
    cache.put("proofs", key, wrong)
    return wrong, True


def _data_of(row: Row) -> dict:
    try:
        return parse_record(row.handed_in.read(RECORD))["data"]
    except ValueError as error:
        raise Refused(f"{RECORD} changed under way ({shown(str(error), 100)})") from None


def _check(row: Row, data_dir: str | None) -> list[str]:
    from league.proof.checks import checks
    from league.run.failures import is_out_of_memory

    with row.handed_in.unpacked() as folder:
        try:
            found = [f"{check.name}: {problem}" for check in checks(folder, data_dir) for problem in check.problems]
        except NotAtHand as error:
            raise BrokenOff(str(error).replace(str(folder), row.name)) from None
        except UserError as error:
            found = [str(error).replace(str(folder), row.name)]
        except Exception as error:
            if isinstance(error, OSError) or is_out_of_memory(error):
                raise BrokenOff(f"{type(error).__name__}: {error}") from None
            found = [f"the proof broke off: {type(error).__name__}: {error}"]
    return [shown(problem, 300) for problem in found[:8]]
