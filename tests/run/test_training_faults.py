"""Training that cannot succeed, or not on this device, is told in a line that says what helps."""

import os

import pytest
import torch
from conftest import SMALL, command, run
from play import TINY, play
from played_copy import a_copy, record_of  # noqa: F401

from league import hardware
from league.errors import UserError
from league.run import failures
from league.run import stage as training
from league.run.entry import Entry
from league.run.watch import highest_loss
from league.tasks.task import task_of
from league_config import TWEETS
from train_finetune import FinetuneOptions


@pytest.mark.parametrize(("rate", "told"), [("1000", "the loss is"), ("3", "worse than guessing")])
def test_a_loss_that_explodes_stops_the_stage_and_is_recorded(here, rate, told):
    words = ["train_finetune", "--entry", "wild", "--pretrained", "one", "--warmup_steps", "0", "--learning_rate", rate]
    with pytest.raises(UserError) as error:
        play(*words)
    message = str(error.value)
    assert told in message and "Take a --learning_rate below" in message and "--pretrained wild" in message, message
    diverged = record_of(here, "wild")["diverged"]
    assert f"at step {diverged['step']} the loss" in message and diverged["step"] <= 8
    assert "finetune" not in record_of(here, "wild")["stages"]
    with pytest.raises(UserError) as again:
        play(*words)
    assert str(again.value) == message, "told at once, without training again"
    play("train_finetune", "--entry", "tame", "--pretrained", "wild", "--warmup_steps", "2")
    assert "finetune" in record_of(here, "tame")["stages"]


def test_a_new_classifier_that_is_sure_of_the_wrong_label_has_not_diverged():
    """Of two labels an even guess is 0.69; a fine-tune of tweets stood at 1.62 after six steps, and learned."""
    limit = highest_loss([{"loss": 1.3}], task_of(TWEETS).loss_of_a_guess())
    assert 1.7 < limit < 5


def test_stage_a_that_diverges_names_the_structure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = training.fixed_arguments
    monkeypatch.setattr(training, "fixed_arguments", lambda *args: arguments(*args) | {"learning_rate": 1e20})
    with pytest.raises(UserError, match="Stage A's settings are fixed: take another structure than 32/2/1/64/0.1"):
        play("train_pretrain", *SMALL)


# Memory


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "--device_batch_size 8 needs about half the memory and trains the same global batch"),
        (["--device_batch_size", "1"], "a smaller structure"),
    ],
)
def test_out_of_memory_names_the_structure_and_what_helps(tmp_path, monkeypatch, flags, told):
    monkeypatch.chdir(tmp_path)

    def no_room(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr("transformers.Seq2SeqTrainer.training_step", no_room)
    with pytest.raises(UserError) as error:
        play("train_pretrain", *SMALL, *flags)
    assert "out of memory" in str(error.value) and "d_model 32, nhead 2, num_layers 1, d_ff 64" in str(error.value)
    assert told in str(error.value)


def test_out_of_memory_while_scoring_is_told(here, monkeypatch):
    def no_room(*_, **__):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("modeling.AingForConditionalGeneration.generate", no_room)
    with pytest.raises(UserError, match="out of memory on cpu .*close what else uses it.$"):
        play("evaluate_bleu", "--entry", "one", "--again")
    entry = Entry(FinetuneOptions(league="tiny", entry="one"))
    with pytest.raises(UserError, match="out of memory on cuda .*CUDA_VISIBLE_DEVICES= before the command"):
        with failures.clear_failures(entry, torch.device("cuda")):
            no_room()


def test_a_structure_that_no_memory_holds_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="needs .* GiB to train; this machine has"):
        play("train_pretrain", "--d_model", "4096", "--num_layers", "64", "--d_ff", "65536")
    assert not (tmp_path / "runs").exists()


# Shares of a batch


def test_a_smaller_device_batch_trains_the_same_global_batch(tmp_path):
    words = ["train_pretrain", *SMALL, "--dropout", "0"]
    run(command(*words, "--entry", "whole"), tmp_path)
    run(command(*words, "--entry", "parts", "--device_batch_size", "4"), tmp_path)
    whole, parts = (record_of(tmp_path, name) for name in ("whole", "parts"))
    assert parts["broken_rules"] == [] and parts["stages"]["pretrain"]["effective"]["batch_size"] == TINY.batch_size
    for one, two in zip(*(record["stages"]["pretrain"]["curve"] for record in (whole, parts)), strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=2e-2)
        assert one["learning_rate"] == two["learning_rate"]


@pytest.mark.parametrize(("size", "told"), [(3, "must divide the 16 pairs"), (0, "must divide"), (32, "must divide")])
def test_a_device_batch_that_does_not_divide_is_refused(size, told):
    with pytest.raises(UserError, match=told):
        training.share_batch(16, size)


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("size", [None, 1, 2, 4])
def test_shares_add_up_to_the_global_batch(monkeypatch, processes, size):
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    held, parts = training.share_batch(16, size)
    assert held * parts * processes == 16 and held == (size or 16 // processes)


# The device


def test_one_process_sees_one_gpu(monkeypatch):
    for name in ("WORLD_SIZE", "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)
    for before, after in ((None, "0"), ("2,3", "2"), ("", ""), ("1", "1")):
        if before is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
        hardware.prepare_process()
        assert os.environ["CUDA_VISIBLE_DEVICES"] == after


@pytest.mark.parametrize(("asked", "seen"), [("true", ""), ("1", ""), ("false", "0"), ("", "0")])
def test_a_gpu_is_hidden_where_accelerate_is_told_to_use_the_cpu(monkeypatch, asked, seen):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("ACCELERATE_USE_CPU", asked)
    hardware.prepare_process()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch can use this machine's GPU")
def test_a_gpu_that_torch_cannot_use_is_told_unless_it_is_hidden(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "no")
    for driver, visible, is_told in ((True, "0", True), (True, "", False), (False, "0", False)):
        monkeypatch.setattr(hardware, "NVIDIA_DRIVER", tmp_path if driver else tmp_path / "none")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        hardware.prepare_process()
        told = capsys.readouterr().err
        assert ("cannot use, so the CPU computes" in told and told.count("\n") == 1) if is_told else not told


@pytest.mark.parametrize(
    "told", ["CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"]
)
def test_memory_that_is_short_outside_of_torchs_allocator_is_known_for_it(told):
    assert failures.is_out_of_memory(RuntimeError(f"{told}\nCUDA kernel errors might be reported elsewhere"))


def test_a_launchers_mixed_precision_changes_nothing_and_the_record_says_what_was_in_effect(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")  # as accelerate config may have it
    monkeypatch.setattr("league.run.stage.pick_precision", lambda: "fp32")
    play("train_pretrain", "--entry", "exact", *SMALL)
    assert record_of(tmp_path, "exact")["stages"]["pretrain"]["precision"] == "fp32"
