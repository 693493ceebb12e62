"""What the demo league promises: the same game in miniature, in minutes. Slow: it plays three entries in full."""

import json
import time

import pytest
from conftest import command, run

pytestmark = pytest.mark.slow


def play_demo(folder, entry: str, structure: tuple = (), finetune: tuple = ()) -> dict:
    flags = ("--league", "demo", "--entry", entry)
    threads = {"OMP_NUM_THREADS": "2"}
    run(command(*flags, *structure, script="train_pretrain.py"), folder, **threads)
    run(command(*flags, *finetune, script="train_finetune.py"), folder, **threads)
    last = run(command(*flags, script="evaluate_bleu.py"), folder, **threads).stdout.splitlines()[-1]
    assert last.startswith("FINAL_TEST_BLEU = ")
    return json.loads((folder / "runs" / entry / "record.json").read_text())


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    folder, started = tmp_path_factory.mktemp("demo"), time.monotonic()
    return folder, play_demo(folder, "demo"), time.monotonic() - started


def test_the_baseline_is_official_and_leaves_room(baseline):
    _, record, seconds = baseline
    assert record["official"], record["broken_rules"]
    assert 15 <= record["score"]["value"] <= 60
    assert seconds < 180


def test_a_better_structure_gains_and_a_gentle_finetune_too(baseline):
    folder, record, _ = baseline
    bigger = play_demo(folder, "bigger", structure=("--d_model", "256", "--d_ff", "1024"))
    assert bigger["score"]["value"] >= record["score"]["value"] + 5
    gentle = play_demo(folder, "gentle", finetune=("--learning_rate", "1e-5"))
    assert gentle["score"]["value"] >= record["score"]["value"] + 5


def test_a_hot_finetune_forgets_captions_and_learns_talks(baseline):
    folder, record, _ = baseline
    hot = play_demo(folder, "hot", finetune=("--learning_rate", "1e-3"))
    before, after = (hot["stages"][stage]["validation"] for stage in ("pretrain", "finetune"))
    assert after["captions"] < before["captions"] - 20
    assert after["talks"] > before["talks"] + 2
    assert hot["score"]["value"] < record["score"]["value"] - 5
