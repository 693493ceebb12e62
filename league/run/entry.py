"""One attempt: its folder, its record, and what may be done next."""

import os
import platform
import shutil
import time
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from league.data.corpora import Split
from league.errors import Diverged, UserError
from league.files import digests_of, lock, new_folder, owner_of, sweep, write_json
from league.record.clock import Clock
from league.record.folder import MODELING, RUNS, is_plain, with_own_code
from league.record.rules import SCHEDULE, STRUCTURE, broken_rules
from league.record.shape import RECORD_FORMAT, problems, read_record
from league.run.tracking import tracked
from league.values import Options, check_entry_name, check_options, check_repo_name
from league_config import League, fingerprint

HELD: dict[Path, Any] = {}  # the locks of this process
PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "datasets", "sacrebleu", "numpy")


class Entry:
    """The folder `runs/<entry>/` and its `record.json`. Of several processes only the first one writes."""

    is_trial = False  # a trial of a search says nothing, and is given up where it cannot end in time
    headline = ""  # before the words of a progress bar

    def __init__(self, options: Options, rules: League | None = None, folder: Path | None = None):
        check_options(options)
        self.options, self.rules = options, rules or options.rules
        self.writes = os.environ.get("RANK", "0") == "0"
        self.folder = folder or RUNS / options.entry
        self.splits: dict[str, Split] = {}  # that were loaded
        self.pace: float | None = None  # seconds a step of the stage that was trained last
        self.record_path = self.folder / "record.json"
        self._is_locked = False
        self._read()
        played = self.record["asked"].get("league", self.rules.name)
        if played != self.rules.name:
            raise UserError(
                f"entry {self.name!r} plays the {played} league: say --league {played}, or another --entry."
            )

    def _read(self) -> None:
        try:
            self.record = read_record(self.record_path)
        except FileNotFoundError:
            self.record = {
                "format": RECORD_FORMAT,
                "entry": self.name,
                "asked": {},
                "data": {},
                "stages": {},
                "trials": 0,
                "test_openings": 0,
            }
        self.clock = Clock(self.folder / "clock.json", self.rules.minutes, self.writes)
        if clock := self.record.get("clock"):
            spent = {name: minutes * 60 for name, minutes in clock["spent"].items()}
            self.clock.restore(spent, clock["interruptions"])

    @property
    def name(self) -> str:
        return self.options.entry

    def tracked(self, stage: str) -> AbstractContextManager:
        """Give what a Trainer reports of a stage a run of its own in the experiment tracker."""
        return tracked(self.options.report_to, self.name, f"{self.name}-{stage}")

    def checkpoint(self, stage: str) -> Path:
        return self.folder / stage

    def checkpoints(self, stage: str) -> Path:
        """Return the folder of the checkpoints that a stage writes under way."""
        return self.folder / "under_way" / stage

    def start(self, asked: dict[str, Any], *splits: Split) -> None:
        """Note what this command asks for and reads, or refuse it where the entry was started with something else."""
        self._lock()
        asked = {"league": self.rules.name} | asked
        data = {split.name: split.report for split in splits}
        before, seen = self.record["asked"], self.record["data"]
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
        if diverged := self.record.get("diverged"):
            raise Diverged(self.describe_divergence(diverged))
        before |= asked
        seen |= data
        if settings := self.options.settings:
            self.charge_search(settings["trials"], settings["minutes"] * 60)
        self.write()

    def charge_search(self, num_trials: int, seconds: float) -> None:
        """Charge the entry for the search that its values come from."""
        self.record["trials"] = max(self.record["trials"], num_trials)
        self.clock.restore({"trials": max(0.0, seconds)}, 0)
        self.clock.save()

    def _lock(self) -> None:
        # Who only looks whether an entry is at work has its lock for an instant.
        for wait in (0.0, 0.05, 0.2):
            time.sleep(wait)
            if not self.writes or self.hold():
                return
        owner = owner_of(self.folder / "lock")
        raise UserError(f"entry {self.name!r} is in use by {owner}: wait for it, stop it, or take another --entry.")

    def hold(self) -> bool:
        """Take the entry for this process, until it ends; the system frees the lock of one that is dead."""
        if self._is_locked:
            return True
        path = self.folder / "lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = HELD.get(path.absolute()) or lock(path)
        except OSError as error:
            raise UserError(f"cannot write to {self.folder}: {error.strerror}.") from None
        if not held:
            return False
        HELD[path.absolute()], self._is_locked = held, True
        sweep(self.folder)
        self._read()  # what another command may have written since it was read
        return True

    def release(self) -> None:
        """Let other processes have the entry."""
        if held := HELD.pop((self.folder / "lock").absolute(), None):
            held.close()
        self._is_locked = False

    def stage(self, name: str) -> dict[str, Any] | None:
        """Return what is recorded of a stage that is complete."""
        facts = self.record["stages"].get(name)
        if facts:
            if not (self.checkpoint(name) / "model.safetensors").is_file():
                raise UserError(
                    f"{self.record_path} says that {name} is complete, but {self.checkpoint(name)} holds no model; "
                    f"put it back from a copy, or delete {self.folder} to start over."
                )
            if self.writes:
                shutil.rmtree(self.checkpoints(name), ignore_errors=True)  # a kill may have come before
        return facts

    def require_stage(self, name: str, script: str) -> None:
        """Refuse to go on before a stage is complete."""
        if not self.stage(name):
            flags = f" --league {self.rules.name} --entry {self.name}"
            raise UserError(f"entry {self.name!r} has no complete {name} stage yet: run python {script}{flags} first.")

    def complete_stage(self, name: str, facts: dict[str, Any]) -> None:
        self.record["stages"][name] = facts
        self.write()

    def reuse(self, flag: str, name: str, *stages: str) -> None:
        """Take over stages of another entry, or of a repository on the Hub, for what they cost there."""
        if Path(name).parent == RUNS:
            name = Path(name).name  # runs/mine, as the tools take it, is no name on the Hub
        if all(self.record["stages"].get(stage, {}).get("reused") for stage in stages):
            return self._check_origin(flag, name, stages)  # the same command again, which needs no network
        if "/" in name:
            from league.hub.transfer import fetch_stages

            check_repo_name(flag, name, owned=True)
            folder, downloaded = fetch_stages(name, stages)
        else:
            check_entry_name(flag, name)
            folder, downloaded = RUNS / name, {}
        for stage in stages:
            self.take_over(folder, stage, f"{flag} {name}", downloaded.get(stage))

    def _check_origin(self, flag: str, name: str, stages: tuple[str, ...]) -> None:
        try:
            others = read_record(RUNS / name / "record.json")["stages"]
        except FileNotFoundError:
            return  # on the Hub, or gone since
        for stage in stages:
            if stage in others and others[stage]["sha256"] != self.record["stages"][stage]["sha256"]:
                raise UserError(
                    f"entry {self.name!r} has taken over another {stage} stage than that of {name}: "
                    f"take another --entry for {flag} {name}."
                )

    def take_over(self, folder: Path, stage: str, what: str, downloaded: Path | None = None) -> None:
        """Take over a stage that was trained in another folder, for what it cost there; `what` names it in errors.

        A `downloaded` checkpoint lies in a folder of its own and without code: this project's takes its place.
        """
        self._lock() if self.writes else self._read()
        if self.stage(stage):
            if self.record["stages"][stage]["reused"]:
                return  # the same command again
            raise UserError(f"entry {self.name!r} has a {stage} stage of its own: take another --entry for {what}.")
        try:
            other = read_record(folder / "record.json")
        except FileNotFoundError:
            raise UserError(f"{what}: there is no entry {folder}; python -m tools.status lists them.") from None
        facts = other["stages"].get(stage)
        if not facts:
            script = {"pretrain": "train_pretrain.py", "finetune": "train_finetune.py"}[stage]
            raise UserError(f"{what}: its {stage} stage is not complete: run {script} for it first.")
        has_rules = other["asked"]["league"] == self.rules.name and other["league"]["fixed"] == self.rules.fixed()
        if not (has_rules or self.is_trial):
            league = other["asked"]["league"]
            if league != self.rules.name:
                raise UserError(f"{what}: it plays the {league} league, this entry {self.rules.name}: say --league.")
            raise UserError(f"{what}: it was played by other fixed values than league_config.py has now.")
        names = ("league", "seed", *(STRUCTURE if stage == "pretrain" else SCHEDULE))
        asked = {name: other["asked"][name] for name in names if name in other["asked"]}
        if asked.get("seed") != self.options.seed:
            seed = asked.get("seed")
            raise UserError(f"{what}: its seed is {seed}; say --seed {seed}.")
        self.start(asked)
        facts = with_own_code(facts) if downloaded else facts
        self._copy_checkpoint(stage, downloaded or folder / stage, facts["sha256"], what)
        spent = Clock(folder / "clock.json", self.rules.minutes, writes=False).spent
        told = max(facts["minutes"], other["clock"]["spent"].get(stage, 0.0)) * 60
        self.clock.restore({stage: spent.get(stage, told)}, 0)
        self.clock.save()
        seen = {f"{getattr(self.rules, stage).corpus.name}.train"}
        seen |= {f"{corpus.name}.validation" for corpus in (self.rules.pretrain.corpus, self.rules.finetune.corpus)}
        if not self.is_trial:  # which validates on a part
            self.record["data"] |= {name: report for name, report in other["data"].items() if name in seen}
            # A search for these values, too, and what was seen of the test set: written with the stage itself.
            self.charge_search(other["trials"], other["clock"]["spent"].get("trials", 0.0) * 60)
            if stage == "finetune":
                self.record["test_openings"] = max(self.record["test_openings"], other["test_openings"])
        self.complete_stage(stage, facts | {"reused": True})

    def _copy_checkpoint(self, stage: str, folder: Path, digests: dict[str, str], what: str) -> None:
        with new_folder(self.checkpoint(stage)) as copy:
            for source in (folder / name if (folder / name).exists() else MODELING / name for name in digests):
                if is_plain(source):
                    shutil.copyfile(source, copy / source.name)
            if digests_of(copy) != digests:
                raise UserError(
                    f"{what}: its {stage} checkpoint is not the one that its record describes: put it back from a copy."
                )

    def diverge(self, stage: str, step: int, loss: float | None) -> str:
        """Record that a stage's loss exploded; return what to tell the participant."""
        self.record["diverged"] = {"stage": stage, "step": step, "loss": loss}
        self.write()
        return self.describe_divergence(self.record["diverged"])

    def describe_divergence(self, diverged: dict[str, Any]) -> str:
        asked, loss = self.record["asked"], diverged["loss"]
        value = "is not a number" if loss is None else f"is {loss:.4g}, worse than guessing"
        where = f"{diverged['stage']} of entry {self.name!r} diverged: at step {diverged['step']} the loss {value}"
        if diverged["stage"] == "finetune":
            return (
                f"{where}. Take a learning rate below {asked.get('learning_rate')} with another --entry; "
                f"--pretrained {self.name} saves it stage A."
            )
        structure = "/".join(str(asked.get(name)) for name in STRUCTURE)
        return f"{where}. Stage A's settings are fixed: take another structure than {structure} with another --entry."

    def open_test_set(self, test: Split) -> None:
        """Count an opening of the test set, before anything of it is shown."""
        self._lock()
        self.record["test_openings"] += 1
        wanted = {}
        if settings := self.options.settings:
            wanted = {**settings["model_hp"], **settings["finetune_hp"]}
            asked = self.record["asked"]
            others = [f"{name} {asked[name]!r}" for name in wanted if name in asked and asked[name] != wanted[name]]
            if others:
                raise UserError(
                    f"entry {self.name!r} was trained with other values than those of --from ({', '.join(others)}): "
                    "leave --from out, or take another --entry."
                )
        self.start(wanted, test)

    def add_score(self, score: dict[str, Any]) -> None:
        self.record["score"] = score
        self.write()

    def write(self) -> None:
        """Bring the record up to date, with its verdict, and write it."""
        from league.run.evidence import code_digest

        rules = self.rules
        digests = {name: report["sha256"] for name, report in self.record["data"].items()}
        spent = {name: round(seconds / 60, 2) for name, seconds in self.clock.spent.items()}
        self.record |= {
            "league": {
                "name": rules.name,
                "version": rules.version,
                "fingerprint": fingerprint(rules.fixed(), digests),
                "fixed": rules.fixed(),
            },
            "clock": {
                "minutes": round(self.clock.used / 60, 2),
                "limit": rules.minutes,
                "spent": spent,
                "interruptions": self.clock.interruptions,
            },
            "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
            "code": code_digest(),
        }
        broken = broken_rules(self.record)
        self.record |= {"official": "score" in self.record and not broken, "broken_rules": broken}
        wrong = problems(self.record)
        assert not wrong, wrong
        if self.writes:
            write_json(self.record_path, self.record)
