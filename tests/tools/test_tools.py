"""The tools around the scripts: comparing, repeating over seeds, status, publishing."""

import json
import shlex
import shutil
import statistics
from pathlib import Path

import pytest
from conftest import ROOT, SMALL
from paired import paired_test
from play import TINY, play
from tunables import SCHEDULE, STRUCTURE

from league.data.corpora import load_split
from league.errors import UserError
from league.files import digests_of
from league.proof import noise
from league.proof.comparison import Comparison, compare
from league.record.folder import read_entry
from league.record.shape import read_record
from league.run import takeover
from league.run.entry import Entry
from league.translate.translator import Translator
from league.values import TrainingOptions
from league_config import AING, DEMO
from tools import compare as compare_tool
from tools import inspect, publish, seeds, status, verify
from tools.tune.space import flags
from tools.workers import Alone

TEST = load_split(TINY, TINY.pretrain.corpus, "test", None)


@pytest.fixture
def here(played, tmp_path, monkeypatch) -> Path:
    shutil.copytree(played / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(noise, "NOISE", tmp_path / "noise.json")
    (tmp_path / "noise.json").write_text("{}")
    return tmp_path


def with_translations(folder: Path, name: str, lines: list[str]) -> Path:
    shutil.copytree(folder / "runs" / "one", folder / "runs" / name)
    (folder / "runs" / name / "translations.txt").write_text("\n".join(lines) + "\n")
    return folder / "runs" / name


# Comparing


def comparison(difference: float, p_value: float, deviation: float | None) -> Comparison:
    noise_of_five = None if deviation is None else noise.Noise(deviation, 5)
    return Comparison(("first", "other"), (20.0, 20.0 + difference), p_value, noise_of_five, {})


def test_the_words_follow_from_both_chances():
    assert comparison(5.0, 0.001, 0.5).verdict().startswith("other is better, and the difference is real")
    assert comparison(-5.0, 0.001, 0.5).verdict().startswith("first is better, and the difference is real")
    assert comparison(5.0, 0.2, 0.5).verdict().startswith("A tie: the test set shows no difference")
    assert "another seed could turn that round" in comparison(1.0, 0.001, 0.5).verdict()
    assert "was not measured for this league" in comparison(5.0, 0.001, None).verdict()
    ties = [comparison(*values).is_tie for values in ((5.0, 0.001, 0.5), (5.0, 0.2, 0.5), (1.0, 0.001, 0.5))]
    assert ties == [False, True, True]


def test_thepaired_test_sees_what_is_there_and_not_what_is_not():
    from sacrebleu.metrics import BLEU
    from sacrebleu.significance import PairedTest

    half = [target if i % 2 else "A man ." for i, target in enumerate(TEST.targets)]
    bleu, p_value = paired_test(half, TEST.targets, TEST.targets)
    assert bleu[0] < bleu[1] == pytest.approx(100) and p_value < 0.01
    assert paired_test(half, half, TEST.targets)[1] == 1.0
    systems = [("half", half), ("some", [*TEST.targets[:5], *half[5:]])]
    library = PairedTest(systems, {"BLEU": BLEU()}, [TEST.targets], test_type="ar", n_samples=4000)()[1]["BLEU"][1]
    (_, bleu), p_value = paired_test(*(lines for _, lines in systems), TEST.targets)
    assert bleu == pytest.approx(library.score) and p_value >= library.p_value
    one_word_less = [half[0].removesuffix("."), *half[1:]]
    assert paired_test(half, one_word_less, TEST.targets)[1] > 0.05


def test_two_entries_are_compared_by_their_translations(here, capsys):
    with_translations(here, "two", TEST.targets)
    compare_tool.main(["runs/one", "runs/two"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "two  BLEU 100.00" and "two does better on this test set" in lines[-1]
    (here / "noise.json").write_text(json.dumps({"tiny 1": {"scores": {"1": 10.0, "2": 10.5, "3": 11.0}}}))
    compare_tool.main(["runs/two", "runs/one"])
    lines = capsys.readouterr().out.splitlines()
    assert "by chance over seeds: up to 3.04 (deviation 0.50)" in lines
    assert lines[-1].startswith("two is better, and the difference is real")


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda folder: (folder / "translations.txt").unlink(), "translations.txt is missing"),
        (lambda folder: (folder / "translations.txt").write_bytes(b"\xff\n"), "not valid UTF-8"),
        (lambda folder: (folder / "translations.txt").write_text("a\n"), "has 1 lines, the test set 25"),
        (lambda folder: (folder / "record.json").unlink(), "not the folder of an entry"),
        (lambda folder: (folder / "record.json").write_text("{"), "is damaged"),
    ],
)
def test_what_cannot_be_compared_is_told(here, break_it, told):
    break_it(with_translations(here, "two", TEST.targets))
    with pytest.raises(UserError, match=told):
        compare((here / "runs" / "one", here / "runs" / "two"), None)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("league", "name"), "demo", "different leagues"),
        (("data", "captions.test", "sha256"), "0" * 64, "another test set"),
    ],
)
def test_entries_of_other_leagues_or_test_sets_are_refused(here, path, value, told):
    folder = with_translations(here, "two", TEST.targets)
    record = inner = json.loads((folder / "record.json").read_text())
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (folder / "record.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=told):
        compare((here / "runs" / "one", folder), None)


# Seeds


@pytest.mark.long
def test_an_entry_is_repeated_over_seeds(here, replayed_as_tiny, capsys):
    seeds.main(["runs/one", "--seeds", "2", "--publish"])
    last = capsys.readouterr().out.splitlines()[-1]
    result = json.loads((here / "runs/one/seeds.json").read_text())
    scores = {}
    for seed, name in (("1", "one"), ("2", "one-seed2")):
        record = read_record(here / "runs" / name / "record.json")
        assert record.asked | {"seed": int(seed)} == record.asked
        scores[seed] = round(record.score.value, 2)
    assert result["scores"] == scores and result["deviation"] == statistics.stdev(scores.values())
    assert last == f"one: mean {result['mean']:.2f}, deviation {result['deviation']:.2f} over 2 seeds"
    assert noise.noise_of("tiny", 1) == (pytest.approx(result["deviation"]), 2)
    before = digests_of(here / "runs/one-seed2/finetune")
    seeds.main(["runs/one", "--seeds", "2"])
    assert digests_of(here / "runs/one-seed2/finetune") == before, "nothing is trained twice"
    path = here / "runs/one-seed2/record.json"
    record = json.loads(path.read_text())
    record["stages"]["finetune"]["out_of_time"] = True
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match="one-seed2: the clock cut it short, which is no chance"):
        seeds.main(["runs/one", "--seeds", "2"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["runs/one", "--seeds", "1"], "between 2 and 100"),
        (["elsewhere/one"], "is not an entry in runs/"),
        (["runs/none"], "not the folder of an entry"),
    ],
)
def test_what_cannot_be_repeated_is_told(here, words, told):
    with pytest.raises(UserError, match=told):
        seeds.main(words)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("league", "fixed", "vocab_size"), 401, "by other rules than league_config.py has now"),
        (("data", "talks.train", "origin"), "files", r"on files \(talks.train\): say --data_dir"),
    ],
)
def test_what_cannot_come_to_the_same_is_refused_before_it_is_played(here, path, value, told):
    record = json.loads((here / "runs/one/record.json").read_text())
    part = record
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    (here / "runs/one/record.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=told):
        seeds.main(["runs/one", "--seeds", "2"])
    assert not list((here / "runs").glob("one-seed*"))


@pytest.mark.parametrize("league", [AING, DEMO], ids=lambda league: league.name)
def test_the_published_noise_is_that_of_at_least_five_seeds_of_today_s_rules(league):
    measured = json.loads((ROOT / "league" / "proof" / "noise.json").read_text())[f"{league.name} {league.version}"]
    assert len(measured["scores"]) >= 5 and 0 < statistics.stdev(measured["scores"].values()) < 5
    assert set(measured["tuned"]) == {*STRUCTURE, *SCHEDULE}


def test_what_an_open_record_leaves_out_is_told_where_it_is_played_again(here, capsys):
    record = read_record(here / "runs/one/record.json")
    del record.asked["weight_decay"]
    verify.retrain([shown := verify.Proof(here / "runs/one", record, TINY)], None, Alone())
    told = capsys.readouterr().out
    assert shown.failed == 1 and "FAILED  it can be played again" in told and "does not say weight_decay" in told


# Status


def test_status_shows_all_entries_and_one(here, capsys, monkeypatch):
    play("train_pretrain", "--entry", "begun", *SMALL)
    (here / "runs" / "hurt").mkdir()
    (here / "runs" / "hurt" / "record.json").write_text("{")
    capsys.readouterr()
    status.main([])
    table = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert table["one"].endswith("official") and "pretrain, finetune" in table["one"]
    assert "running" in table["begun"], "this process holds it"
    assert "is damaged" in table["hurt"]
    status.main(["one"])
    out = capsys.readouterr().out
    record = read_record(here / "runs/one/record.json")
    assert "of 5 min used" in out and "test set opened: 1" in out and "interruptions: 0, trials: 0" in out
    assert f"BLEU {record.score.value:.2f}" in out and "pretrain: complete, 24 steps" in out


def test_an_entry_that_is_held_and_charges_nothing_was_not_interrupted(here, capsys):
    entry = Entry(TrainingOptions(league="tiny", entry="one"))
    assert entry.hold()
    status.main(["one"])
    entry.release()
    assert "interruptions: 0," in capsys.readouterr().out


def test_status_of_nothing_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status.main([])
    assert "no entries in runs/ yet" in capsys.readouterr().out
    for name in ("none", "../x"):
        with pytest.raises(UserError):
            status.main([name])


def test_an_entry_may_be_called_by_its_folder_or_is_asked_for(here, capsys):
    status.main(["one"])
    shown = capsys.readouterr().out
    status.main(["runs/one/"])
    assert capsys.readouterr().out == shown != ""
    two = Entry(TrainingOptions(league="tiny", entry="two"))
    takeover.reuse(two, "--pretrained", "runs/one", "pretrain")
    assert two.record.stages["pretrain"].reused
    for read in (read_entry, Translator):
        with pytest.raises(UserError, match="; did you mean runs/one[?]$"):
            read(Path("one"))
        with pytest.raises(UserError) as told:
            read(Path("none"))
        assert "did you mean" not in str(told.value)


# Publishing


def test_publishing_again_changes_nothing_and_another_value_is_refused(tmp_path, monkeypatch, capsys):
    path = tmp_path / "rulebooks.json"
    shutil.copyfile(publish.PUBLISHED, path)
    before = path.read_text()
    monkeypatch.setattr(publish, "PUBLISHED", path)
    publish.main([])
    after = json.loads(path.read_text())
    assert {name: after[name] for name in json.loads(before)} == json.loads(before)
    assert "demo 1, 5 splits pinned" in capsys.readouterr().out
    for key, what in (("fixed", "values"), ("data", "captions.train")):
        books = json.loads(before)
        books["demo 1"][key] |= {"batch_size": 63} if key == "fixed" else {"captions.train": "0" * 64}
        path.write_text(json.dumps(books))
        with pytest.raises(UserError, match=f"other {what}; raise its version"):
            publish.main([])


# What others have written, and what we print to be typed


def test_a_strangers_checkpoint_writes_no_escape_sequences(monkeypatch, capsys):
    monkeypatch.setattr(inspect, "find", lambda _: None)
    monkeypatch.setattr(inspect, "about", lambda *_: iter(["  x\x1b[2J: \x1b]0;owned\x07"]))
    inspect.main(["runs/strange"])
    printed = capsys.readouterr().out
    assert "owned" in printed and "\x1b" not in printed and "\x07" not in printed


def test_a_printed_command_may_be_typed_whatever_a_folder_is_called():
    assert shlex.split(flags({"data_dir": "my data", "seed": 2})) == ["--data_dir", "my data", "--seed", "2"]
