"""On CUDA devices: the scripts run there in mixed precision, go on after a kill, and score the same on one and two."""

import json
from pathlib import Path

import pytest
import torch
from conftest import SMALL, STARTED_OVER, command, run

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


GPU = {"ACCELERATE_USE_CPU": "false"}


def stages_of(folder: Path, entry: str) -> dict:
    return json.loads((folder / "runs" / entry / "record.json").read_text())["stages"]


def score_of(folder: Path, *flags: str, processes: int = 1) -> str:
    done = run(command("evaluate_bleu", "--entry", "one", *flags, processes=processes), folder, **GPU)
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def played_on_gpu(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gpu")
    run(command("train_pretrain", "--entry", "one", *SMALL), folder, **GPU)
    run(command("train_finetune", "--entry", "one", "--warmup_steps", "2"), folder, **GPU)
    return folder


def test_the_tiny_league_plays_on_a_gpu(played_on_gpu):
    assert score_of(played_on_gpu) == score_of(played_on_gpu, "--again")
    facts = stages_of(played_on_gpu, "one")["finetune"]
    assert facts["device"] == torch.cuda.get_device_name() and facts["precision"] in ("bf16", "fp16")


def test_a_kill_on_a_gpu_loses_nothing(played_on_gpu, tmp_path):
    words = command("train_pretrain", "--entry", "one", *SMALL)
    run(words, tmp_path, expect=-9, SIGNAL_AT="9:SIGKILL", SAVE_EVERY="0", **GPU)
    run(words, tmp_path, SIGNAL_AT=STARTED_OVER, **GPU)
    whole, torn = (stages_of(folder, "one")["pretrain"]["curve"] for folder in (played_on_gpu, tmp_path))
    # Not to the bit: torch's fused attention adds up in any order in its backward pass.
    for one, two in zip(whole, torn, strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=2e-2)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_gpus_follow_the_loss_of_one_and_score_the_same(played_on_gpu, tmp_path):
    words = ["train_pretrain", *SMALL, "--dropout", "0", "--entry"]
    for entry, processes in (("alone", 1), ("pair", 2)):
        run(command(*words, entry, processes=processes), tmp_path, **GPU)
    alone, pair = (stages_of(tmp_path, entry)["pretrain"] for entry in ("alone", "pair"))
    assert (alone["num_processes"], pair["num_processes"]) == (1, 2)
    for one, two in zip(alone["curve"], pair["curve"], strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=2e-2)
    assert score_of(played_on_gpu, "--again") == score_of(played_on_gpu, "--again", processes=2)


def test_graphs_follow_the_loss_of_a_step_kernel_by_kernel(played_on_gpu, tmp_path):
    words = command("train_pretrain", "--entry", "one", *SMALL)
    run(words, tmp_path, NO_GRAPHS="1", **GPU)
    graphs, kernels = (stages_of(folder, "one")["pretrain"]["curve"] for folder in (played_on_gpu, tmp_path))
    assert [point["loss"] for point in graphs] == pytest.approx([point["loss"] for point in kernels], rel=2e-2)
