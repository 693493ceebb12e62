"""On a CUDA device: the three scripts run there, in mixed precision, and score the same twice."""

import json

import pytest
import torch
from conftest import SMALL, command, run

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_the_tiny_league_plays_on_a_gpu(tmp_path):
    gpu = {"ACCELERATE_USE_CPU": "false"}
    run(command("train_pretrain", "--entry", "one", *SMALL), tmp_path, **gpu)
    run(command("train_finetune", "--entry", "one", "--warmup_steps", "2"), tmp_path, **gpu)
    first = run(command("evaluate_bleu", "--entry", "one"), tmp_path, **gpu).stdout.splitlines()[-1]
    again = run(command("evaluate_bleu", "--entry", "one", "--again"), tmp_path, **gpu).stdout.splitlines()[-1]
    assert first == again
    facts = json.loads((tmp_path / "runs" / "one" / "record.json").read_text())["stages"]["finetune"]
    assert facts["device"] == torch.cuda.get_device_name() and facts["precision"] in ("bf16", "fp16")
