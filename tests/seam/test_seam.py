"""The seam: a league of another kind is played, proven, ranked and tuned; no file outside its module knows of it."""

import importlib
import json
import re

import pytest
from conftest import ROOT
from seam import toy

import league_config
from league.record import rules
from league.record.code import code_digest, code_files
from league.record.shape import read_record
from league.tasks.task import task_of

pytestmark = pytest.mark.usefixtures("toy_league")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    toy.write_corpora(folder / "data")
    return folder


@pytest.fixture
def toy_league(folder, monkeypatch):
    """Let the toy's rule book stand in league_config.py, published with the contents of its data."""
    monkeypatch.chdir(folder)
    monkeypatch.setitem(league_config.LEAGUES, "toy", toy.TOY)
    splits = [
        task_of(toy.TOY).load_split(corpus, name, "data")
        for corpus in (toy.TOY.pretrain.corpus, toy.TOY.finetune.corpus)
        for name in ("train", "validation", "test")
    ]
    book = {"fixed": toy.TOY.fixed(), "data": {split.name: split.report["sha256"] for split in splits}}
    published = rules.published
    monkeypatch.setattr(rules, "published", lambda *asked: book if asked == ("toy", 1) else published(*asked))


def run(module: str, *words: str) -> None:
    importlib.import_module(module).main([*words])


def play(entry: str, *, width: int = 8, learning_rate: float = 1e-3) -> None:
    flags = ("--league", "toy", "--entry", entry, "--data_dir", "data")
    run("train_pretrain", *flags, "--width", str(width))
    run("train_finetune", *flags, "--learning_rate", str(learning_rate))
    run("evaluate_bleu", *flags)


def test_the_three_scripts_play_it(folder, capsys):
    play("one")
    last = capsys.readouterr().out.splitlines()[-1]
    record = read_record(folder / "runs/one/record.json")
    assert last == f"FINAL_TEST_ACCURACY = {record.score.value:.2f}"
    assert record.official, record.broken_rules
    animals = (folder / "runs/one/animals.txt").read_text().splitlines()
    wanted = [json.loads(line)["animal"] for line in (folder / "data/names/test.jsonl").read_text().splitlines()]
    right = sum(one == other for one, other in zip(animals, wanted, strict=True))
    assert record.score.value == pytest.approx(100 * right / len(wanted))
    assert record.score.value > 50, "four animals: a guess is right in 25 of 100"
    assert set(record.tuned) == {"width", "learning_rate"}
    assert record.stages["pretrain"].effective["width"] == 8


def test_it_is_proven_and_a_wrong_score_is_not(folder, capsys):
    run("tools.verify", "runs/one", "--data_dir", "data")
    assert "PROVEN" in capsys.readouterr().out
    path = folder / "runs/one/animals.txt"
    before = path.read_text()
    path.write_text(before.replace("dog", "cat"))
    with pytest.raises(SystemExit):
        run("tools.verify", "runs/one", "--data_dir", "data")
    assert "REFUTED" in capsys.readouterr().out
    path.write_text(before)


def test_it_is_compared_and_ranked_by_its_own_metric(folder, capsys):
    play("weak", learning_rate=1e-1, width=2)
    capsys.readouterr()
    run("tools.compare", "runs/one", "runs/weak", "--data_dir", "data")
    assert re.search(r"one +accuracy \d+\.\d\d", capsys.readouterr().out)
    run("tools.board.__main__", "runs", "--data_dir", "data")
    board = (folder / "board/LEADERBOARD.md").read_text()
    assert "## toy, version 1" in board and "BLEU" not in board
    assert board.index("| one |") < board.index("| weak |")
    assert "BLEU" not in re.sub(r"<script.*?</script>", "", (folder / "board/index.html").read_text(), flags=re.DOTALL)


@pytest.mark.long
def test_it_is_tuned(folder, capsys):
    flags = ("--league", "toy", "--entry", "tuned", "--data_dir", "data")
    run("tools.tune.__main__", *flags, "--minutes", "0.5")
    record = read_record(folder / "runs/tuned/record.json")
    assert record.official and record.trials > 1
    assert capsys.readouterr().out.splitlines()[-1] == f"FINAL_TEST_ACCURACY = {record.score.value:.2f}"


def test_its_own_module_is_part_of_the_code_that_a_record_names():
    assert (ROOT / "tests/seam/toy.py") in code_files(toy.TOY)
    assert code_digest(toy.TOY) != code_digest() == code_digest(league_config.DEMO)


def test_a_value_that_it_cannot_train_is_refused():
    with pytest.raises(toy.UserError, match="--width 99"):
        run("train_pretrain", "--league", "toy", "--data_dir", "data", "--width", "99")
    with pytest.raises(toy.UserError, match="--d_model.*"):
        run("train_pretrain", "--league", "toy", "--data_dir", "data", "--d_model", "64")


def test_nothing_else_knows_of_it():
    ours = [path for room in ("league", "tools", "modeling") for path in (ROOT / room).rglob("*.py")]
    for path in [*ours, *ROOT.glob("*.py")]:
        assert not re.search(r"seam\.toy|animals\.txt|BagHP", path.read_text()), path
