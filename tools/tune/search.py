"""The search: trial after trial as the plan says, then the best settings as the entry's own stages and score."""

import shutil
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from league.errors import Diverged, OutOfMemory
from league.files import write_json
from league.record.code import code_digest
from league.rulebook import fingerprint
from league.run import moves
from league.run.entry import Entry
from league.run.failures import clear_disk
from league.tasks.metric import metric_of
from league.untrusted import read_json
from train_finetune import FinetuneOptions

from .budget import PRESETS, SAFETY
from .candidates import LARGER, MIDDLE, Candidates, candidates_of, promising_first
from .jobs import Job, Tried
from .outlook import describe
from .plan import Planner
from .presence import Presence
from .reading import counted
from .report import write_report
from .results import Request, best_of, content_of, final_of, settings_of, winner_of
from .sampling import Sampling
from .space import STAGES, Values, point, ranges, short, start_values, why_not
from .speed import SHARE_VALIDATED, Speed, num_steps
from .study import Claim, Study
from .summary import terminal_summary
from .trial import Attempt, Runner, load_data, share_left

PROBE_SHARE = 0.02  # of the search, at most, for each measurement of the speed: chosen, as there are three
WAITING = 2.0  # seconds between two looks at what another process does: chosen, a trial takes minutes
FIRST_PAGE = 60.0  # seconds, before which nobody reads a report
SHARE_DRAWN = 0.01  # of the search, for drawing it: chosen, too little to cost a trial
KEPT_TRIALS = 3  # fine-tunes in full whose checkpoints stay: the best ones, in case one of them is damaged
MOST_PLANS = 30  # that the report lists


class Search:
    """One process's part in the search for an entry."""

    def __init__(self, entry: Entry, options: FinetuneOptions, request: Request):
        self.entry, self.options, self.request = entry, options, request
        self.rules, self.folder = entry.rules, entry.folder / "tune"
        self.planned_for, self.next_page = "", time.monotonic() + FIRST_PAGE

    # Before the first trial.

    def prepare(self) -> None:
        """Load the data and open the study; none of it is on the clock."""
        with clear_disk(self.entry.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            splits = load_data(self.rules, self.options.data_dir)
        self.runner = Runner(self.rules, self.options, self.entry.name, splits)
        digests = {split.name: split.report["sha256"] for split in splits}
        self.identity = {
            "rules": fingerprint(self.rules.fixed(), {}),
            "ranges": fingerprint({stage: ranges(self.rules, stage) for stage in STAGES}, {}),
            "data": fingerprint({}, digests),
            "seed": str(self.options.seed),
            "code": code_digest(self.rules),
        }

    def run(self) -> None:
        """Search until the plan says that it is time for the score."""
        game = self.entry.game
        in_game = game.charge(self.entry.name, "trials") if game else nullcontext()
        with Presence(self.folder / "processes") as self.presence, in_game:
            spans = {stage: ranges(self.rules, stage) for stage in STAGES}
            sampling = Sampling(self.request.sampler, self.options.seed, spans)
            self.study = Study(self.folder, self.identity, sampling, self.presence)
            self._charge_earlier()
            self._probe()
            while claim := self._next():
                self._run(claim)
            trials = counted(len(self.study.tried()), "trial")
            self._say(f"The search is over after {self.used / 60:.1f} minutes and {trials}.")

    def _charge_earlier(self) -> None:
        # The search whose best this one starts from: noted, or the same command without --from would forget it.
        given = self.request.given
        if given:
            self.entry.charge_game(given.what, given.minutes * 60, given.game)
        with self.study.locked():
            trials, minutes = self.study.noted("earlier", [0, 0.0])
            earlier = [max(trials, given.trials), max(minutes, given.minutes)] if given else [trials, minutes]
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
        seconds, game = min(self.request.minutes * 60, self.entry.clock.limit - self.earlier), self.entry.game
        return min(seconds, game.left + self.used) if game else seconds

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
        places = [start_values(self.rules, "pretrain")]
        places += [point(self.rules, "pretrain", share) for share in (MIDDLE, LARGER)]
        for place in [self.request.fixed["pretrain"]] if self.request.only == "finetune" else places:
            self._say(f"measuring how fast this machine trains {short(self.rules, 'pretrain', place)}")
            measured = self._measure(place, is_first=not paces)
            if measured is None:
                break  # the start values can be trained here, and larger ones are not needed
            paces.append([place, measured])
            steps = self.rules.pretrain.arguments["max_steps"]
            if len(paces) == 1 and measured.get("pretrain", 9.0) * steps > self.budget:
                break  # larger ones are out of reach
        with self.study.locked():
            self.study.note("paces", paces)

    def _measure(self, structure: Values, is_first: bool) -> dict[str, float] | None:
        """Return the seconds of a step by stage, or None where a larger structure cannot be trained here."""
        folder = self.folder / f"probe-{self.presence.name}"
        try:
            return self.runner.probe(structure, folder, max(10.0, PROBE_SHARE * self.budget), "probe, ")
        except (Diverged, OutOfMemory):
            if is_first:
                raise
            return None
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # One trial after the other.

    def planner(self) -> Planner:
        """Return the plan's view of the search, with everything measured so far, by whichever process."""
        speed = Speed(self.rules)
        speed.learn_all(self.study.noted("paces", []), self.study.rows())
        fixed = self.request.fixed | {"finetune": self.untried}
        preset, only = PRESETS[self.request.preset], self.request.only
        return Planner(self.rules, speed, preset, self.budget, self.candidates, fixed, only)

    @cached_property
    def candidates(self) -> dict[str, Candidates]:
        return candidates_of(self.rules, self.request.fixed, self.entry.name)

    @cached_property
    def untried(self) -> Values:
        """Return the fine-tune that is played where there was no time to try any: the given one, or a promising one."""
        if self.request.given or self.request.only == "structure":
            return self.request.fixed["finetune"]
        return promising_first(self.rules, self.candidates["finetune"])[0][1]

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
            self._print_plan(planner, tried)
            claim = self.study.claim(job, partial(self._allows, planner, job, tried))
            if claim or job.values is not None:
                return claim
            # Every sample of this stage is refused: what is left are the best ones in full, and the other stage.
            planner = replace(planner, exhausted=(*planner.exhausted, job.stage))
        return None

    def _is_over(self) -> bool:
        # What another process began now would be neither on the entry's clock nor in its choice.
        is_played = self.entry.record.stages or self.study.noted("final")
        return bool(is_played) or self.study.noted("over") == [self.request.minutes, self.request.only]

    def _end(self, planner: Planner, tried: list[Tried]) -> bool:
        # Not while a trial of another process may still win, unless it is late.
        best = best_of(self.study.rows())
        is_tuned = best is not None and best["stage"] == "finetune"
        needed = [planner.to_the_score(winner_of(self)["pretrain"], best is not None, is_tuned)]
        running = [one for one in tried if one.state == "running"]
        # What already runs in full need not be begun again.
        fulls = (one for one in running if one.fidelity == 1)
        needed += [planner.to_the_score(one.structure, True, one.stage == "finetune") for one in fulls]
        if running and self.left > min(needed):
            return False
        self.study.note("over", [self.request.minutes, self.request.only])
        return True

    def _still_fits(self, claim: Claim, planner: Planner) -> bool:
        asked = claim.asked
        claim.seconds = self.left - planner.to_the_score(asked["structure"], True, asked["stage"] == "finetune")
        rest = planner.speed.trial(asked["stage"], asked["structure"], asked["fidelity"])
        rules = self.rules.as_tuned(asked["values"])
        rest *= share_left(claim.folder, asked["stage"], num_steps(rules, asked["stage"], asked["fidelity"]))
        if claim.seconds > max(0.0, 0.5 * rest):
            return True
        self.study.end(claim, self._outcome_of_nothing("no time was left to resume it"))
        return False

    @staticmethod
    def _outcome_of_nothing(reason: str) -> dict[str, Any]:
        nothing = {name: None for name in ("validation", "pace", "validation_seconds")}
        return nothing | {"state": "failed", "reason": reason, "steps": 0, "seconds": 0.0, "curve": []}

    def _allows(self, planner: Planner, job: Job, tried: list[Tried], values: dict[str, Any]) -> bool:
        return why_not(self.rules, job.stage, values) is None and planner.allows(job, values, tried, self.left)

    def _print_plan(self, planner: Planner, tried: list[Tried]) -> None:
        phase = "finetune" if planner.is_tuning(tried) else "pretrain"
        full = sum(one.fidelity == 1 and one.counts for one in tried)
        # Printed when something has changed: the first measurements, a structure in full, the turn to fine-tunes.
        occasion = f"{phase} {full if phase == 'pretrain' else ''} {bool(tried)}"
        if occasion == self.planned_for:
            return
        self.planned_for = occasion
        text = describe(planner, tried, self.left)
        self._say(f"plan at minute {self.used / 60:.1f} of {self.budget / 60:.4g}: {text}")
        with_this = [*self.study.noted("plan", []), {"minute": round(self.used / 60, 2), "text": text}]
        self.study.note("plan", with_this[-MOST_PLANS:])

    def _run(self, claim: Claim) -> None:
        asked, planner = claim.asked, self.planner()
        stage, structure = asked["stage"], asked["structure"]
        share = 1.0 if asked["fidelity"] == 1 else SHARE_VALIDATED[stage]
        seconds = claim.seconds - SAFETY * share * planner.speed.validation(structure)
        base = None if asked["base"] is None else self.study.trial_folder(asked["base"])
        fidelity, headline = asked["fidelity"], self._headline(asked)
        outcome = self.runner.run(Attempt(stage, asked["values"], fidelity, claim.folder, seconds, base, headline))
        if outcome["state"] == "complete" and base:
            before = next(row for row in self.study.rows() if row["number"] == asked["base"])
            start = before["validation"] if self.rules.has_one_task else 0.0  # else the two are of different kinds
            outcome["change"] = round(outcome["validation"] - start, 3)
        with self.study.locked():
            self.study.end(claim, outcome)
            is_late = self.study.noted("final")
        self._print_outcome(asked, outcome)
        if not is_late:  # the final entry is made of what was there before, and has its report
            self._tidy()
            self._draw(asked)

    def _draw(self, asked: dict[str, Any]) -> None:
        # The page takes seconds to draw: after a trial in full, and never more than a small part of the time.
        now = time.monotonic()
        if asked["fidelity"] < 1 or now < self.next_page:
            self.export("searching")
            return
        self.report("searching")
        self.next_page = time.monotonic() + (time.monotonic() - now) / SHARE_DRAWN

    def _headline(self, asked: dict[str, Any]) -> str:
        best = best_of(self.study.rows())
        so_far = f"best {best['validation']:.1f}" if best else "no result yet"
        what = short(self.rules, asked["stage"], asked["values"])
        return f"{max(0.0, self.left) / 60:.0f} min left, {so_far} | trial {asked['number']}: {what} | "

    def _print_outcome(self, asked: dict[str, Any], outcome: dict[str, Any]) -> None:
        label = metric_of(self.rules, asked["stage"]).LABEL
        result = outcome["reason"] or f"{label} {outcome['validation']:.2f}"
        if outcome.get("change") is not None:
            result += f" ({outcome['change']:+.2f})"
        self._say(
            f"{self.used / 60:6.1f} min  trial {asked['number']:<3} {asked['stage']:<9}{outcome['steps']:>5} steps  "
            f"{short(self.rules, asked['stage'], asked['values'])}  [{asked['origin']}]  {result}"
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
        if self.entry.hold() and not self.entry.record.stages:  # which have their own minutes on the clock
            moves.start(self.entry, {})
            self.entry.charge_search(self.num_trials, self.earlier + self.used)
            self.entry.write()

    # The report.

    def export(self, state: str) -> dict[str, Any]:
        """Write best.json and study.json, which the report is made of."""
        with self.study.locked():
            content = content_of(self, state)
            write_json(self.folder / "best.json", settings_of(self))
        write_json(self.folder / "study.json", content)
        return content

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
        final = final_of(self.entry.record, self.rules.validated("finetune")[0].domain)
        if content["final"] != final:
            content |= {"state": "done", "final": final}
            write_json(path, content)
            write_report(content, self.folder)
