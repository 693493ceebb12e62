"""The watch on a training stage: progress bar, clock, checkpoints, and every way in which a stage may stop early."""

import math
import os
import signal
import sys
import time
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import TrainerCallback

from league.errors import Interrupted, TooSlow
from league.hardware import device_name
from league.record.shape import StageFacts
from league.run import moves
from league.run.checkpoints import seal
from league.run.entry import Entry
from league.run.progress import ProgressFile
from league.tasks.task import task_of

SAVE_EVERY = 60.0  # seconds of training between checkpoints, or more where a checkpoint takes long
MOST_FOR_CHECKPOINTS = 0.025  # share of the time
PROBE_FROM = 0.1  # share of the clock, at its end, at which the time for scoring begins to be kept free
EXPLODED, STEPS_EXPLODED = 2.0, 5  # loss, as a multiple of an even guess; so many steps in a row
SURE_AND_WRONG = 2.0  # above that: between two labels an even guess is near, and a new classifier may be sure and wrong
CONTINUE, SAVE, STOP_FOR_TIME, STOP_FOR_USER, GIVE_UP = range(5)
PACE_FROM = 5  # steps, the first ones are slower
# Of a pace, by which what is left may be faster: less, the less is left. Settled on the simulated machines of
# tests/machines.py, whose speed swings as that of two rented cores does.
HOPE = 0.2


def highest_loss(history: list[dict], loss_of_a_guess: float) -> float:
    """Return the loss above which a run has exploded; a wide model begins far above an even guess, and comes down."""
    first = next((log["loss"] for log in history if "loss" in log), math.inf)
    return max(EXPLODED * loss_of_a_guess + SURE_AND_WRONG, first)


def at_best(left: int, steps: int, pace: float) -> float:
    """Return the seconds that the steps still to go may take at best: until now the machine may have been slow."""
    return left * pace * (1 - HOPE * left / steps)


class StageWatch(TrainerCallback):
    """Sees to it that nothing is lost, that the clock is kept, and that a stage which cannot succeed ends at once."""

    def __init__(self, entry: Entry, name: str, time_validation=None):
        self.entry, self.name = entry, name
        self.time_validation = time_validation
        self.loss_of_a_guess = task_of(entry.rules, name).loss_of_a_guess()
        self.progress = None if entry.conduct.is_quiet or not entry.writes else ProgressFile(entry, name)
        self.glimpses = None
        self.deadline: float | None = None  # on the entry's clock, by which the stage has ended or is given up
        self.stopped_for: int | None = None
        self.diverged: tuple[int, float] | None = None
        self.user_wants_to_stop = False
        self.bar = None
        self.save_every = SAVE_EVERY
        self._reserve: float | None = None

    @property
    def is_out_of_time(self) -> bool:
        return self.stopped_for == STOP_FOR_TIME

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(
            desc=self.entry.conduct.headline + self.name,
            total=state.max_steps,
            unit="step",
            initial=state.global_step,
            disable=not state.is_world_process_zero,
            dynamic_ncols=True,
            leave=not self.entry.conduct.is_quiet,
        )
        self.first_step, self.began = state.global_step, time.monotonic()
        self.has_warned = self.entry.conduct.is_quiet
        self.last_save = time.monotonic()
        self.step = state.global_step

    def on_step_end(self, args, state, control, **kwargs):
        self.step, self.max_steps = state.global_step, state.max_steps
        self.bar.update(1)
        self.entry.conduct.note_step(self.step, self.max_steps)
        if self.progress:
            if self.glimpses:
                self.glimpses.look(state.global_step)
            self.progress.update(state.global_step, state.max_steps, state.log_history, self.glimpses)
        verdict = self._verdict(args, state)
        control.should_save |= verdict not in (CONTINUE, GIVE_UP)
        self.save_began = time.monotonic()
        if verdict in (STOP_FOR_TIME, STOP_FOR_USER, GIVE_UP):
            self.stopped_for = verdict
            control.should_training_stop = True

    def _verdict(self, args, state) -> int:
        verdict = CONTINUE
        if self.entry.writes:
            self._warn_in_time(state)
            if self.user_wants_to_stop:
                verdict = STOP_FOR_USER
            elif self.deadline is not None and self._cannot_end_in_time(state):
                verdict = GIVE_UP
            elif self.deadline is None and self.entry.clock.left <= self._kept_for_scoring():
                verdict = STOP_FOR_TIME
            elif time.monotonic() - self.last_save > self.save_every or state.global_step == state.max_steps:
                verdict = SAVE
        if args.world_size > 1:
            # Clocks differ between processes: the first one decides, or the others would wait for it for ever.
            decision = torch.tensor([verdict], device=args.device)
            torch.distributed.broadcast(decision, 0)
            verdict = int(decision)
        return verdict

    def _cannot_end_in_time(self, state) -> bool:
        num_steps, left = state.global_step - self.first_step, state.max_steps - state.global_step
        if num_steps <= PACE_FROM:
            self.paced_from = time.monotonic()
            return self.entry.clock.used >= self.deadline
        pace = (time.monotonic() - self.paced_from) / (num_steps - PACE_FROM)
        self.entry.conduct.note_pace(pace)
        is_known = num_steps >= min(left, 50)
        return self.entry.clock.used + (at_best(left, state.max_steps, pace) if is_known else 0) > self.deadline

    def _kept_for_scoring(self) -> float:
        """Return the seconds to keep for what comes after training, from how long a validation takes here."""
        if self._reserve is None:
            before, test = self.entry.record.stages.get("pretrain"), self.entry.rules.test_corpus
            is_last = self.name == "finetune"
            # In validations: the test set is not larger than all that a validation predicts, or the rule book says so.
            scoring = max(1.0, test.num_test_pairs / test.num_validation_pairs)
            if is_last and before and self._tells(before):
                self._reserve = (1 + scoring) * before.validation_seconds
            elif self.entry.clock.left > PROBE_FROM * scoring * self.entry.clock.limit:
                return 0.0
            else:
                # After stage A, stage B's validation besides. A quarter on top for an estimate.
                self._reserve = 1.25 * ((1 if is_last else 2) + scoring) * self.time_validation()
        return self._reserve

    def _tells(self, before: StageFacts) -> bool:
        """Tell whether what stage A took to validate is what stage B will take: as it does the same on the same."""
        rules, num_processes = self.entry.rules, int(os.environ.get("WORLD_SIZE", "1"))
        is_here = (before.device, before.num_processes) == (device_name(), num_processes) and not before.reused
        return is_here and before.steps > 0 and rules.has_one_task and not rules.tunes("num_beams")

    def _warn_in_time(self, state) -> None:
        if self.has_warned or time.monotonic() - self.began < 20:
            return
        self.has_warned = True
        per_step = (time.monotonic() - self.began) / (state.global_step - self.first_step)
        needed, left = per_step * (state.max_steps - state.global_step), self.entry.clock.left
        if needed > left:
            self.bar.write(
                f"At this speed {self.name} needs {needed / 60:.0f} more minutes; the clock has {left / 60:.0f} left. "
                "It will be cut short: think of a smaller structure.",
                file=sys.stderr,
            )

    def on_save(self, args, state, control, **kwargs):
        if args.world_size > 1:
            torch.distributed.barrier()  # every process writes a part
        if state.is_world_process_zero:
            seal(Path(args.output_dir) / f"checkpoint-{state.global_step}", args.world_size)
        self.last_save = time.monotonic()
        self.save_every = max(SAVE_EVERY, (self.last_save - self.save_began) / MOST_FOR_CHECKPOINTS)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not logs or "loss" not in logs:
            return
        recent = [log["loss"] for log in state.log_history[-STEPS_EXPLODED:] if "loss" in log]
        limit = highest_loss(state.log_history, self.loss_of_a_guess)
        # The loss is a mean over all processes: they all stop here, at the same step.
        if not math.isfinite(logs["loss"]) or (len(recent) == STEPS_EXPLODED and min(recent) > limit):
            self.diverged = state.global_step, logs["loss"]
            control.should_training_stop, control.should_save = True, False
        if state.global_step % 10 == 0:
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}", lr=f"{logs['learning_rate']:.1e}", refresh=False)

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()
        self.bar = None

    def raise_if_stopped(self) -> None:
        """End the command where the stage must not continue: the user stopped it, or its loss exploded."""
        if self.diverged:
            step, loss = self.diverged
            moves.diverge(self.entry, self.name, step, loss if math.isfinite(loss) else None)
        if self.stopped_for == GIVE_UP:
            raise TooSlow(f"at step {self.step} of {self.max_steps} it could no longer end in time")
        if self.stopped_for == STOP_FOR_USER:
            raise Interrupted(
                f"Stopped at step {self.step} of {self.max_steps}, and saved; the same command resumes from there."
            )

    def __enter__(self):
        if self.entry.conduct.seconds is not None:
            self.deadline = self.entry.clock.used + self.entry.conduct.seconds
        signals = (signal.SIGINT, signal.SIGTERM)
        self._previous = {number: signal.signal(number, self._on_stop) for number in signals}
        return self

    def __exit__(self, *exception):
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self.bar is not None:
            self.bar.close()  # what is printed next begins on a line of its own
        if self.progress:
            self.progress.remove()

    def _on_stop(self, signum, frame):
        if self.user_wants_to_stop:
            raise KeyboardInterrupt
        self.user_wants_to_stop = True
