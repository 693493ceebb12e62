"""Play a script or a tool under the `tiny-open` league, the open league in seconds; accidents as in play.py."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parent))

import play

from league.rulebook import Range, Stage
from league_config import AING_OPEN, OpenFinetuneHP, OpenHP


@dataclasses.dataclass(frozen=True)
class TinyHP(OpenHP):
    d_model: Annotated[int, (16, 32), "width of the model"] = 32
    nhead: Annotated[int, (2, 4), "attention heads"] = 2
    num_layers: Annotated[int, (1, 2), "layers in the encoder"] = 1
    d_ff: Annotated[int, (32, 64), "width inside the feed-forward blocks"] = 64
    vocab_size: Annotated[int, (300, 400), "entries of the vocabulary"] = 400
    num_decoder_layers: Annotated[int, (0, 1, 2), "layers in the decoder"] = 0
    pretrain_captions: Annotated[int, (100, 150), "pairs of captions in stage A"] = 150
    pretrain_talks: Annotated[int, (0, 50), "pairs of talks beside them"] = 0
    pretrain_steps: Annotated[int, (20, 30), "steps of stage A"] = 20
    pretrain_batch_size: Annotated[int, (8, 16), "pairs a step"] = 16
    pretrain_warmup_steps: Annotated[int, (2, 5), "steps of warm-up of stage A"] = 5
    pretrain_decay: Annotated[float, Range(0.1, 0.7), "share of the steps in which the rate falls"] = 0.5


@dataclasses.dataclass(frozen=True)
class TinyFinetuneHP(OpenFinetuneHP):
    captions: Annotated[int, (50, 100), "pairs of captions in stage B"] = 100
    talks: Annotated[int, (0, 40), "pairs of talks beside them"] = 0
    steps: Annotated[int, (5, 10), "steps of stage B"] = 10
    batch_size: Annotated[int, (8, 16), "pairs a step"] = 8
    warmup_steps: Annotated[float, (0, 2), "steps of warm-up"] = 2


def _tiny(stage: Stage, like: Stage, tuned: type) -> Stage:
    corpus = dataclasses.replace(like.corpus, num_other_pairs=stage.corpus.num_other_pairs)
    return dataclasses.replace(stage, corpus=corpus, tuned=tuned)


TINY_OPEN = dataclasses.replace(
    AING_OPEN,
    name="tiny-open",
    max_length=48,
    minutes=play.TINY.minutes,
    pretrain=_tiny(AING_OPEN.pretrain, play.TINY.pretrain, TinyHP),
    finetune=_tiny(AING_OPEN.finetune, play.TINY.finetune, TinyFinetuneHP),
)
play.add(TINY_OPEN)

if __name__ == "__main__":
    play.main("tiny-open")
