"""Profile stage A's steps: how much of a step a GPU's kernels fill, and how many there are.

python -m benchmarks.launches OUTPUT.json --data_dir DIR --entry profiled --d_model 128
"""

import json
import sys
import time
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import TrainerCallback
from transformers.trainer import DEFAULT_CALLBACKS

WARM_UP, STEPS = 100, 30


class Done(Exception):
    pass


class Profiler(TrainerCallback):
    def __init__(self, output: Path):
        self.output = output
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * torch.cuda.is_available()
        self.profiler = profile(activities=activities)

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step in (WARM_UP, WARM_UP + STEPS, WARM_UP + 2 * STEPS):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if state.global_step == WARM_UP + 2 * STEPS:
                self.profiler.stop()
                self.report()
                raise Done
            if state.global_step == WARM_UP + STEPS:
                self.plain = (time.perf_counter() - self.began) / STEPS
                self.profiler.start()
            self.began = time.perf_counter()

    def report(self) -> None:
        events = self.profiler.key_averages()
        kernels = [event for event in events if str(event.device_type).endswith("CUDA")]
        milliseconds = sum(event.self_device_time_total for event in kernels) / 1000 / STEPS
        facts = {
            "steps/s": round(1 / self.plain, 1),
            "ms a step": round(1000 * self.plain, 2),
            "ms of kernels": round(milliseconds, 2),
            "share in kernels": round(milliseconds / 1000 / self.plain, 3),
            "kernels a step": sum(event.count for event in kernels) / STEPS,
            "peak MiB": torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None,
        }
        print(json.dumps(facts))
        self.output.write_text(json.dumps(facts))
        by = "self_device_time_total" if kernels else "self_cpu_time_total"
        print(events.table(sort_by=by, row_limit=25, max_name_column_width=70))
        print(events.table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=50))


def main() -> None:
    import train_pretrain

    DEFAULT_CALLBACKS.append(Profiler(Path(sys.argv[1])))
    try:
        train_pretrain.main(sys.argv[2:])
    except Done:
        pass


if __name__ == "__main__":
    main()
