"""The search: one trial after the other for each worker, as the plan says."""

import shutil
import uuid
from collections import Counter
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from league.record.clock import Clock
from league.record.code import code_digest
from league.record.rules import names_tuned
from league.rulebook import STAGES, fingerprint
from league.run import moves
from league.run.entry import Entry
from league.run.failures import clear_disk
from league.run.progress import WRITE_EVERY
from tools.folders import read_folder, write_folder
from tools.workers import MOST_LOST, Lost, Seat

from .budget import PRESETS, SAFETY
from .candidates import LARGER, MIDDLE, Candidates, candidates_of, promising_first
from .jobs import Job, Tried
from .output import Output
from .plan import Planner
from .reading import counted
from .results import Request
from .sampling import Sampling
from .space import Values, point, start_values, why_not
from .speed import SHARE_VALIDATED, Speed
from .study import Begun, Study, again
from .trial import Runner, load_data
from .work import Work

PROBE = "probe"  # what a worker does before its first trial
KEPT_TRIALS = 3  # fine-tunes in full whose checkpoints stay: the best ones, in case one of them is damaged
MOST_RESTARTS = 3  # of a trial that is interrupted, after which it has failed: chosen, it may be what fills the memory


class Search:
    """The search for an entry, with the workers of a team."""

    def __init__(self, entry: Entry, request: Request, team):
        self.entry, self.options, self.request, self.team = entry, entry.options, request, team
        self.rules, self.folder = entry.rules, entry.folder / "tune"
        self.output = Output(self)
        self.running: dict[int, Begun] = {}
        self.waiting: list[Begun] = []  # trials to be run again, as their workers are gone
        self.seats: dict[int, Seat] = {}  # where each runs
        self.losses: Counter[int] = Counter()  # of workers, by the trial that they were at
        self.probed: set[str] = set()  # kinds of device whose speed was measured, or is being measured
        self.shared: dict[int, Any] = {}  # stages A where all machines can fetch them

    # Before the first trial.

    def prepare(self) -> None:
        """Load the data and open the study, and let the workers load all that they need; none of it is on the clock."""
        self.entry.demand_lock()
        with clear_disk(self.entry.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob("*probe-*"):  # by a kill
                shutil.rmtree(left)
            splits = load_data(self.rules, self.options.data_dir)
        digests = {split.name: split.report["sha256"] for split in splits}
        spans = {stage: self.rules.ranges(stage) for stage in STAGES}
        identity = {
            "rules": fingerprint(self.rules.fixed(), {}),
            "ranges": fingerprint(spans, {}),
            "data": fingerprint({}, digests),
            "seed": str(self.options.seed),
            "code": code_digest(self.rules),
        }
        sampling = Sampling(self.request.sampler, self.options.seed, spans)
        with clear_disk(self.entry.folder):
            self.study = Study(self.folder, identity, sampling)
            self.clock = Clock(self.folder / "clock.json", self.entry.clock.limit / 60)
        self._note_earlier()
        # A clock that was lost continues from what the entry was charged.
        self.clock.restore({"search": self.entry.clock.spent.get("trials", 0.0) - self.earlier}, 0)
        if not self._is_over():
            self.team.employ(self._work(splits))

    def _work(self, splits) -> Work:
        name = self.study.noted("name") or uuid.uuid4().hex[:12]
        self.study.note("name", name)
        # The data travel with it; a path of this machine would mean nothing on another one.
        options = self.options if self.team.is_alone else replace(self.options, data_dir=None)
        scratch = self.folder.absolute() / "workers" if self.team.is_local else None
        runner = Runner(self.rules, options, self.entry.name, splits)
        work = Work(runner, self.folder / "trials", name, scratch)
        if self.team.is_alone:
            work.note = lambda number, steps: self.output.running({number: steps})
        return work

    def run(self) -> None:
        """Search until the plan says that it is time for the score."""
        game = self.entry.game
        in_game = game.charge(self.entry.name, "trials") if game else nullcontext()
        with self.clock.charge("search"), in_game, clear_disk(self.entry.folder):
            self._take_up()
            self._charge()
            try:
                self._try_all()
            except BaseException:  # Ctrl-C in a trial: what it took is spent
                with suppress(OSError):
                    self._charge()
                raise
            trials = counted(len(self.study.tried()), "trial")
            self.output.say(f"The search is over after {self.used / 60:.1f} minutes and {trials}.")

    def _try_all(self) -> None:
        while not self._is_over():
            for seat in self.team.free():
                self._occupy(seat)
            if not self.team.is_busy or self._is_late():
                self._end_search()
                break
            for ended in self.team.wait(WRITE_EVERY):
                self._take(*ended)
                self._charge()
            self.output.running(self.team.notes())

    def _take_up(self) -> None:
        """Wait for a seat with what a kill has interrupted; what was killed again and again may be what kills."""
        for begun in self.study.left_over():
            if begun.asked["restarts"] > MOST_RESTARTS:
                self._note_end(begun, self._outcome_of_nothing(f"it was interrupted {MOST_RESTARTS + 1} times"))
            else:
                self.waiting.append(begun)

    def _note_earlier(self) -> None:
        # The search whose best this one starts from: noted, or the same command without --from would forget it.
        given = self.request.given
        if given:
            self.entry.charge_game(given.what, given.minutes * 60, given.game)
        trials, minutes = self.study.noted("earlier", [0, 0.0])
        earlier = [max(trials, given.trials), max(minutes, given.minutes)] if given else [trials, minutes]
        self.study.note("earlier", earlier)
        self.earlier_trials, self.earlier = earlier[0], 60 * earlier[1]

    @property
    def used(self) -> float:
        return self.clock.used

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

    def _occupy(self, seat: Seat) -> None:
        """Give a free worker something to do, if there is anything."""
        if seat.kind not in self.study.noted("paces by device", {}):
            places = [start_values(self.rules, "pretrain")]
            places += [point(self.rules, "pretrain", share) for share in (MIDDLE, LARGER)]
            if self.request.only == "finetune":
                places = [self.request.fixed["pretrain"]]
            if seat.kind not in self.probed:
                self.output.say(f"measuring how fast {seat.kind} trains structures of {counted(len(places), 'size')}")
            self.probed.add(seat.kind)
            self.team.begin(seat, PROBE, "probe", places, self.budget)
        elif begun := self._next(seat):
            self._begin(seat, begun)

    # One trial after the other.

    def planner(self, seat: Seat) -> Planner:
        """Return the plan's view of the search for a worker, with all that was measured on devices like its own."""
        speeds = self._speeds()
        fixed = self.request.fixed | {"finetune": self.untried}
        planner = Planner(
            self.rules, speeds[seat.kind], PRESETS[self.request.preset], self.budget, self.candidates, fixed
        )
        planner.only, planner.num_workers = self.request.only, len(self.team.seats)
        # This machine scores. Where it has no worker, nobody knows how fast it is: it is taken for the slowest.
        at_home = {one.kind for one in self.team.seats if one.is_home} & speeds.keys() or speeds.keys()
        planner.home = max((speeds[kind] for kind in at_home), key=lambda speed: speed.scoring(fixed["pretrain"]))
        return planner

    def _speeds(self) -> dict[str, Speed]:
        speeds, rows = {}, self.study.rows()
        for kind, paces in self.study.noted("paces by device", {}).items():
            speeds[kind] = Speed(self.rules)
            speeds[kind].learn_all(paces, [row for row in rows if row.get("device") == kind])
        return speeds

    @cached_property
    def candidates(self) -> dict[str, Candidates]:
        return candidates_of(self.rules, self.request.fixed, self.entry.name)

    @cached_property
    def untried(self) -> Values:
        """Return the fine-tune that is played where there was no time to try any: the given one, or a promising one."""
        if self.request.given or self.request.only == "structure":
            return self.request.fixed["finetune"]
        return promising_first(self.rules, self.candidates["finetune"])[0][1]

    def _next(self, seat: Seat) -> Begun | None:
        planner = self.planner(seat)
        while self.waiting:
            begun, left = self._nearest(seat)
            self.waiting.remove(begun)
            if self._still_fits(begun, planner, left):
                return begun
        tried = self.study.tried()
        while isinstance(job := planner.decide(tried, self.left), Job):
            self.output.plan(planner, tried)
            begun = self.study.begin(job, partial(self._allows, planner, job, tried), self.used / 60)
            if begun or job.values is not None:
                return begun
            # Every sample of this stage is refused: what is left are the best ones in full, and the other stage.
            planner = replace(planner, exhausted=(*planner.exhausted, job.stage))
        return None

    def _nearest(self, seat: Seat) -> tuple[Begun, float]:
        """Return the waiting trial of which this worker's machine has done most, and the share that is left of it."""
        lefts = [self.team.ask(seat, "share_left", one.asked) for one in self.waiting]
        lefts = [1.0 if left is None else left for left in lefts]
        place = lefts.index(min(lefts))
        return self.waiting[place], lefts[place]

    def _is_over(self) -> bool:
        # What began now would be neither on the entry's clock nor in its choice.
        record = self.entry.record  # its first stage may be under way
        is_played = record.stages or record.asked.keys() & set(names_tuned(self.rules, "pretrain"))
        return bool(is_played) or self.study.noted("over") == [self.request.minutes, self.request.only]

    def _is_late(self) -> bool:
        """Tell whether all that runs should have been given up by now."""
        untils = [begun.until for begun in self.running.values()]
        return not self.team.is_alone and bool(untils) and self.used > max(untils)

    def _end_search(self) -> None:
        """Note that the search is over; end what still runs."""
        for ended in self.team.wait(0.0):
            self._take(*ended)
        self.team.stop()
        for begun in (*self.running.values(), *self.waiting):
            self._note_end(begun, self._outcome_of_nothing("the search was over before it"))
        self.running.clear()
        self.waiting.clear()
        self.output.lines.close()
        shutil.rmtree(self.folder / "workers", ignore_errors=True)
        if not self.team.is_local:
            self.team.clear(self.study.noted("name"))
        self.study.note("over", [self.request.minutes, self.request.only])

    def _still_fits(self, begun: Begun, planner: Planner, left: float) -> bool:
        asked = begun.asked
        begun.seconds = planner.room_to_resume(asked, self.study.tried(), self.left)
        rest = left * planner.speed.trial(asked["stage"], asked["structure"], asked["fidelity"])
        if begun.seconds > max(0.0, 0.5 * rest):
            return True
        self._note_end(begun, self._outcome_of_nothing("no time was left to resume it"))
        return False

    @staticmethod
    def _outcome_of_nothing(reason: str) -> dict[str, Any]:
        nothing = {name: None for name in ("validation", "pace", "validation_seconds")}
        return nothing | {"state": "failed", "reason": reason, "steps": 0, "seconds": 0.0, "curve": []}

    def _allows(self, planner: Planner, job: Job, tried: list[Tried], values: dict[str, Any]) -> bool:
        return why_not(self.rules, job.stage, values) is None and planner.allows(job, values, tried, self.left)

    def _begin(self, seat: Seat, begun: Begun) -> None:
        asked, planner = begun.asked, self.planner(seat)
        number, stage, structure = asked["number"], asked["stage"], asked["structure"]
        share = 1.0 if asked["fidelity"] == 1 else SHARE_VALIDATED[stage]
        seconds = begun.seconds - SAFETY * share * planner.speed.validation(structure)
        base = None
        if asked["base"] is not None and not self.team.is_alone:
            folder, names = self.study.trial_folder(asked["base"]), ("record.json", "clock.json", "pretrain")
            base = self.shared.get(asked["base"]) or self.team.share(read_folder(folder, *names))
            self.shared[asked["base"]] = base
        self.running[number], self.seats[number], begun.until = begun, seat, self.used + begun.seconds
        self.study.note("at once", self._most_at_once())
        self.team.begin(seat, number, "run", asked, seconds, self.output.headline(asked), base)

    def _most_at_once(self) -> dict[str, int]:
        before, now = self.study.noted("at once", {}), Counter(self.seats[number].kind for number in self.running)
        return dict(now) if now.total() > sum(before.values()) else before

    def _take(self, seat: Seat, key: int | str, result: Any) -> None:
        """Take what has come of a worker's job."""
        if key == PROBE:
            if not isinstance(result, Lost):
                paces = self.study.noted("paces by device", {})
                self.study.note("paces by device", paces | {seat.kind: [*paces.get(seat.kind, []), *result]})
            return
        begun = self.running.pop(key)
        del self.seats[key]
        asked = begun.asked
        if isinstance(result, Lost):
            self.losses[key] += 1
            if self.losses[key] >= MOST_LOST:
                return self._finish(begun, self._outcome_of_nothing(f"its worker is gone: {result.reason}"))
            begun.asked = again(asked)
            return self.waiting.append(begun)
        outcome, files = result
        if files is not None:
            write_folder(begun.folder, files)
        outcome["device"] = seat.kind
        if outcome["state"] == "complete" and asked["base"] is not None and self.rules.has_one_task:
            before = next(row for row in self.study.rows() if row["number"] == asked["base"])
            outcome["change"] = round(outcome["validation"] - before["validation"], 3)
        self._finish(begun, outcome)
        if not self.team.is_alone:
            self.team.ask(seat, "forget", key)

    def _finish(self, begun: Begun, outcome: dict[str, Any]) -> None:
        self._note_end(begun, outcome)
        self._tidy()
        self.output.outcome(begun.asked, outcome)

    def _note_end(self, begun: Begun, outcome: dict[str, Any]) -> None:
        self.study.end(begun, outcome, self.used / 60)

    def _tidy(self) -> None:
        # Checkpoints of stage A in full are the cache that fine-tunes start from; of the rest only the best are needed.
        rows = [row for row in self.study.rows() if row["state"] != "running"]
        fulls = [row for row in rows if row["fidelity"] == 1]
        tunes = [row for row in fulls if row["stage"] == "finetune" and row["validation"] is not None]
        kept = sorted(tunes, key=lambda row: -row["validation"])[:KEPT_TRIALS]
        kept += [row for row in fulls if row["stage"] == "pretrain"]
        numbers = {row["number"] for row in kept}
        for row in rows:
            if row["number"] not in numbers:
                for stage in ("pretrain", "finetune", "under_way"):
                    shutil.rmtree(self.study.trial_folder(row["number"]) / stage, ignore_errors=True)

    def _charge(self) -> None:
        # The entry's clock shows the search while it runs.
        if not self.entry.record.stages:  # which have their own minutes on the clock
            moves.start(self.entry, {})
            self.entry.charge_search(self.num_trials, self.earlier + self.used)
            self.entry.write()
