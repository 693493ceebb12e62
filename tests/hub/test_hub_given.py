"""The checkpoint that stage A is: fetched once and whole, named by its commit, taken over, pushed and pinned."""

import json
import shutil
from pathlib import Path

import pytest
from hub_club import PAIRS, league_of, run

from league.errors import UserError
from league.record import rules
from league.record.shape import read_record

pytest_plugins = ("hub_entry", "hub_club")


@pytest.mark.parametrize("kind", ["bart", "kobart"])
def test_the_entry_refers_to_the_checkpoint_and_holds_no_copy(club, kind):
    run("train_pretrain", "--league", f"tiny-{kind}", "--entry", kind)
    (only,) = Path(f"runs/{kind}/pretrain").iterdir()
    named = json.loads(only.read_text())
    weights = "pytorch_model.bin" if kind == "kobart" else "model.safetensors"
    assert named["repo_id"] == f"club/{kind}" and weights in named["sha256"]
    assert named["commit"] == club.commit_of(f"club/{kind}", "main")
    assert "modeling_evil.py" not in {path.rpartition("/")[2] for _, path in club.requests}


def test_once_fetched_it_needs_no_network(club, monkeypatch):
    run("train_pretrain", "--league", "tiny-bart", "--entry", "bart")
    club.status = 500
    run("train_finetune", "--league", "tiny-bart", "--entry", "bart", "--warmup_steps", "2")


def test_stage_b_begins_with_the_commit_that_stage_a_noted(club):
    run("train_pretrain", "--league", "tiny-bart", "--entry", "bart")
    club.files["club/bart/README.md"] = b"moved on"
    shutil.rmtree("cache")
    with pytest.raises(UserError, match="is at commit [0-9a-f]{40} here, and stage A noted [0-9a-f]{40}: take another"):
        run("train_finetune", "--league", "tiny-bart", "--entry", "bart", "--warmup_steps", "2")


def test_what_another_program_has_fetched_in_part_is_completed(club):
    from huggingface_hub import hf_hub_download, snapshot_download

    for name in ("config.json", "model.safetensors"):
        hf_hub_download("club/bart", name, revision="main")
    (Path(snapshot_download("club/bart", local_files_only=True)) / "pytorch_model.bin").write_bytes(b"another form")
    run("train_pretrain", "--league", "tiny-bart", "--entry", "bart")
    named = json.loads(Path("runs/bart/pretrain/checkpoint.json").read_text())["sha256"]
    assert "tokenizer.json" in named and "pytorch_model.bin" not in named


def test_an_entry_that_is_pushed_after_each_stage_can_be_taken_over(club):
    push = ("--push_to_hub", "--hub_model_id", "club/mine")
    run("train_pretrain", "--league", "tiny-bart", "--entry", "bart", *push)
    run("train_finetune", "--league", "tiny-bart", "--entry", "bart", "--warmup_steps", "2", *push)
    assert "checkpoint.json" not in club.tree("club/mine")
    run("evaluate_bleu", "--league", "tiny-bart", "--entry", "again", "--finetuned", "club/mine")


def test_a_damaged_generation_config_is_told_in_a_line(club):
    club.files["club/bart/generation_config.json"] = b"[1"
    with pytest.raises(UserError, match="club/bart is not a checkpoint to start from"):
        run("tools.inspect", "club/bart")


def test_values_are_tried_by_hand_on_the_same_checkpoint(club):
    run("train_pretrain", "--league", "tiny-t5", "--entry", "one")
    named = ["--league", "tiny-t5", "--entry", "two", "--pretrained", "one", "--warmup_steps", "2"]
    run("train_finetune", *named)
    record = read_record(Path("runs/two/record.json"))
    assert record.stages["pretrain"].reused and not record.broken_rules
    assert record.stages["finetune"].started_from == record.stages["pretrain"].sha256


def test_publishing_pins_the_checkpoint_itself(club, monkeypatch):
    from tools.publish import digests_of_splits

    league = league_of("bart")
    pinned = digests_of_splits(league, from_hub=True)
    assert set(pinned) == {"checkpoint.json", *(f"dialogues.{split}" for split in PAIRS)}
    run("train_pretrain", "--league", "tiny-bart", "--entry", "bart")
    record = read_record(Path("runs/bart/record.json"))
    for digest, broken in ((pinned["checkpoint.json"], []), ("0" * 64, ["pretrain.checkpoint.json"])):
        book = {"fixed": league.fixed(), "data": {"checkpoint.json": digest}}
        monkeypatch.setattr(rules, "published", lambda *_, book=book: book)
        assert [rule.rule for rule in rules.broken_rules(record)] == broken
