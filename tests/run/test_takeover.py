"""An entry takes over another's stage A: at what it cost, whole, or not at all."""

import json
import shutil

import pytest
from play import play
from played_copy import a_copy, record_of  # noqa: F401
from searches import write_from

from league.errors import UserError
from league.files import digests_of
from league.record.game import GameLog
from league.run import moves, takeover
from league.run.entry import Entry
from league.untrusted import read_as
from league.values import Options


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


@pytest.mark.parametrize("game", ["", "day"])
def test_values_and_a_stage_of_the_same_search_are_paid_for_once(here, game):
    clock = json.loads((here / "runs/one/clock.json").read_text())
    clock["spent"] = {"pretrain": 60.0, "finetune": 30.0, "trials": 110.0}
    (here / "runs/one/clock.json").write_text(json.dumps(clock))
    record = record_of(here, "one")
    record["trials"], record["clock"]["spent"]["trials"] = 7, round(110 / 60, 2)
    (here / "runs/one/record.json").write_text(json.dumps(record))
    best = write_from(here, trials=7, minutes=round(200 / 60, 2))
    words = ["--entry", "two", "--game", game, "--from", str(best), "--pretrained", "one"]
    for _ in range(2):
        play("train_finetune", *words)
        spent = json.loads((here / "runs/two/clock.json").read_text())["spent"]
        assert spent["pretrain"] + spent["trials"] == pytest.approx(200, abs=0.5)
    if game:
        taken = read_as(GameLog, here / "runs/two/game.json").taken
        assert sum(taken.values()) == pytest.approx(200, abs=0.5)


def test_a_game_pays_once_for_a_stage_a_from_outside(here):
    clock = json.loads((here / "runs/one/clock.json").read_text())
    clock["spent"]["pretrain"] = 77.0
    (here / "runs/one/clock.json").write_text(json.dumps(clock))
    for name in ("two", "three"):
        play("train_finetune", "--entry", name, "--game", "day", "--pretrained", "one", "--warmup_steps", "2")
        taken = read_as(GameLog, here / "runs" / name / "game.json").taken
        assert list(taken.values()) == [77.0]


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
    assert not (here / "runs/two/pretrain").exists() and not (here / "runs/two/record.json").exists()


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
