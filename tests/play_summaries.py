"""Play a script or a tool under the `tiny-summaries` league, demo-summaries in seconds; accidents as in play.py."""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import play

from league.rulebook import Generated, Stage
from league_config import DEMO_SUMMARIES, FilteredSummaryHP


def _tiny(stage: Stage, max_steps: int, **arguments) -> Stage:
    register = stage.corpus.name
    pairs = {"train": 200, "validation": 12, "test": 25}
    corpus = dataclasses.replace(stage.corpus, num_train_pairs=150, origin=Generated(register, pairs, seed=3))
    return dataclasses.replace(stage, corpus=corpus, arguments=stage.arguments | {"max_steps": max_steps} | arguments)


SCHEDULE = {"warmup_steps": 5, "lr_scheduler_kwargs": {"num_decay_steps": 10, "decay_type": "linear"}}
TINY_SUMMARIES = dataclasses.replace(
    DEMO_SUMMARIES,
    name="tiny-summaries",
    vocab_size=600,
    max_length=96,
    minutes=play.TINY.minutes,
    pretrain=_tiny(DEMO_SUMMARIES.pretrain, 24, **SCHEDULE),
    finetune=_tiny(DEMO_SUMMARIES.finetune, 10),
    decoding=DEMO_SUMMARIES.decoding | {"max_length": 24},
)
TINY_FILTERED = dataclasses.replace(
    TINY_SUMMARIES,
    name="tiny-filtered",
    finetune=dataclasses.replace(TINY_SUMMARIES.finetune, tuned=FilteredSummaryHP),
)
play.add(TINY_SUMMARIES, TINY_FILTERED)

if __name__ == "__main__":
    play.main("tiny-summaries")
