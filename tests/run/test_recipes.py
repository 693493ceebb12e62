"""The three scripts from end to end, under the tiny league: one process, two, interrupted, repeated, refused."""

import json
import os
import re
import shutil
import socket
from pathlib import Path

import pytest
from conftest import ROOT, SMALL, STARTED_OVER, command, run
from play import play
from played_copy import PRETRAIN, a_copy, record_of, weights_of  # noqa: F401
from transformers import AutoTokenizer

from league.errors import UserError
from league.files import lock
from modeling import AingForConditionalGeneration


def test_last_line_is_the_score(played):
    lines = (played / "stdout.txt").read_text().splitlines()
    assert re.fullmatch(r"FINAL_TEST_BLEU = \d+\.\d\d", lines[-1])
    assert lines[-1].endswith(f"{record_of(played)['score']['value']:.2f}")


def test_entry_folder_holds_what_was_promised(played):
    folder = played / "runs" / "one"
    names = {path.name for path in folder.iterdir()}
    assert names >= {"pretrain", "finetune", "record.json", "clock.json", "translations.txt"}
    assert (folder / "translations.txt").read_text().count("\n") == 25
    for stage in ("pretrain", "finetune"):
        model = AingForConditionalGeneration.from_pretrained(folder / stage)
        tokenizer = AutoTokenizer.from_pretrained(folder / stage)
        assert model.config.vocab_size == len(tokenizer)
        assert (model.generation_config.num_beams, model.generation_config.max_length) == (4, 48)
        assert {path.suffix for path in (folder / stage).iterdir()} <= {".json", ".safetensors", ".py"}
    assert not [path for path in folder.rglob("*") if path.name.startswith(".") or "tmp" in path.name]


def test_record_holds_the_evidence(played):
    record = record_of(played)
    asked = {"league": "tiny", "seed": 1, "d_model": 32, "dropout": 0.1, "learning_rate": 1e-4}
    assert record["asked"] | asked == record["asked"]
    splits = {f"{corpus}.{split}" for corpus in ("captions", "talks") for split in ("train", "validation")}
    assert set(record["data"]) == splits | {"captions.test"}
    for name, steps in (("pretrain", 24), ("finetune", 10)):
        facts = record["stages"][name]
        assert facts["steps"] == steps and facts["tokens"] > 0 and facts["loss"] > 0 and facts["precision"]
        assert set(facts["validation"]) == {"captions", "talks"}
        wanted = {"d_model": 32, "nhead": 2, "num_layers": 1, "d_ff": 64, "dropout": 0.1, "batch_size": 16}
        assert facts["effective"] | wanted == facts["effective"]
    assert record["stages"]["finetune"]["effective"]["warmup_steps"] == 2
    assert record["score"]["signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    low, high = record["score"]["interval"]
    assert low <= record["score"]["value"] <= high or record["score"]["value"] < 1
    assert record["test_openings"] == 1 and record["clock"]["minutes"] >= 0 and record["clock"]["interruptions"] == 0


def test_record_tells_nothing_about_the_person(played):
    text = (played / "runs" / "one" / "record.json").read_text()
    for secret in (str(ROOT), str(Path.home()), str(played), socket.gethostname()):
        assert secret not in text


def test_complete_stages_are_not_repeated(here):
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*.safetensors")}
    assert "nothing to do" in run(PRETRAIN, here).stdout
    assert "nothing to do" in run(command("train_finetune", "--entry", "one", "--warmup_steps", "2"), here).stdout
    assert before == {path: path.stat().st_mtime_ns for path in here.rglob("*.safetensors")}


def test_two_commands_on_one_entry_do_not_meet(here):
    before = (here / "runs" / "one" / "record.json").read_bytes()
    held = lock(here / "runs" / "one" / "lock")
    done = run(command("evaluate_bleu", "--entry", "one", "--again"), here, expect=2)
    assert f"in use by process {os.getpid()}" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert (here / "runs" / "one" / "record.json").read_bytes() == before
    held.close()
    run(command("evaluate_bleu", "--entry", "one", "--again"), here)


def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("a file in the way")
    with pytest.raises(UserError, match="runs"):
        play("train_pretrain", *SMALL)


def test_an_upload_that_fails_does_not_fail_the_command(here):
    done = run(command("train_pretrain", "--entry", "one", *SMALL, "--push_to_hub"), here, HF_TOKEN="hf_secret")
    assert "not uploaded" in done.stderr and "Traceback" not in done.stderr and "hf_secret" not in done.stderr


def test_what_else_lies_in_a_checkpoints_folder_changes_nothing(here):
    for name in ("finetune", "translations.txt", "report.html"):
        path = here / "runs/one" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    record = record_of(here)
    del record["stages"]["finetune"], record["score"], record["data"]["talks.train"], record["data"]["captions.test"]
    (here / "runs/one/record.json").write_text(json.dumps(record))
    (here / "runs/one/pretrain/.DS_Store").write_bytes(b"opened in a file manager")
    play("train_finetune", "--entry", "one", "--warmup_steps", "2")
    (here / "runs/one/finetune/notes.txt").write_text("mine")
    play("evaluate_bleu", "--entry", "one")
    assert record_of(here)["official"]


def test_scoring_again_opens_the_test_set_only_on_demand(here):
    first = run(command("evaluate_bleu", "--entry", "one"), here).stdout.splitlines()[-1]
    assert record_of(here)["test_openings"] == 1
    again = run(command("evaluate_bleu", "--entry", "one", "--again"), here).stdout.splitlines()[-1]
    assert first == again
    assert record_of(here)["test_openings"] == 2


FINETUNE = ["train_finetune", "--warmup_steps", "2", "--entry"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train_pretrain", "--entry", "one", "--d_model", "64"], ["d_model 32 (now 64)", "--entry"]),
        (["train_pretrain", "--entry", "one", *SMALL, "--seed", "2"], ["seed 1 (now 2)"]),
        ([*FINETUNE, "one", "--learning_rate", "0.5"], ["learning_rate 0.0001 (now 0.5)"]),
        ([*FINETUNE, "new"], ["no complete pretrain stage", "train_pretrain.py"]),
        (["evaluate_bleu", "--entry", "new"], ["no complete finetune stage", "train_finetune.py"]),
        (["evaluate_bleu", "--entry", "one", "--league", "demo"], ["plays the tiny league", "--league tiny"]),
    ],
)
def test_what_does_not_fit_the_entry_is_refused(here, words, told):
    before = (here / "runs" / "one" / "record.json").read_bytes()
    with pytest.raises(UserError) as error:
        play(*words)
    assert all(part in str(error.value) for part in told), error.value
    assert (here / "runs" / "one" / "record.json").read_bytes() == before
    assert not (here / "runs" / "new").exists()


def test_an_entry_does_not_go_on_with_other_data(here):
    path = here / "runs" / "one" / "record.json"
    record = json.loads(path.read_text())
    record["data"]["captions.train"]["sha256"] = "0" * 64
    path.write_text(json.dumps(record))
    before = path.read_bytes()
    with pytest.raises(UserError, match="was started with other data for captions.train"):
        play("train_pretrain", "--entry", "one", *SMALL)
    assert path.read_bytes() == before


def test_a_user_error_is_one_line_and_exit_code_2(played):
    done = run(command("train_pretrain", "--entry", "one", "--d_model", "64"), played, expect=2)
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["record.json", "clock.json", "finetune/model.safetensors", "finetune/config.json"])
@pytest.mark.parametrize("content", [b"", b'{"format": ', b"\xff\xfe garbage"])
def test_damaged_files_are_told(here, name, content):
    (here / "runs" / "one" / name).write_bytes(content)
    with pytest.raises(UserError, match=name.split("/")[0]):
        play("evaluate_bleu", "--entry", "one", "--again")


def test_same_seed_gives_the_same_weights_and_another_seed_others(played, tmp_path):
    for entry, seed in (("same", "1"), ("other", "2")):
        run(command("train_pretrain", "--entry", entry, *SMALL, "--seed", seed), tmp_path)
    assert weights_of(tmp_path, "same") == weights_of(played)
    assert weights_of(tmp_path, "other") != weights_of(played)
    assert record_of(tmp_path, "other")["data"].items() <= record_of(played)["data"].items()


@pytest.mark.parametrize(("accident", "code"), [("9:SIGINT", 130), ("24:SIGINT", 130), ("9:SIGKILL", -9)])
def test_an_interrupted_stage_goes_on_to_the_same_weights(played, tmp_path, accident, code):
    done = run(PRETRAIN, tmp_path, expect=code, SIGNAL_AT=accident, SAVE_EVERY="0")
    if code == 130:
        told = f"Stopped at step {accident.split(':')[0]} of 24, and saved; the same command resumes from there."
        assert done.stderr.strip().splitlines()[-1] == told
    assert not record_of(tmp_path)["stages"]
    run(PRETRAIN, tmp_path, SIGNAL_AT=STARTED_OVER)
    assert weights_of(tmp_path) == weights_of(played)
    assert record_of(tmp_path)["clock"]["interruptions"] == 1
    assert not (tmp_path / "runs" / "one" / "under_way" / "pretrain").exists()


def test_a_half_written_checkpoint_is_not_taken_for_one(played, tmp_path):
    run(PRETRAIN, tmp_path, expect=130, SIGNAL_AT="9:SIGINT")
    checkpoint = tmp_path / "runs" / "one" / "under_way" / "pretrain" / "checkpoint-9"
    shutil.copytree(checkpoint, checkpoint.with_name("checkpoint-12"))
    (checkpoint.with_name("checkpoint-12") / "complete.json").unlink()
    (checkpoint.with_name("checkpoint-12") / "optimizer.pt").write_bytes(b"half")
    run(PRETRAIN, tmp_path, SIGNAL_AT=STARTED_OVER)
    assert weights_of(tmp_path) == weights_of(played)


@pytest.mark.long
def test_a_stage_that_runs_out_of_time_stops_saves_and_is_scored(tmp_path):
    spent = {"MINUTES": "0.0001"}
    done = run(command("train_pretrain", "--entry", "late", *SMALL), tmp_path, **spent)
    assert "minutes are over, but for what scoring needs: stopped after 1 steps" in done.stdout
    run(command("train_finetune", "--entry", "late", "--warmup_steps", "2"), tmp_path, **spent)
    out = run(command("evaluate_bleu", "--entry", "late"), tmp_path, **spent).stdout
    assert out.splitlines()[-1].startswith("FINAL_TEST_BLEU = ") and "verdict: open" in out
    assert record_of(tmp_path, "late")["stages"]["pretrain"]["out_of_time"]


@pytest.mark.long
def test_score_is_the_same_on_two_processes(here):
    first = record_of(here)
    words = command("evaluate_bleu", "--entry", "one", "--again", processes=2)
    run(words, here, cold=True)  # under the launcher itself
    second = record_of(here)
    assert (first["score"]["num_processes"], second["score"]["num_processes"]) == (1, 2)
    assert second["score"] | {"num_processes": 1} == first["score"]


@pytest.mark.long
def test_two_processes_follow_the_loss_of_one(tmp_path):
    words = ["train_pretrain", *SMALL, "--dropout", "0"]
    run(command(*words, "--entry", "alone"), tmp_path)
    run(command(*words, "--entry", "pair", processes=2), tmp_path)
    alone, pair = (record_of(tmp_path, name)["stages"]["pretrain"] for name in ("alone", "pair"))
    assert (alone["num_processes"], pair["num_processes"]) == (1, 2)
    assert alone["effective"]["batch_size"] == pair["effective"]["batch_size"] == 16
    for one, two in zip(alone["curve"], pair["curve"], strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=5e-3)
    assert alone["curve"][-1]["loss"] < alone["curve"][0]["loss"]


@pytest.mark.long
def test_two_processes_stop_together_and_go_on(tmp_path):
    words = command("train_pretrain", "--entry", "pair", *SMALL, processes=2)
    done = run(words, tmp_path, expect=1, SIGNAL_AT="9:SIGINT")
    assert "Stopped at step 9 of 24" in done.stderr
    run(words, tmp_path, SIGNAL_AT=STARTED_OVER)
    assert record_of(tmp_path, "pair")["stages"]["pretrain"]["steps"] == 24


def test_processes_that_cannot_share_the_batch_are_refused(tmp_path):
    done = run(command("train_pretrain", *SMALL, processes=3), tmp_path, expect=1)
    assert "3 processes cannot share a global batch of 16" in done.stderr
    assert not os.path.exists(tmp_path / "runs" / "baseline" / "record.json")
