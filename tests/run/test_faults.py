"""What goes wrong on a long evening: each fault ends in one clear line, and the last good state is still there."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import SMALL, command, run
from play import TINY, play

from league import hardware
from league.errors import UserError
from league.files import digests_of
from league.record.clock import Clock
from league.record.rules import clock_problems
from league.record.shape import as_json, as_record, read_record
from league.run import checkpoints, failures, moves, takeover, watch
from league.run import stage as training
from league.run.entry import Conduct, Entry
from league.values import Options
from train_finetune import FinetuneOptions

PRETRAIN = command("train_pretrain", "--entry", "one", *SMALL)


def record_of(folder: Path, entry: str = "one") -> dict:
    return as_json(read_record(folder / "runs" / entry / "record.json"))


@pytest.fixture
def here(played, tmp_path, monkeypatch) -> Path:
    """A copy of the played folder, and in it."""
    shutil.copytree(played, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    run(PRETRAIN, folder, expect=130, SIGNAL_AT="9:SIGINT")
    run(PRETRAIN, folder, expect=130, SIGNAL_AT="17:SIGTERM")
    names = {path.name for path in (folder / "runs" / "one" / "under_way" / "pretrain").iterdir()}
    assert names == {"checkpoint-9", "checkpoint-17"}
    return folder


@pytest.fixture
def stopped(stopped_once, tmp_path) -> Path:
    """A stage A that was stopped after its steps 9 and 17, with both checkpoints there."""
    return shutil.copytree(stopped_once, tmp_path / "stopped")


def weights_of(folder: Path) -> str:
    return record_of(folder)["stages"]["pretrain"]["sha256"]["model.safetensors"]


def one_line(text: str) -> str:
    lines = [line for line in text.replace("\r", "\n").split("\n") if line.strip() and "step/s" not in line]
    lines = [line for line in lines if "s/step" not in line and "?step" not in line and "batch" not in line]
    assert len(lines) == 1 and "Traceback" not in text, text
    return lines[0]


# Checkpoints


@pytest.mark.parametrize(
    "name", ["model.safetensors", "optimizer.pt", "rng_state.pth", "scheduler.pt", "trainer_state.json"]
)
def test_a_damaged_checkpoint_is_passed_over(played, stopped, name):
    path = stopped / "runs" / "one" / "under_way" / "pretrain" / "checkpoint-17" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = run(PRETRAIN, stopped)
    assert f"checkpoint-17 is damaged ({name}): resuming from the one before." in done.stderr
    assert weights_of(stopped) == weights_of(played)


def test_with_every_checkpoint_damaged_the_stage_starts_over(played, stopped):
    for folder in (stopped / "runs" / "one" / "under_way" / "pretrain").iterdir():
        (folder / "optimizer.pt").write_bytes(b"")
    assert run(PRETRAIN, stopped).stderr.count("is damaged") == 2
    assert weights_of(stopped) == weights_of(played)


def test_a_seal_that_is_damaged_seals_nothing(stopped):
    folder = stopped / "runs" / "one" / "under_way" / "pretrain" / "checkpoint-17"
    for content in (b"", b"[]", b'{"files": 3}', b"{"):
        (folder / checkpoints.SEAL).write_bytes(content)
        assert checkpoints.damage(folder) == checkpoints.SEAL


def test_another_number_of_processes_is_told(stopped):
    done = run(command("train_pretrain", "--entry", "one", *SMALL, processes=2), stopped)
    assert done.stderr.count("written by 1 process(es), resumed by 2") == 1
    assert record_of(stopped)["stages"]["pretrain"]["num_processes"] == 2


def test_the_curve_has_no_gap_where_a_stage_was_interrupted(played, stopped):
    run(PRETRAIN, stopped)
    before, after = (record_of(folder)["stages"]["pretrain"] for folder in (played, stopped))
    assert before["curve"] == after["curve"] and before["loss"] == after["loss"]
    assert record_of(stopped)["clock"]["interruptions"] == 2


def test_checkpoints_that_take_long_are_written_more_rarely(monkeypatch):
    monkeypatch.setattr(watch, "seal", lambda *_: None)
    stage = watch.StageWatch.__new__(watch.StageWatch)
    args, state = type("", (), {"world_size": 1})(), type("", (), {"is_world_process_zero": False})()
    stage.save_began = watch.time.monotonic() - 6
    stage.on_save(args, state, None)
    assert 6 / stage.save_every <= watch.MOST_FOR_CHECKPOINTS * 1.001 and stage.save_every > watch.SAVE_EVERY
    stage.save_began = watch.time.monotonic()
    stage.on_save(args, state, None)
    assert stage.save_every == watch.SAVE_EVERY


# Clock and record


def test_a_clock_that_was_deleted_goes_on_from_the_record(here):
    record = json.loads((here / "runs/one/record.json").read_text())
    record["clock"] |= {"minutes": 3.0, "spent": {"pretrain": 1.5, "finetune": 1.0, "score": 0.5}, "interruptions": 4}
    (here / "runs/one/record.json").write_text(json.dumps(record))
    (here / "runs/one/clock.json").unlink()
    play("evaluate_bleu", "--entry", "one", "--again")
    assert record_of(here)["clock"]["minutes"] >= 3.0 and record_of(here)["clock"]["interruptions"] == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 1}, "format 1 of another version of the league"),
        ({"format": 99}, "format 99 of another version"),
        ({"score": {"value": "high"}}, "Expected `float`, got `str` - at `score.value`"),
        ({"host": "alma"}, "unknown field `host`"),
        ({"stages": {"pretrain": 3}}, "Expected `object`, got `int` - at `stages[...]`"),
    ],
)
def test_a_record_of_another_shape_is_told_and_kept(here, change, told):
    path = here / "runs/one/record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    before = path.read_bytes()
    for words in (["train_pretrain", *SMALL], ["train_finetune", "--warmup_steps", "2"], ["evaluate_bleu"]):
        with pytest.raises(UserError) as error:
            play(*words, "--entry", "one")
        assert told in str(error.value) and str(error.value).count("\n") == 0
    assert path.read_bytes() == before


# The disk


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
@pytest.mark.parametrize("most_bytes", [300, 20_000, 100_000])
def test_a_disk_that_is_full_loses_nothing(played, tmp_path, most_bytes):
    """No file may grow beyond a size, as on a disk that fills up: the record, the tokens or the checkpoint fail."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes}));"
    script = f"{limit} import runpy, sys; sys.argv = {PRETRAIN[1:]!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    (tmp_path / "limited.py").write_text(script)
    done = run([sys.executable, str(tmp_path / "limited.py")], tmp_path, expect=2, SAVE_EVERY="0")
    told = one_line(done.stderr)
    assert "cannot write" in told and "File too large" in told, told
    run(PRETRAIN, tmp_path)
    assert weights_of(tmp_path) == weights_of(played)


def test_what_a_kill_left_of_a_write_is_swept_away(here):
    (here / "runs/one/.record.json.abc").write_text("{")
    (here / "runs/one/.finetune.xyz").mkdir()
    play("evaluate_bleu", "--entry", "one", "--again")
    assert not list((here / "runs/one").glob(".*"))


# Two at once


def test_what_is_written_can_be_read_by_whom_the_user_lets_read(played):
    plain = played / "stdout.txt"  # as the system makes a file
    for name in ("record.json", "translations.txt", "report.html", "pretrain/config.json"):
        assert (played / "runs" / "one" / name).stat().st_mode == plain.stat().st_mode, name


def test_a_lock_whose_owner_is_dead_but_whose_child_lives_says_how_to_free_it(here):
    script = (
        "import os, sys, time; from league.files import lock; from pathlib import Path;"
        "held = lock(Path(sys.argv[1]));"
        "os.set_inheritable(held.fileno(), True);"
        "pid = os.fork();"
        "print(flush=True) if pid else time.sleep(30)"
    )
    path = Path(training.__file__).resolve().parents[2]
    settings = {**os.environ, "PYTHONPATH": str(path)}
    words = [sys.executable, "-c", script, str(here / "runs/one/lock")]
    owner = subprocess.Popen(words, env=settings, stdout=subprocess.PIPE, start_new_session=True)
    try:
        owner.stdout.readline()
        owner.wait()
        with pytest.raises(UserError, match="parent is gone.*fuser"):
            play("evaluate_bleu", "--entry", "one", "--again")
    finally:
        os.killpg(owner.pid, signal.SIGKILL)
    owner.stdout.close()


# Training that cannot succeed


@pytest.mark.parametrize(("rate", "told"), [("1000", "the loss is"), ("3", "worse than guessing")])
def test_a_loss_that_explodes_stops_the_stage_and_is_recorded(here, rate, told):
    words = ["train_finetune", "--entry", "wild", "--pretrained", "one", "--warmup_steps", "0", "--learning_rate", rate]
    with pytest.raises(UserError) as error:
        play(*words)
    message = str(error.value)
    assert told in message and "learning rate below" in message and "--pretrained wild" in message, message
    diverged = record_of(here, "wild")["diverged"]
    assert f"at step {diverged['step']} the loss" in message and diverged["step"] <= 8
    assert "finetune" not in record_of(here, "wild")["stages"]
    with pytest.raises(UserError) as again:
        play(*words)
    assert str(again.value) == message, "told at once, without training again"
    play("train_finetune", "--entry", "tame", "--pretrained", "wild", "--warmup_steps", "2")
    assert "finetune" in record_of(here, "tame")["stages"]


def test_stage_a_that_diverges_names_the_structure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = training.fixed_arguments
    monkeypatch.setattr(training, "fixed_arguments", lambda *args: arguments(*args) | {"learning_rate": 1e20})
    with pytest.raises(UserError, match="Stage A's settings are fixed: take another structure than 32/2/1/64/0.1"):
        play("train_pretrain", *SMALL)


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


# The clock


def entry_with(left: float, limit: float, stages: dict):
    clock, record = SimpleNamespace(left=left, limit=limit), SimpleNamespace(stages=stages)
    return SimpleNamespace(clock=clock, record=record, rules=TINY, conduct=Conduct(), writes=False)


def test_time_for_scoring_is_kept_free_and_measured_only_when_it_matters():
    asked = []
    stage = watch.StageWatch(entry_with(1000.0, 7200.0, {}), "pretrain", lambda: asked.append(1) or 20.0)
    assert stage._kept_for_scoring() == 0.0 and not asked
    stage.entry.clock.left = 700.0
    assert stage._kept_for_scoring() == stage._kept_for_scoring() == 75.0 and len(asked) == 1
    stage = watch.StageWatch(
        entry_with(7000.0, 7200.0, {"pretrain": SimpleNamespace(validation_seconds=30.0)}), "finetune"
    )
    assert stage._kept_for_scoring() == 60.0


def test_a_stage_stops_in_time_for_its_validation_and_the_score(here, tmp_path):
    """With little time left stage B stops before the end, is validated and scored, and the record is not late."""
    used = Clock(here / "runs/one/clock.json", 5.0).used / 60
    shutil.copytree(here / "runs/one", here / "runs/two")
    record = record_of(here, "two")
    for name in ("finetune", "translations.txt"):
        path = here / "runs/two" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    seconds = record["stages"]["pretrain"]["validation_seconds"] = 10.0
    del record["stages"]["finetune"], record["score"], record["data"]["talks.train"], record["data"]["captions.test"]
    (here / "runs/two/record.json").write_text(json.dumps(record))
    left = {"MINUTES": str(used + (2 * seconds + 0.5) / 60)}
    record["clock"]["limit"] = record["league"]["fixed"]["minutes"] = float(left["MINUTES"])
    done = run(command("train_finetune", "--entry", "two", "--warmup_steps", "2"), here, SLOW_STEPS="0.2", **left)
    assert "but for what scoring needs: stopped after" in done.stdout
    run(command("evaluate_bleu", "--entry", "two"), here, **left)
    after = record_of(here, "two")
    assert after["stages"]["finetune"]["out_of_time"] and 0 < after["stages"]["finetune"]["steps"] < 10
    broken = {rule["rule"] for rule in after["broken_rules"]}
    assert "finetune.steps" in broken and "clock.minutes" not in broken


def test_a_stage_that_will_not_make_it_is_told_early(here, capsys):
    stage = watch.StageWatch(entry_with(60.0, 7200.0, {}), "pretrain")
    stage.has_warned, stage.first_step, stage.began = False, 0, watch.time.monotonic() - 30
    stage.bar = type("", (), {"write": lambda self, text, file: print(text, file=file)})()
    state = type("", (), {"global_step": 10, "max_steps": 1500})()
    stage._warn_in_time(state)
    stage._warn_in_time(state)
    assert capsys.readouterr().err.count("needs 75 more minutes; the clock has 1 left") == 1


# Stage A of another entry


def test_a_stage_a_taken_over_costs_what_it_cost_and_is_the_same(here):
    clock = json.loads((here / "runs/one/clock.json").read_text())
    clock["spent"]["pretrain"] = 77.0
    (here / "runs/one/clock.json").write_text(json.dumps(clock))
    words = ["train_finetune", "--entry", "two", "--pretrained", "one", "--warmup_steps", "2"]
    play(*words)
    one, two = record_of(here, "one"), record_of(here, "two")
    assert two["clock"]["spent"]["pretrain"] == round(77 / 60, 2) and two["stages"]["pretrain"]["reused"]
    assert digests_of(here / "runs/two/finetune") == digests_of(here / "runs/one/finetune")
    assert two["data"].items() <= one["data"].items() and two["asked"] == one["asked"]
    play(*words)
    assert record_of(here, "two")["clock"] == two["clock"], "the same command again costs nothing"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--pretrained", "../one"], r"--pretrained '../one': Repo id must"),
        (["--pretrained", "none"], "there is no entry"),
        (["--pretrained", "one", "--seed", "5"], "its seed is 1; say --seed 1"),
        (["--pretrained", "hurt"], "not the one that its record describes"),
        (["--pretrained", "empty"], "not the one that its record"),
    ],
)
def test_a_stage_a_that_cannot_be_taken_over_is_refused(here, flags, told):
    for name in ("hurt", "empty"):
        shutil.copytree(here / "runs/one", here / "runs" / name)
    (here / "runs/hurt/pretrain/config.json").write_text("{}")
    (here / "runs/empty/pretrain/model.safetensors").unlink()
    with pytest.raises(UserError, match=told):
        play("train_finetune", "--entry", "two", "--warmup_steps", "2", *flags)
    assert not (here / "runs/two/pretrain").exists()


def test_an_entry_that_took_over_one_stage_a_does_not_take_another(here):
    words = ["train_finetune", "--entry", "two", "--warmup_steps", "2", "--pretrained"]
    play(*words, "one")
    shutil.copytree(here / "runs/one", here / "runs/other")
    path = here / "runs/other/record.json"
    record = json.loads(path.read_text())
    record["stages"]["pretrain"]["sha256"]["model.safetensors"] = "0" * 64
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match="has taken over another pretrain stage than that of other"):
        play(*words, "other")
    shutil.rmtree(here / "runs/one")
    play(*words, "one")


@pytest.mark.parametrize("is_killed", [False, True])
def test_scoring_again_that_is_stopped_leaves_a_record_that_agrees_with_its_clock(here, monkeypatch, is_killed):
    def stop(*_, **__):
        time.sleep(1.5)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("modeling.AingForConditionalGeneration.generate", stop)
        if is_killed:
            broken.setattr(Entry, "write", lambda self: None)
        with pytest.raises(KeyboardInterrupt):
            play("evaluate_bleu", "--entry", "one", "--again")
    play("evaluate_bleu", "--entry", "one")
    clock = Clock(here / "runs/one/clock.json", TINY.minutes, writes=False)
    assert not list(clock_problems(clock.spent, as_record(record_of(here, "one"))))


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


def test_a_stage_that_was_begun_in_fp16_goes_on_without_a_scaler(played, stopped, monkeypatch):
    newest = stopped / "runs/one/under_way/pretrain/checkpoint-17"
    torch.save({"scale": 65536.0}, newest / "scaler.pt")
    checkpoints.seal(newest, 1)
    monkeypatch.chdir(stopped)
    play(*PRETRAIN[2:])
    assert weights_of(stopped) == weights_of(played)


def test_a_kill_right_after_a_stage_was_taken_over_saves_nobody_its_search(here, monkeypatch):
    record = record_of(here, "one") | {"trials": 7, "test_openings": 3}
    record["clock"]["spent"]["trials"] = 0.5
    (here / "runs/one/record.json").write_text(json.dumps(record))
    complete = moves.complete

    def killed(entry, name, facts):
        complete(entry, name, facts)
        if name == "finetune":
            raise KeyboardInterrupt

    with monkeypatch.context() as accident, pytest.raises(KeyboardInterrupt):
        accident.setattr(moves, "complete", killed)
        takeover.reuse(Entry(Options(league="tiny", entry="two")), "--finetuned", "one", "pretrain", "finetune")
    takeover.reuse(Entry(Options(league="tiny", entry="two")), "--finetuned", "one", "pretrain", "finetune")
    two = record_of(here, "two")
    assert (two["trials"], two["test_openings"], two["clock"]["spent"]["trials"]) == (7, 3, 0.5)


def test_a_stage_a_of_its_own_is_not_replaced(here):
    shutil.copytree(here / "runs/one", here / "runs/two")
    with pytest.raises(UserError, match="has a pretrain stage of its own"):
        play("train_finetune", "--entry", "two", "--pretrained", "one", "--warmup_steps", "2")


def test_a_lock_that_is_a_link_overwrites_nothing(here):
    mine = here / "mine.txt"
    mine.write_text("precious")
    (here / "runs/one/lock").unlink()
    (here / "runs/one/lock").symlink_to(mine)
    with pytest.raises(UserError, match="cannot write to runs/one"):
        play("evaluate_bleu", "--entry", "one", "--again")
    assert mine.read_text() == "precious"
