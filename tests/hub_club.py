"""A Hub with tiny checkpoints of several kinds on it, and a league that starts from each."""

import dataclasses
import importlib

import play
import pytest
from tiny_checkpoints import KINDS, files_of

import league_config
from league.rulebook import Generated
from league_config import DEMO_SUMMARIES, DIALOGUES

PAIRS = {"train": 150, "validation": 10, "test": 20}
CORPUS = dataclasses.replace(
    DEMO_SUMMARIES.finetune.corpus, num_train_pairs=120, origin=Generated("dialogues", PAIRS, seed=3)
)


def league_of(kind: str, **settings) -> league_config.League:
    settings = {"checkpoint": f"club/{kind}", "revision": "main", "prefix": "", **settings}
    return dataclasses.replace(
        DIALOGUES,
        name=f"tiny-{kind}",
        max_length=64,
        minutes=5.0,
        pretrain=dataclasses.replace(DIALOGUES.pretrain, corpus=CORPUS, settings=settings),
        finetune=dataclasses.replace(DIALOGUES.finetune, corpus=CORPUS, arguments={"max_steps": 6}),
        decoding=DIALOGUES.decoding | {"max_length": 20, "min_length": 2, "num_beams": 2},
    )


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory) -> dict[str, dict[str, bytes]]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {kind: files_of(kind, root / kind) for kind in KINDS}


@pytest.fixture
def club(on_hub, checkpoints, monkeypatch, tmp_path):
    """A Hub with the checkpoints on it, whose leagues are published, and an empty cache."""
    for kind, files in checkpoints.items():
        on_hub.files |= {f"club/{kind}/{name}": content for name, content in files.items()}
        on_hub.files |= {f"club/{kind}/pytorch_model.bin.index.json.txt": b"", f"club/{kind}/modeling_evil.py": b"1/0"}
        for leagues in (league_config.LEAGUES, play.TINY_LEAGUES):
            monkeypatch.setitem(leagues, f"tiny-{kind}", league_of(kind))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return on_hub


def run(module: str, *words: str) -> None:
    importlib.import_module(module).main([*words])
