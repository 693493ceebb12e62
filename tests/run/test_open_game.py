"""The open league from end to end, with every technique on: played, killed, repeated, proven."""

import importlib
import shlex
from pathlib import Path

import pytest
from conftest import STARTED_OVER, command, run

from league.record.rules import broken_in_stage
from league.record.shape import read_record
from league.translate.translator import find_rules
from league.untrusted import read_json

pytestmark = pytest.mark.long

TECHNIQUES = {"ema": 0.8, "bpe_dropout": 0.1, "token_dropout": 0.1, "r_drop": 5}
FIRST = ["--num_decoder_layers", "2", "--pretrain_talks", "50", "--dropout", "0.1"]
FIRST += [f"--pretrain_{name}={value}" for name, value in TECHNIQUES.items()]
SECOND = ["--talks", "40", "--num_beams", "2", *(f"--{name}={value}" for name, value in TECHNIQUES.items())]
GAME = (("train_pretrain", *FIRST), ("train_finetune", *SECOND))


def play(folder: Path, script: str, *flags: str, **others):
    words = flags if script.startswith("tools.") else ("--entry", "one", *flags)
    return run(command(script, *words, script="tests/play_open.py"), folder, **others)


def record_of(folder: Path):
    return read_record(folder / "runs/one/record.json")


@pytest.fixture(scope="module")
def game(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("open")
    for words in (*GAME, ("evaluate_bleu",)):
        play(folder, *words)
    return folder


def test_it_is_official_and_proven(game):
    importlib.import_module("play_open")  # which adds the league
    record = record_of(game)
    assert record.official, record.broken_rules
    assert "PROVEN" in play(game, "tools.verify", "runs/one").stdout
    for stage in record.stages.values():
        assert TECHNIQUES.items() <= stage.effective.items()
        assert (stage.effective["num_layers"], stage.effective["num_decoder_layers"]) == (1, 2)
    assert [stage.effective["batch_size"] for stage in record.stages.values()] == [16, 8]
    assert record.score.decoding["num_beams"] == find_rules(game / "runs/one/finetune").decoding["num_beams"] == 2
    assert record.data["captions.train"].used == 200 and record.data["talks.train"].used == 140


def test_kills_cost_nothing(game, tmp_path):
    for words, moment in zip(GAME, ("9:SIGKILL", "7:SIGTERM"), strict=True):
        expect = -9 if "KILL" in moment else 130
        play(tmp_path, *words, expect=expect, SIGNAL_AT=moment, SAVE_EVERY="0")
        play(tmp_path, *words, SIGNAL_AT=STARTED_OVER)
    for stage in ("pretrain", "finetune"):
        resumed, whole = (record_of(folder).stages[stage].sha256 for folder in (tmp_path, game))
        assert resumed["model.safetensors"] == whole["model.safetensors"]


def test_what_was_not_in_effect_is_found(game):
    from play_open import TINY_OPEN

    record = record_of(game)
    for name in (*TECHNIQUES, "steps", "captions"):
        record.asked[name] = 3
    broken = {rule.rule for rule in broken_in_stage("finetune", record, TINY_OPEN)}
    assert {f"finetune.{name}" for name in TECHNIQUES} | {"finetune.steps", "finetune.max_steps"} <= broken


def test_the_search_for_translations_is_chosen_before_stage_b_and_paid_for(game, tmp_path):
    grid = ("--num_beams", "1", "2", "--length_penalty", "0", "1")
    (tmp_path / "runs").mkdir()
    for name in ("one", ".cache"):
        (tmp_path / "runs" / name).symlink_to(game / "runs" / name)
    words = ("--league", "tiny-open", "--entry", "two", "--pretrained", "one", "--game", "kim", *grid)
    done = run(command("tools.decoding", *words, script="tests/play_open.py"), tmp_path)
    rows = [tuple(map(float, line.split())) for line in done.stdout.split("\n")[1:4]]
    reached = {(beams, penalty): value for beams, penalty, value in rows}
    record = read_record(tmp_path / "runs/two/record.json")
    assert record.trials == 3 and record.game.name == "kim" and "finetune" not in record.stages
    assert read_json(tmp_path / "runs/two/clock.json")["spent"]["trials"] > 0  # a record's hundredths may be 0.00
    assert len(reached) == 3  # with one beam there is nothing that a length divides
    *_, following = done.stdout.strip().split("\n")
    run(command("train_finetune", *shlex.split(following)[2:], script="tests/play_open.py"), tmp_path)
    asked = read_record(tmp_path / "runs/two/record.json").asked
    assert reached[asked["num_beams"], asked["length_penalty"]] == max(reached.values())
    refused = run(command("tools.decoding", *words[:4], script="tests/play_open.py"), tmp_path, expect=2)
    assert "has begun its fine-tune" in refused.stderr


@pytest.mark.slow  # a search, beside those of other leagues
def test_its_search_ends_with_an_official_score(tmp_path):
    words = ["--league", "tiny-open", "--entry", "one", "--minutes", "1.2"]
    done = play(tmp_path, "tools.tune.__main__", *words)
    assert "FINAL_TEST_BLEU" in done.stdout
    record = record_of(tmp_path)
    assert record.official, record.broken_rules
    assert record.trials > 3
