"""One attempt: its folder, its record, and what may be done next."""

import json
import os
import platform
from pathlib import Path
from typing import Any

from .clock import Clock
from .data import Split
from .errors import UserError
from .files import lock, write_json
from .options import Options, check_options
from .rules import broken_rules

RECORD_FORMAT = 1
RUNS = Path("runs")


class Entry:
    """The folder `runs/<entry>/` and its `record.json`. Of several processes only the first one writes."""

    def __init__(self, options: Options):
        check_options(options)
        self.options, self.rules = options, options.rules
        self.writes = os.environ.get("RANK", "0") == "0"
        self.folder = RUNS / options.entry
        self.record_path = self.folder / "record.json"
        self._held = None
        self.record = self._read_record()
        played = self.record.get("asked", {}).get("league", self.rules.name)
        if played != self.rules.name:
            raise UserError(
                f"entry {self.name!r} plays the {played} league: say --league {played}, or another --entry."
            )
        self.clock = Clock(self.folder / "clock.json", self.rules.minutes, self.writes)

    @property
    def name(self) -> str:
        return self.options.entry

    def checkpoint(self, stage: str) -> Path:
        return self.folder / stage

    def checkpoints(self, stage: str) -> Path:
        """Return the folder of the checkpoints that a stage writes under way."""
        return self.folder / "under_way" / stage

    def _read_record(self) -> dict[str, Any]:
        try:
            record = json.loads(self.record_path.read_text(encoding="utf-8"))
            if record["format"] != RECORD_FORMAT:
                raise ValueError(f"format {record['format']}, this version reads {RECORD_FORMAT}")
            return record
        except FileNotFoundError:
            return {"format": RECORD_FORMAT, "entry": self.name}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self.record_path} is damaged ({error}); put it back from a copy, or start another --entry."
            ) from None

    def start(self, asked: dict[str, Any], *splits: Split) -> None:
        """Note what this command asks for and reads, or refuse it where the entry was started with something else."""
        self._lock()
        asked = {"league": self.rules.name} | asked
        data = {split.name: split.report for split in splits}
        before, seen = self.record.setdefault("asked", {}), self.record.setdefault("data", {})
        differences = [
            f"{name} {before[name]!r} (now {value!r})"
            for name, value in asked.items()
            if name in before and before[name] != value
        ]
        differences += [
            f"other data for {name}" for name in data if name in seen and seen[name]["sha256"] != data[name]["sha256"]
        ]
        if differences:
            raise UserError(
                f"entry {self.name!r} was started with {', '.join(differences)}; "
                f"take another --entry, or delete {self.folder} to start over."
            )
        before |= asked
        seen |= data
        self.write()

    def _lock(self) -> None:
        # One command at a time; the system frees the lock of a process that is dead.
        if not self.writes or self._held:
            return
        path = self.folder / "lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._held = lock(path)
        except OSError as error:
            raise UserError(f"cannot write to {self.folder}: {error.strerror}.") from None
        if not self._held:
            raise UserError(
                f"entry {self.name!r} is in use by process {path.read_text()}: wait for it, stop it, "
                "or take another --entry."
            )
        self.record = self._read_record()  # what another command may have written since it was read

    def stage(self, name: str) -> dict[str, Any] | None:
        """Return what is recorded of a stage that is complete."""
        facts = self.record.get("stages", {}).get(name)
        if facts and not (self.checkpoint(name) / "model.safetensors").is_file():
            raise UserError(
                f"{self.record_path} says that {name} is complete, but {self.checkpoint(name)} holds no model; "
                f"put it back from a copy, or delete {self.folder} to start over."
            )
        return facts

    def require_stage(self, name: str, script: str) -> None:
        """Refuse to go on before a stage is complete."""
        if not self.stage(name):
            flags = f" --league {self.rules.name} --entry {self.name}"
            raise UserError(f"entry {self.name!r} has no complete {name} stage yet: run python {script}{flags} first.")

    def complete_stage(self, name: str, facts: dict[str, Any]) -> None:
        self.record.setdefault("stages", {})[name] = facts
        self.write()

    def open_test_set(self, test: Split) -> None:
        """Count an opening of the test set, before anything of it is shown."""
        self._lock()
        self.record["test_openings"] = self.record.get("test_openings", 0) + 1
        self.start({}, test)

    def add_score(self, score: dict[str, Any]) -> None:
        self.record["score"] = score
        self.write()

    def write(self) -> None:
        """Bring the record up to date, with its verdict, and write it."""
        rules = self.rules
        digests = {name: report["sha256"] for name, report in self.record.get("data", {}).items()}
        self.record |= {
            "league": {
                "name": rules.name,
                "version": rules.version,
                "fingerprint": rules.fingerprint(digests),
                "fixed": rules.fixed(),
            },
            "clock": {
                "minutes": round(self.clock.used / 60, 2),
                "limit": rules.minutes,
                "spent": {name: round(seconds / 60, 2) for name, seconds in self.clock.spent.items()},
                "interruptions": self.clock.interruptions,
            },
            "trials": self.record.get("trials", 0),
            "test_openings": self.record.get("test_openings", 0),
            "versions": _versions(),
        }
        broken = broken_rules(self.record)
        self.record |= {"official": not broken, "broken_rules": broken}
        if self.writes:
            write_json(self.record_path, self.record)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("torch", "transformers", "tokenizers", "accelerate", "datasets", "sacrebleu", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in names}
