"""A game of readers under a tiny league: the three scripts, a kill, two processes, what is frozen, and the proof."""

import importlib
import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import SMALL, STARTED_OVER, command, run
from play import TINY_READERS

from league.errors import UserError
from league.record.shape import read_record
from modeling import AingForMaskedLM, AingForSequenceClassification

LEAGUE = ("--league", "tiny-readers")
HEAD = ("--warmup_steps", "2", "--conv_filters", "8", "--kernel_sizes", "2,3")


def record_of(folder: Path, entry: str):
    return read_record(folder / "runs" / entry / "record.json")


def weights_of(folder: Path, entry: str, stage: str) -> str:
    return record_of(folder, entry).stages[stage].sha256["model.safetensors"]


def play_stage(script: str, entry: str, folder: Path, *flags: str, processes: int = 1, **others):
    words = (script, *LEAGUE, "--entry", entry, *flags)
    return run(command(*words, processes=processes), folder, **others)


@pytest.fixture(scope="module")
def readers(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("readers")
    play_stage("train_pretrain", "one", folder, *SMALL, "--activation", "gelu")
    play_stage("train_finetune", "one", folder, *HEAD)
    done = play_stage("evaluate_bleu", "one", folder)
    (folder / "stdout.txt").write_text(done.stdout)
    return folder


@pytest.fixture
def copy(readers, tmp_path, monkeypatch) -> Path:
    """A copy of the played folder, to break, in which commands are run."""
    shutil.copytree(readers, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def tool(name: str, *words: str) -> None:
    importlib.import_module(f"tools.{name}").main([*words])


def test_the_last_line_is_the_accuracy_of_the_labels(readers):
    record, lines = record_of(readers, "one"), (readers / "stdout.txt").read_text().splitlines()
    assert lines[-1] == f"FINAL_TEST_ACCURACY = {record.score.value:.2f}"
    labels = (readers / "runs/one/labels.txt").read_text().splitlines()
    assert len(labels) == record.score.rows == 25 and set(labels) <= set(TINY_READERS.finetune.settings["labels"])
    assert record.official, record.broken_rules


def test_the_record_holds_what_each_stage_did(readers):
    stages = record_of(readers, "one").stages
    assert stages["pretrain"].validation.keys() == {"scenes"} and stages["finetune"].validation.keys() == {"scene"}
    assert stages["pretrain"].figures["scenes perplexity"] > 1
    for stage in stages.values():
        assert stage.effective["activation"] == "gelu" and stage.effective["d_model"] == 32
    wanted = {
        "conv_filters": 8,
        "kernel_sizes": "2,3",
        "freeze": "nothing",
        "num_labels": 5,
        "filters_read_words": True,
    }
    assert wanted.items() <= stages["finetune"].effective.items()


def test_the_report_shows_mistakes_guesses_and_what_is_taken_for_what(readers):
    page = (readers / "runs/one/report.html").read_text()
    wrong = round(25 * (1 - record_of(readers, "one").score.value / 100))
    assert (
        page.count("The surest mistakes") == 1 and page.count("<dt>labelled as</dt>") + page.count(">labelled as<") > 0
    )
    assert "What stage A makes of a hidden word" in page and page.count("▢") >= 4
    assert (readers / "runs/one/plots/confusion.png").is_file() and "Taken for what" in page and wrong


def test_both_checkpoints_are_whole_models_of_the_library(readers):
    masked = AingForMaskedLM.from_pretrained(readers / "runs/one/pretrain")
    classifier = AingForSequenceClassification.from_pretrained(readers / "runs/one/finetune")
    assert masked.config.vocab_size == classifier.config.vocab_size == TINY_READERS.vocab_size
    assert set(classifier.config.label2id) == set(TINY_READERS.finetune.settings["labels"].values())


@pytest.mark.long
@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_kill_costs_nothing(readers, tmp_path, stage):
    script, flags = ("train_pretrain", (*SMALL, "--activation", "gelu")), HEAD
    if stage == "finetune":
        play_stage(*script[:1], "one", tmp_path, *script[1])
        script = ("train_finetune", flags)
    name, words = script
    play_stage(name, "one", tmp_path, *words, expect=-9, SIGNAL_AT="7:SIGKILL", SAVE_EVERY="0")
    play_stage(name, "one", tmp_path, *words, SIGNAL_AT=STARTED_OVER)
    assert weights_of(tmp_path, "one", stage) == weights_of(readers, "one", stage)


@pytest.mark.long
def test_two_processes_score_the_same_and_see_the_same_masks(copy):
    before = record_of(copy, "one").score
    (copy / "runs/one/report.html").unlink()
    done = play_stage("evaluate_bleu", "one", copy, "--again", processes=2)
    assert "The surest mistakes" in (copy / "runs/one/report.html").read_text(), done.stderr
    after = record_of(copy, "one").score
    assert after.num_processes == 2 and (after.value, after.sha256) == (before.value, before.sha256)
    for entry, processes in (("alone", 1), ("pair", 2)):
        play_stage("train_pretrain", entry, copy, *SMALL, "--dropout", "0", processes=processes)
    alone, pair = (record_of(copy, entry).stages["pretrain"] for entry in ("alone", "pair"))
    for one, other in zip(alone.curve, pair.curve, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=5e-3)
    assert alone.validation["scenes"] == pytest.approx(pair.validation["scenes"], abs=2.0)


@pytest.mark.parametrize("name", ["all", "embeddings"])
def test_what_is_frozen_stays_as_stage_a_left_it(copy, name):
    play_stage("train_finetune", name, copy, *HEAD, "--pretrained", "one", "--freeze", name)
    record = record_of(copy, name)
    assert record.stages["finetune"].effective["freeze"] == name and not record.broken_rules
    before = AingForMaskedLM.from_pretrained(copy / "runs/one/pretrain").model.state_dict()
    after = AingForSequenceClassification.from_pretrained(copy / "runs" / name / "finetune").model.state_dict()
    same = {key for key, weight in before.items() if weight.equal(after[key])}
    assert same == set(before) if name == "all" else same == {"embed_tokens.weight"}


def test_it_is_proven_and_a_changed_label_is_not(copy, capsys):
    tool("verify", "runs/one")
    assert "PROVEN" in capsys.readouterr().out
    path = copy / "runs/one/labels.txt"
    first, *rest = path.read_text().splitlines()
    other = next(label for label in TINY_READERS.finetune.settings["labels"] if label != first)
    path.write_text("\n".join([other, *rest]) + "\n")
    with pytest.raises(SystemExit):
        tool("verify", "runs/one")
    assert "REFUTED" in capsys.readouterr().out


def test_the_same_fine_tune_from_scratch_is_played_beside_it(copy, capsys):
    tool("scratch", "one")
    record, before = record_of(copy, "one-scratch"), record_of(copy, "one")
    assert record.tuned == before.tuned and record.score and not record.official
    assert record.stages["pretrain"].steps == 1
    assert any("max_steps" in broken.rule for broken in record.broken_rules)
    assert "verdict: open" in capsys.readouterr().out
    tool("report", "runs/one")
    page = (copy / "runs/one/report.html").read_text()
    assert f"the same fine-tune from scratch has {record.score.value:.2f}" in page


def test_translators_have_no_scratch(played, monkeypatch):
    monkeypatch.chdir(played)
    with pytest.raises(UserError, match="whose stage A is no pre-training"):
        tool("scratch", "one")


def test_an_entry_labels_lines_and_stage_a_fills_masks(copy, capsys):
    texts = ["The farmer is carrying a goat.", "", "A nurse is <mask> the lamp."]
    (copy / "in.txt").write_text("\n".join(texts) + "\n")
    tool("translate", "runs/one", "--input", "in.txt", "--output", "labels.txt", "--n_best", "5", "--scores")
    rows = [line.split("\t") for line in (copy / "labels.txt").read_text().splitlines()]
    assert len(rows) == 15 and {name for _, _, name in rows if name} == set(TINY_READERS.finetune.settings["labels"])
    assert sum(float(share) for number, share, _ in rows if number == "1") == pytest.approx(1.0, abs=1e-3)
    assert [name for number, _, name in rows if number == "2"] == [""] * 5
    tool("translate", "runs/one/pretrain", "--input", "in.txt", "--output", "filled.txt")
    first, blank, filled = (copy / "filled.txt").read_text().splitlines()
    assert (first, blank) == (texts[0], "")
    assert re.fullmatch(r"A nurse is.*the lamp\.", filled) and "<mask>" not in filled
    tool("translate", "runs/one", "--input", "in.txt", "--output", "one.jsonl", "--json")
    assert [json.loads(line)["number"] for line in (copy / "one.jsonl").read_text().splitlines()] == [1, 2, 3]


def test_the_app_labels_beside_stage_a_that_fills_masks(copy):
    from tools.app.folder import Folder
    from tools.app.models import STAGE_A, Models

    answer = Models(Folder(copy / "runs"), allows_hub=False).beside("one", f"one{STAGE_A}", "", "A nurse is <mask>.", 8)
    labels, filled = answer.lines[0].sides
    assert {one.text for one in labels.hypotheses} == set(TINY_READERS.finetune.settings["labels"])
    assert len(filled.hypotheses) == 8 and all(one.text.startswith("A nurse is") for one in filled.hypotheses)
    assert answer.attention == ""


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--num_beams", "4"), "searches for none"),
        (("--n_best", "6"), "between 1 and 5"),
        (("--engine", "ctranslate2"), "only"),
    ],
)
def test_what_a_labeller_cannot_do_is_refused(copy, flags, told):
    (copy / "in.txt").write_text("x\n")
    with pytest.raises(UserError, match=told):
        tool("translate", "runs/one", "--input", "in.txt", *flags)


def test_a_checkpoint_with_another_vocabulary_is_refused(copy):
    path = copy / "runs/one/pretrain/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"vocab_size": 401}))
    done = play_stage("train_finetune", "other", copy, *HEAD, "--pretrained", "one", expect=2)
    assert "its pretrain checkpoint is not the one that its record describes" in done.stderr


def test_a_bag_of_words_is_chosen_on_validation_and_stands_beside_the_entry(copy, capsys):
    from benchmarks import words

    words.main([*LEAGUE, "--beside", "runs/one"])
    *tried, test, beside = capsys.readouterr().out.splitlines()
    values = {line[:22].strip(): float(line[22:].split()[0]) for line in tried}
    assert len(values) == len(words.COUNTED) * len(words.FREEDOMS)
    chosen = re.fullmatch(r"test: (.*): accuracy [\d.]+ \(95 % interval [\d.]+ to [\d.]+\)", test)[1]
    assert values[chosen] == max(values.values())
    assert re.fullmatch(r"runs/one: [\d.]+; by chance one time in \d+, were they equally good", beside)
    with pytest.raises(UserError, match="it plays the tiny-readers league"):
        words.main(["--league", "demo-readers", "--beside", "runs/one"])
