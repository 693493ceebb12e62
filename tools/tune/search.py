"""The search: trial after trial as the plan says, then the best settings as the entry's own stages and score."""

import shutil
import sys
import time
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from league.errors import Diverged, OutOfMemory
from league.files import write_json
from league.hardware import device_name
from league.proof.noise import seed_deviation
from league.run.entry import Entry
from league.run.evidence import code_digest
from league.run.failures import clear_disk
from league.untrusted import read_json
from league_config import Range, fingerprint

from .plan import PRESETS, SAFETY, Job, Planner, Tried, outlook
from .presence import Presence
from .reading import counted
from .report import write_report
from .space import (
    KINDS,
    first_candidates,
    flags,
    gentle_first,
    known_entries,
    point,
    ranges,
    short,
    start_values,
    why_not,
)
from .speed import SHARE_VALIDATED, Speed, num_steps
from .study import Claim, Study
from .summary import terminal_summary
from .trial import Bench, load_data, share_left

PROBE_SHARE = 0.02  # of the search, at most, for each measurement of the speed
WAITING = 2.0  # seconds between two looks at what another process does
FIRST_PAGE = 60.0  # seconds, before which nobody reads a report
SHARE_SHOWN = 0.01  # of the search, for drawing it
KEPT_TRIALS = 3  # fine-tunes in full whose checkpoints stay: the best ones


@dataclass
class Search:
    """One process's part in the search for an entry."""

    entry: Entry
    options: Any  # FinetuneOptions: data, seed, tracker
    given: dict[str, Any] | None  # the settings of --from
    preset: str
    minutes: float
    sampler: str
    only: str | None
    fixed: dict[str, dict[str, Any]]

    def __post_init__(self):
        self.folder = self.entry.folder / "tune"
        self.rules = self.entry.rules
        self.said, self.next_page = "", time.monotonic() + FIRST_PAGE

    # Before the first trial.

    def prepare(self) -> None:
        """Load the data and open the study; none of it is on the clock."""
        with clear_disk(self.entry.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            load_data(self.entry)
        self.bench = Bench(self.rules, self.options, self.entry.name, self.entry.splits)
        digests = {split.name: split.report["sha256"] for split in self.entry.splits.values()}
        self.identity = {
            "rules": fingerprint(self.rules.fixed(), {}),
            "ranges": fingerprint({stage: ranges(stage) for stage in KINDS}, {}),
            "data": fingerprint({}, digests),
            "seed": str(self.options.seed),
            "code": code_digest(),
        }

    def run(self) -> None:
        """Search until the plan says that it is time for the score."""
        with Presence(self.folder / "processes") as self.presence:
            self.study = Study(self.folder, self.identity, self.sampler, self.options.seed, self.presence)
            self._take_on_earlier()
            self._probe()
            while claim := self._next():
                self._run(claim)
            trials = counted(len(self.study.tried()), "trial")
            self._say(f"The search is over after {self.used / 60:.1f} minutes and {trials}.")

    def _take_on_earlier(self) -> None:
        # The search whose best this one starts from: noted, or the same command without --from would forget it.
        given = self.given or {"trials": 0, "minutes": 0.0}
        with self.study.locked():
            trials, minutes = self.study.noted("earlier", [0, 0.0])
            earlier = [max(trials, given["trials"]), max(minutes, given["minutes"])]
            self.study.note("earlier", earlier)
        self.earlier_trials, self.earlier = earlier[0], 60 * earlier[1]

    @property
    def used(self) -> float:
        return self.presence.used()

    @property
    def num_trials(self) -> int:
        return self.earlier_trials + len(self.study.tried())

    @property
    def budget(self) -> float:
        """Return the seconds of the whole search: what an earlier one has spent of the clock is gone."""
        return min(self.minutes * 60, self.entry.clock.limit - self.earlier)

    @property
    def left(self) -> float:
        return self.budget - self.used

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def _probe(self) -> None:
        with self.study.locked():
            if self.study.noted("paces"):
                return
        paces = []
        places = [start_values("pretrain"), point("pretrain", 0.5), point("pretrain", 0.7)]
        for number, place in enumerate([self.fixed["pretrain"]] if self.only == "finetune" else places):
            self._say(f"measuring how fast this machine trains {short('pretrain', place)}")
            folder = self.folder / f"probe-{self.presence.name}"
            try:
                measured = self.bench.probe(place, folder, max(10.0, PROBE_SHARE * self.budget), "probe, ")
            except (Diverged, OutOfMemory):
                if not paces:
                    raise
                break  # the start values can be trained here, and larger ones are not needed
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            paces.append([place, measured])
            steps = self.rules.pretrain.arguments["max_steps"]
            if number == 0 and measured.get("pretrain", 9.0) * steps > self.budget:
                break  # larger ones are out of reach
        with self.study.locked():
            self.study.note("paces", paces)

    # One trial after the other.

    def planner(self) -> Planner:
        """Return the plan's view of the search, with everything measured so far, by whichever process."""
        speed = Speed(self.rules)
        for structure, paces in self.study.noted("paces", []):
            for stage, pace in paces.items():
                speed.learn(stage, structure, pace, trust=0.3)  # a few cold steps
        for row in self.study.rows():
            if row.get("pace"):
                speed.learn(row["stage"], row["structure"], row["pace"])
            if row["state"] == "complete" and not row["origin"].endswith("after a kill"):  # of which a part is known
                rest = row["seconds"] - row["steps"] * (row["pace"] or 0) - row["validation_seconds"]
                speed.extra.append(max(0.0, rest))
                if row["fidelity"] == 1:
                    speed.learn_validation(row["structure"], row["validation_seconds"])
        fixed = self.fixed | {"finetune": self.untried}
        return Planner(self.rules, speed, PRESETS[self.preset], self.budget, self.candidates, fixed, self.only)

    @cached_property
    def candidates(self) -> dict[str, list]:
        """Return what is tried before the sampler picks: start values, what did well before, points of the ranges."""
        found = {}
        for stage in KINDS:
            baseline, *points = first_candidates(stage)
            given = [] if self.fixed[stage] == baseline[1] else [("given by --from", self.fixed[stage])]
            known = known_entries(stage, self.rules, self.entry.name)
            wanted = [*given, baseline, *known, *points]
            found[stage] = [one for one in wanted if why_not(stage, one[1], self.rules) is None]
        return found

    @cached_property
    def untried(self) -> dict[str, Any]:
        """Return the fine-tune that is played where there was no time to try any: the given one, or the gentlest."""
        if self.given or self.only == "structure":
            return self.fixed["finetune"]
        return gentle_first(self.candidates["finetune"])[0][1]

    def _next(self) -> Claim | None:
        while True:
            self._charge()
            with self.study.locked():
                if self._is_over():
                    return None
                planner = self.planner()
                while claim := self.study.orphan():
                    if self._still_fits(claim, planner):
                        return claim
                tried = self.study.tried()
                if (claim := self._claim(planner, tried)) or self._end(planner, tried):
                    return claim
            time.sleep(WAITING)

    def _claim(self, planner: Planner, tried: list[Tried]) -> Claim | None:
        while isinstance(job := planner.decide(tried, self.left), Job):
            self._tell_plan(planner, tried)
            claim = self.study.claim(job, partial(self._allows, planner, job, tried))
            if claim or job.values:
                return claim
            # Every sample of this stage is refused: what is left are the best ones in full, and the other stage.
            planner = replace(planner, exhausted=(*planner.exhausted, job.stage))
        return None

    def _is_over(self) -> bool:
        # What another process began now would be neither on the entry's clock nor in its choice.
        is_played = self.entry.record["stages"] or self.study.noted("final")
        return bool(is_played) or self.study.noted("over") == [self.minutes, self.only]

    def _end(self, planner: Planner, tried: list[Tried]) -> bool:
        # Not while a trial of another process may still win, unless it is late.
        best = self.best()
        is_tuned = best is not None and best["stage"] == "finetune"
        needed = [planner.to_the_score(self.winner()["pretrain"], best is not None, is_tuned)]
        running = [one for one in tried if one.state == "running"]
        # What already runs in full need not be begun anew.
        fulls = (one for one in running if one.fidelity == 1)
        needed += [planner.to_the_score(one.structure, True, one.stage == "finetune") for one in fulls]
        if running and self.left > min(needed):
            return False
        self.study.note("over", [self.minutes, self.only])
        return True

    def _still_fits(self, claim: Claim, planner: Planner) -> bool:
        asked = claim.asked
        claim.seconds = self.left - planner.to_the_score(asked["structure"], True, asked["stage"] == "finetune")
        rest = planner.speed.trial(asked["stage"], asked["structure"], asked["fidelity"])
        rest *= share_left(claim.folder, asked["stage"], num_steps(self.rules, asked["stage"], asked["fidelity"]))
        if claim.seconds > max(0.0, 0.5 * rest):
            return True
        self.study.end(claim, self._outcome_of_nothing("no time was left to go on with it"))
        return False

    @staticmethod
    def _outcome_of_nothing(reason: str) -> dict[str, Any]:
        nothing = {name: None for name in ("validation", "pace", "validation_seconds")}
        return nothing | {"state": "failed", "reason": reason, "steps": 0, "seconds": 0.0, "curve": []}

    def _allows(self, planner: Planner, job: Job, tried: list[Tried], values: dict[str, Any]) -> bool:
        return why_not(job.stage, values, self.rules) is None and planner.allows(job, values, tried, self.left)

    def _tell_plan(self, planner: Planner, tried: list[Tried]) -> None:
        phase = "finetune" if planner.is_tuning(tried) else "pretrain"
        full = sum(one.fidelity == 1 and one.counts for one in tried)
        # Said when something has changed: the first measurements, a structure in full, the turn to fine-tunes.
        occasion = f"{phase} {full if phase == 'pretrain' else ''} {bool(tried)}"
        if occasion == self.said:
            return
        self.said = occasion
        text = planner.describe(tried, self.left)
        self._say(f"plan at minute {self.used / 60:.1f} of {self.budget / 60:.4g}: {text}")
        with_this = [*self.study.noted("plan", []), {"minute": round(self.used / 60, 2), "text": text}]
        self.study.note("plan", with_this[-30:])

    def _run(self, claim: Claim) -> None:
        asked, planner = claim.asked, self.planner()
        stage, structure = asked["stage"], asked["structure"]
        share = 1.0 if asked["fidelity"] == 1 else SHARE_VALIDATED[stage]
        seconds = claim.seconds - SAFETY * share * planner.speed.validation(structure)
        base = None if asked["base"] is None else self.study.trial_folder(asked["base"])
        outcome = self.bench.run(
            stage, asked["values"], asked["fidelity"], claim.folder, seconds, base, self._headline(asked)
        )
        if outcome["state"] == "complete" and base:
            before = next(row for row in self.study.rows() if row["number"] == asked["base"])
            outcome["change"] = round(outcome["validation"] - before["validation"], 3)
        with self.study.locked():
            self.study.end(claim, outcome)
            is_late = self.study.noted("final")
        self._tell(asked, outcome)
        if not is_late:  # the final entry is made of what was there before, and has its report
            self._tidy()
            self._show(asked)

    def _show(self, asked: dict[str, Any]) -> None:
        # The page takes seconds to draw: after a trial in full, and never more than a small part of the time.
        now = time.monotonic()
        if asked["fidelity"] < 1 or now < self.next_page:
            self.export("searching")
            return
        self.report("searching")
        self.next_page = time.monotonic() + (time.monotonic() - now) / SHARE_SHOWN

    def _headline(self, asked: dict[str, Any]) -> str:
        best = self.best()
        so_far = f"best {best['validation']:.1f}" if best else "no result yet"
        what = short(asked["stage"], asked["values"])
        return f"{max(0.0, self.left) / 60:.0f} min left, {so_far} | trial {asked['number']}: {what} | "

    def _tell(self, asked: dict[str, Any], outcome: dict[str, Any]) -> None:
        result = outcome["reason"] or f"BLEU {outcome['validation']:.2f}"
        if outcome.get("change") is not None:
            result += f" ({outcome['change']:+.2f})"
        self._say(
            f"{self.used / 60:6.1f} min  trial {asked['number']:<3} {asked['stage']:<9}{outcome['steps']:>5} steps  "
            f"{short(asked['stage'], asked['values'])}  [{asked['origin']}]  {result}"
        )

    def _tidy(self) -> None:
        # Checkpoints of stage A in full are the cache that fine-tunes start from; of the rest only the best are needed.
        rows = [row for row in self.study.rows() if row["state"] != "running"]
        tunes = [
            row for row in rows if row["stage"] == "finetune" and row["fidelity"] == 1 and row["validation"] is not None
        ]
        kept = sorted(tunes, key=lambda row: -row["validation"])[:KEPT_TRIALS]
        kept += [row for row in rows if row["stage"] == "pretrain" and row["fidelity"] == 1]
        numbers = {row["number"] for row in kept}
        for row in rows:
            if row["number"] not in numbers:
                for stage in ("pretrain", "finetune", "under_way"):
                    shutil.rmtree(self.study.trial_folder(row["number"]) / stage, ignore_errors=True)

    def _charge(self) -> None:
        # The entry's clock shows the search while it runs; whichever process holds the entry writes it.
        if self.entry.hold() and not self.entry.record["stages"]:  # which have their own minutes on the clock
            self.entry.start({})
            self.entry.charge_search(self.num_trials, self.earlier + self.used)
            self.entry.write()

    # The result.

    def best(self) -> dict[str, Any] | None:
        """Return the best trial in full: a fine-tune, or as long as there is none, a structure."""
        rows = [row for row in self.study.rows() if row["state"] == "complete" and row["fidelity"] == 1]
        for stage in ("finetune", "pretrain"):
            if found := [row for row in rows if row["stage"] == stage]:
                return max(found, key=lambda row: row["validation"])
        return None

    def winner(self) -> dict[str, dict[str, Any]]:
        """Return the ten values that the search ends with."""
        best = self.best()
        if best is None:
            return self.fixed | {"finetune": self.untried}
        if best["stage"] == "finetune":
            return {"pretrain": best["structure"], "finetune": best["values"]}
        shorts = [row for row in self.study.rows() if row["base"] == best["number"] and row["state"] == "complete"]
        tuned = max(shorts, key=lambda row: row["change"])["values"] if shorts else self.untried
        return {"pretrain": best["structure"], "finetune": tuned}

    def settings(self) -> dict[str, Any]:
        """Return what `--from` takes."""
        winner = self.winner()
        return {
            "league": self.rules.name,
            "seed": self.options.seed,
            "model_hp": winner["pretrain"],
            "finetune_hp": winner["finetune"],
            "trials": self.num_trials,
            "minutes": round((self.earlier + self.used) / 60, 2),
        }

    def commands(self) -> list[str]:
        """Return the command lines that play the winner by hand."""
        winner = self.winner()
        shared = f"--league {self.rules.name} --entry {self.entry.name}-by-hand --seed {self.options.seed}"
        if self.options.data_dir:
            shared += f" --data_dir {self.options.data_dir}"
        return [
            f"python train_pretrain.py {shared} {flags(winner['pretrain'])}",
            f"python train_finetune.py {shared} {flags(winner['finetune'])}",
            f"python evaluate_bleu.py {shared}",
        ]

    def take_final(self) -> bool:
        """Tell whether this process is the one to play the final entry; if not, it has been played."""
        while not self.entry.hold():
            time.sleep(WAITING)
        if "score" in self.entry.record:
            return False
        with self.study.locked():
            self.study.note("final", True)
        return True

    def finish(self) -> dict[str, dict[str, Any]]:
        """Take over what was trained of the winner, and charge the rest of the search; return the winner's values."""
        best, winner = self.best(), self.winner()
        used, taken = self.earlier + self.used, 0.0
        if best:
            folder = self.study.trial_folder(best["number"] if best["stage"] == "pretrain" else best["base"])
            self.entry.take_over(folder, "pretrain", "the best structure")
            taken += self.entry.clock.spent["pretrain"]
            if best["stage"] == "finetune":
                self.entry.take_over(self.study.trial_folder(best["number"]), "finetune", "the best fine-tune")
                taken += self.entry.clock.spent["finetune"]
        # What these stages cost is on the clock under their own names.
        self.entry.clock.spent["trials"] = max(0.0, used - taken)
        self.entry.record["trials"] = self.num_trials
        self.entry.clock.save()
        self.entry.write()
        return winner

    def export(self, state: str) -> dict[str, Any]:
        """Write best.json and study.json, which the report is made of."""
        with self.study.locked():
            content = self.content(state)
            write_json(self.folder / "best.json", self.settings())
        write_json(self.folder / "study.json", content)
        return content

    def content(self, state: str) -> dict[str, Any]:
        """Return all that the report shows."""
        rows, best, winner = self.study.rows(), self.best(), self.winner()
        return {
            "format": 2,
            "entry": self.entry.name,
            "league": self.rules.name,
            "seed": self.options.seed,
            "sampler": self.sampler,
            "preset": self.preset,
            "only": self.only,
            "budget_minutes": round(self.budget / 60, 3),
            "used_minutes": round(self.used / 60, 3),
            "state": state,
            "num_processes": self.presence.count(),
            "device": device_name(),
            "metric": "BLEU",
            "domain": self.rules.pretrain.corpus.domain,
            "knobs": {stage: knobs(stage) for stage in KINDS},
            "trials": [shown_trial(row) for row in rows],
            "plan": self.study.noted("plan", []),
            "next": outlook(self.study.tried()),
            "best": best
            and {
                "structure": winner["pretrain"],
                "finetune": winner["finetune"],
                "validation": best["validation"] if best["stage"] == "finetune" else None,
                "pretrain_validation": next(
                    (
                        row["validation"]
                        for row in rows
                        if row["number"] in (best["number"], best["base"]) and row["base"] is None
                    ),
                    None,
                ),
                "change": best.get("change"),
            },
            "seed_deviation": seed_deviation(self.rules.name, self.rules.version),
            "final": None,
            "commands": self.commands(),
        }

    def report(self, state: str) -> str:
        """Write the report; return its short form."""
        content = self.export(state)
        return terminal_summary(content, write_report(content, self.folder))

    def report_score(self) -> None:
        """Bring the report up to date with the score, unless it is."""
        path = self.folder / "study.json"
        try:
            content = read_json(path)
        except (OSError, ValueError):
            return  # the score stands without it
        final = final_of(self.entry.record, self.rules.pretrain.corpus.domain)
        if content["final"] != final:
            content |= {"state": "done", "final": final}
            write_json(path, content)
            write_report(content, self.folder)


def final_of(record: dict[str, Any], domain: str) -> dict[str, Any]:
    """Return what became of the winner on the test set."""
    return {
        "validation": record["stages"]["finetune"]["validation_bleu"][domain],
        "test": record["score"]["bleu"],
        "interval": record["score"]["bleu_interval"],
        "official": record["official"],
    }


def knobs(stage: str) -> dict[str, dict[str, Any]]:
    """Return range and start value of each knob, as plain JSON."""
    found = {}
    for name, span in ranges(stage).items():
        shape = span._asdict() if isinstance(span, Range) else {"choices": list(span)}
        found[name] = shape | {"default": start_values(stage)[name]}
    return found


def shown_trial(row: dict[str, Any]) -> dict[str, Any]:
    """Return a trial as the report takes it."""
    names = ("number", "stage", "values", "structure", "fidelity", "state", "origin", "began_minute")
    rest = ("steps", "validation", "change", "ended_minute", "reason")
    pace = row.get("pace")
    shown = {name: row[name] for name in names} | {name: row.get(name) for name in rest}
    return shown | {"curve": row.get("curve", []), "steps_per_second": pace and round(1 / pace, 3)}
