"""A league of summaries from end to end: played, proven, resumed, on two processes, refused."""

import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import SMALL, command, run
from play_summaries import TINY_SUMMARIES

from league.errors import UserError
from league.record.rules import broken_rules
from league.record.shape import Record, read_record
from league.tasks import rouge
from league.tasks.predicting import predict
from league.tasks.task import task_of
from league.translate.copying import bracketed, copied, pieces
from league.translate.translator import Translator

GAME = (["train_pretrain", *SMALL], ["train_finetune", "--warmup_steps", "2"], ["evaluate_bleu"])


def play(folder: Path, *words: str, entry: str = "one", **more):
    named = words if words[0].startswith("tools.") else (*words, "--entry", entry)
    processes = more.pop("processes", 1)
    return run(command(*named, script="tests/play_summaries.py", processes=processes), folder, **more)


def record_of(folder: Path, entry: str = "one") -> Record:
    return read_record(folder / "runs" / entry / "record.json")


@pytest.fixture(scope="module")
def game(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("summaries")
    for words in GAME:
        done = play(folder, *words)
    (folder / "stdout.txt").write_text(done.stdout)
    return folder


@pytest.fixture
def copy(game, tmp_path) -> Path:
    return shutil.copytree(game, tmp_path / "copy")


def test_the_last_line_is_the_score_and_the_record_is_official(game):
    record = record_of(game)
    last = (game / "stdout.txt").read_text().splitlines()[-1]
    assert last == f"FINAL_TEST_ROUGE_L = {record.score.value:.2f}"
    assert record.official, record.broken_rules
    assert set(record.data) == {"conversations.train", "conversations.validation"} | {
        f"dialogues.{split}" for split in ("train", "validation", "test")
    }
    assert set(record.stages["pretrain"].validation) == {"conversations"}
    assert record.stages["pretrain"].figures["conversations perplexity"] > 1
    assert record.stages["pretrain"].sentences_cut > 0, "texts longer than the model are cut, and counted"


def test_summaries_of_several_lines_are_a_line_of_json_each(game):
    lines = (game / "runs/one/summaries.jsonl").read_text().removesuffix("\n").split("\n")
    predictions = [json.loads(line) for line in lines]
    task = task_of(TINY_SUMMARIES)
    test = task.load_split(TINY_SUMMARIES.test_corpus, "test", None)
    statistics = rouge.statistics(predictions, task.references(test))
    assert record_of(game).score.value == pytest.approx(float(rouge.value(statistics.sum(0))))
    assert any("\n" in text for text in task.references(test))


def test_it_is_proven_and_other_summaries_are_not(copy):
    assert "PROVEN" in play(copy, "tools.verify", "runs/one").stdout
    path = copy / "runs/one/summaries.jsonl"
    whole = path.read_text()
    path.write_text('"Anna will bring the cake."\n' + whole.partition("\n")[2])
    assert "REFUTED" in play(copy, "tools.verify", "runs/one", expect=1).stdout
    path.write_text("[1]\n" + whole.partition("\n")[2])
    done = play(copy, "tools.verify", "runs/one", expect=1)
    assert "has no JSON text in line 1" in done.stdout + done.stderr


def test_a_stage_that_was_stopped_resumes_to_the_same_weights(game, tmp_path):
    for words, moment in zip(GAME[:2], ("9:SIGINT", "4:SIGTERM"), strict=True):
        play(tmp_path, *words, expect=130, SIGNAL_AT=moment)
        play(tmp_path, *words)
    for stage in ("pretrain", "finetune"):
        resumed, whole = (record_of(folder).stages[stage].sha256 for folder in (tmp_path, game))
        assert resumed["model.safetensors"] == whole["model.safetensors"]


def test_two_processes_give_the_same_score(copy):
    before = record_of(copy)
    play(copy, "evaluate_bleu", "--again", processes=2)
    after = record_of(copy)
    assert after.score.num_processes == 2 and after.score.sha256 == before.score.sha256
    assert after.score.value == before.score.value


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--optim", "adam"], "--optim adam: must be one of"),
        (["--adam_epsilon", "0"], "--adam_epsilon 0.0: must be above 0"),
        (["--freeze", "decoder"], "--freeze 'decoder': must be nothing"),
        (["--batch_size", "0"], "--batch_size 0: must be between 1 and 320"),
        (["--batch_size", "321"], "--batch_size 321: must be between 1 and 320"),
        (["--batch_size", "320"], "--warmup_steps 2.0: must be between 0 and the 1 steps"),
    ],
)
def test_values_that_cannot_be_are_refused(game, flags, said):
    flags = ["--warmup_steps", "2", *flags]
    assert said in play(game, "train_finetune", *flags, entry="other", expect=2).stderr


@pytest.mark.parametrize(
    ("flags", "optimizer"),
    [
        (["--optim", "adafactor", "--freeze", "all"], "Adafactor, not fused"),
        (["--optim", "sgd", "--freeze", "embeddings", "--weight_decay", "0.01"], "SGD, not fused"),
    ],
)
def test_what_was_tuned_is_in_effect_and_official(copy, flags, optimizer):
    flags = ["--pretrained", "one", "--warmup_steps", "2", *flags]
    play(copy, "train_finetune", *flags, entry="tuned")
    record = record_of(copy, "tuned")
    assert not record.broken_rules
    assert record.stages["finetune"].effective["optimizer"] == optimizer
    assert record.stages["finetune"].effective["freeze"] == flags[flags.index("--freeze") + 1]


def test_another_batch_size_sees_as_many_examples_in_other_steps(copy):
    flags = ["--pretrained", "one", "--warmup_steps", "2", "--batch_size", "64", "--device_batch_size", "16"]
    play(copy, "train_finetune", *flags, entry="large")
    play(copy, "evaluate_bleu", entry="large")
    before, after = (record_of(copy, name) for name in ("one", "large"))
    assert after.official, after.broken_rules
    (one, other) = (record.stages["finetune"].effective for record in (before, after))
    assert (other["batch_size"], other["max_steps"]) == (64, after.stages["finetune"].steps) == (64, 5)
    assert one["batch_size"] * one["max_steps"] == other["batch_size"] * other["max_steps"]
    assert "PROVEN" in play(copy, "tools.verify", "runs/large").stdout
    large = ["--pretrained", "one", "--warmup_steps", "2", "--batch_size", "160"]
    assert "fewer than one batch of 160" in play(copy, "train_finetune", *large, entry="huge", expect=2).stderr
    after.asked["batch_size"] = 32
    assert {"finetune.batch_size", "finetune.steps"} <= {rule.rule for rule in broken_rules(after)}
    for odd in (0, -1, 2**60, "64", True, None):
        after.asked["batch_size"] = odd
        assert broken_rules(after), "what a stranger asks for is judged, and nothing falls over"


def test_the_report_has_the_baselines(game):
    page = (game / "runs/one/report.html").read_text()
    assert "the first 3 sentences" in page and "the 3 most central sentences" in page


def test_what_comes_in_is_summarized_a_text_each(game):
    documents = "Ben: Shall we go fishing on Monday?\nAnna: Good idea.\0Mia: Hello.\0"
    words = ["tools.translate", "runs/one", "--null", "--json", "--n_best", "2", "--input", "documents"]
    (game / "documents").write_text(documents)
    lines = [json.loads(line) for line in play(game, *words).stdout.splitlines()]
    assert [line["number"] for line in lines] == [1, 1, 2, 2]
    assert lines[0]["score"] >= lines[1]["score"] and isinstance(lines[0]["text"], str)
    (game / "documents").write_text("Ben: Hello there, how are you? " * 50)
    done = play(game, *words[:2], "--input", "documents")
    assert done.stdout.count("\n") == 1 and "longer than 96 tokens: cut there" in done.stderr
    assert play(game, *words[:3], "--input", "documents").stdout.endswith("\0")


@pytest.fixture(scope="module")
def filtered(tmp_path_factory) -> Path:
    """A game in a league whose filters are TUNE."""
    folder = tmp_path_factory.mktemp("filtered")
    chosen = ["--most_words", "60", "--repetition", "2,0.2", "--batch_size", "16", "--warmup_steps", "2"]
    for words in (GAME[0], ["train_finetune", *chosen], ["evaluate_bleu"]):
        play(folder, words[0], "--league", "tiny-filtered", *words[1:])
    return folder


def test_where_filters_are_tuned_each_entry_has_rows_of_its_own(game, filtered):
    record, other = record_of(filtered), record_of(game)
    facts = record.data["dialogues.train"]
    assert facts.dropped_by_filters > 0 and facts.used < other.data["dialogues.train"].used
    assert facts.sha256 != other.data["dialogues.train"].sha256
    assert record.data["dialogues.test"] == other.data["dialogues.test"], "what is judged stays whole"
    assert (record.asked["most_words"], record.asked["repetition"]) == (60, "2,0.2")
    assert record.official, record.broken_rules
    assert "PROVEN" in play(filtered, "tools.verify", "runs/one").stdout
    path = filtered / "runs/one/record.json"
    lie = path.read_text().replace('"most_words": 60', '"most_words": 9999')
    copy = shutil.copytree(filtered, filtered.parent / "lie")
    (copy / "runs/one/record.json").write_text(lie)
    assert "REFUTED" in play(copy, "tools.verify", "runs/one", expect=1).stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--repetition", "3"], "repetition '3': must be n and a share, as in 3,0.3"),
        (["--fewest_words", "-1"], "fewest_words -1: must be a whole number from 0"),
        (["--is_shorter", "2"], "is_shorter 2: must be a whole number from 0 to 1"),
    ],
)
def test_filters_that_cannot_be_are_refused(filtered, flags, said):
    words = ["train_finetune", "--league", "tiny-filtered", "--warmup_steps", "2", *flags]
    assert said in play(filtered, *words, entry="other", expect=2).stderr


def test_a_league_with_fixed_filters_has_no_flags_for_them(game):
    assert "--most_words" in play(game, "train_finetune", "--most_words", "60", entry="other", expect=2).stderr


LONG = "\n".join(f"{name}: Shall we meet on {day}?" for day in ("Monday", "Friday") for name in "ABCDEFGHIJ")


@pytest.mark.parametrize("windows", ["joined", "summarized"])
def test_a_rule_book_may_have_long_texts_summarized_by_windows(game, windows):
    league = replace(TINY_SUMMARIES, finetune=replace(TINY_SUMMARIES.finetune, settings={"windows": windows}))
    cut, task = task_of(TINY_SUMMARIES), task_of(league)
    model, tokenizer = task.load_checkpoint(game / "runs/one/finetune")
    task.prepare(model)
    parts = task.divide(tokenizer, LONG)
    assert len(parts) > 1 and "\n".join(parts) == LONG
    assert not any(was_cut for _, was_cut in task.encode_or_cut(tokenizer, parts))
    found, short = predict(task, model, tokenizer, [LONG, "A: Hello."])
    assert predict(cut, model, tokenizer, ["A: Hello."]) == [short]
    by_hand = "\n".join(predict(cut, model, tokenizer, parts))
    assert found == by_hand if windows == "joined" else predict(cut, model, tokenizer, [by_hand]) == [found]
    assert task.decoding_in_effect(model) == task.expected_decoding() != cut.expected_decoding()
    assert task.expected_decoding()["windows"] == windows
    assert league.fixed()["finetune"]["settings"] == {"windows": windows}
    translator = Translator(game / "runs/one/finetune")
    translator.rules, translator.task, translator.divides = league, task, True
    assert translator.translate([LONG, "A: Hello."]) == [found, short]


def test_a_document_of_a_million_words_is_cut_or_divided_in_seconds(game):
    league = replace(TINY_SUMMARIES, finetune=replace(TINY_SUMMARIES.finetune, settings={"windows": "joined"}))
    task, document = task_of(league), "Shall we meet on Monday? Yes. " * 160_000
    _, tokenizer = task.load_checkpoint(game / "runs/one/finetune")
    began = time.monotonic()
    ((ids, was_cut),) = task.encode_or_cut(tokenizer, [document])
    assert was_cut and len(ids) == TINY_SUMMARIES.max_length
    parts = task.divide(tokenizer, document)
    assert " ".join(parts) == document.strip()
    assert not any(was_cut for _, was_cut in task.encode_or_cut(tokenizer, parts))
    assert time.monotonic() - began < 60
    (game / "documents").write_text(document)
    done = play(game, "tools.translate", "runs/one", "--input", "documents", "--copied")
    assert done.stdout.count("\n") == 1 and "1 line was longer than 96 tokens: cut there" in done.stderr


def test_odd_rows_cost_nothing_but_themselves(game, tmp_path):
    good = [
        {"document": f"A: Shall we meet at {i}?\nB: Yes, at {i}.", "summary": f"They meet at {i}."} for i in range(40)
    ]
    odd = [
        {"document": "word " * 1_000_000, "summary": "Words."},
        {"document": "A: Hi.", "summary": "A greets, which takes longer to say than what was said."},
        {"document": "A: Hi.", "summary": ""},
        {"document": "A: Hi."},
        {"document": ["A: Hi.", "B: Hi."], "summary": {"of": "them"}},
    ]
    references = [good[0] | {"summary": text} for text in ("They meet.", "", "At 0.")] + good[1:3]
    (tmp_path / "dialogues").mkdir()
    for split, rows in {"train": good + odd, "test": references}.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"dialogues/{split}.jsonl").write_text(lines)
    task = task_of(TINY_SUMMARIES)
    corpus = TINY_SUMMARIES.finetune.corpus
    train = task.load_split(corpus, "train", str(tmp_path))
    assert (train.report["dropped_one_sided"], train.report["used"]) == (2, len(good) + 3)
    _, tokenizer = task.load_checkpoint(game / "runs/one/finetune")
    assert task.tokenize(train, tokenizer, tmp_path / "cache").num_cut() == 1
    test = task.load_split(corpus, "test", str(tmp_path))
    assert [len(rouge.references_of(text)) for text in task.references(test)] == [3, 1, 1]
    statistics = rouge.statistics(["They meet.", "", "x"], task.references(test))
    assert rouge.row_values(statistics).tolist() == pytest.approx([100, 0, 0])
    (tmp_path / "dialogues/train.jsonl").write_text('{"document": "A"}\n')
    with pytest.raises(UserError, match="has the columns document; wanted document and summary"):
        task.load_split(corpus, "train", str(tmp_path))


def test_another_way_with_long_texts_is_refused():
    league = replace(TINY_SUMMARIES, finetune=replace(TINY_SUMMARIES.finetune, settings={"windows": "some"}))
    with pytest.raises(UserError, match="windows 'some' in league_config.py: must be joined or summarized"):
        task_of(league).check("finetune", league.tuned("finetune")(warmup_steps=2))


def test_references_in_rows_of_their_own_are_gathered_for_what_is_judged(tmp_path):
    (tmp_path / "dialogues").mkdir()
    rows = [("A: Hi.\nB: Hello.", f"They say {word}.") for word in ("hi", "hello")] + [("B: No.", "B refuses.")]
    lines = "".join(json.dumps({"document": one, "summary": other}) + "\n" for one, other in rows)
    (tmp_path / "dialogues/test.jsonl").write_text(lines)
    (tmp_path / "dialogues/train.jsonl").write_text(lines * 20)
    task = task_of(TINY_SUMMARIES)
    test = task.load_split(TINY_SUMMARIES.test_corpus, "test", str(tmp_path))
    assert list(task.inputs(test)) == ["A: Hi.\nB: Hello.", "B: No."]
    assert list(task.references(test)) == ['["They say hi.", "They say hello."]', "B refuses."]
    assert test.report["rows"] == test.report["used"] == 2
    train = task.load_split(TINY_SUMMARIES.finetune.corpus, "train", str(tmp_path))
    assert len(task.inputs(train)) == 60, "each is a pair to learn from"


def test_the_data_are_shown_and_the_test_set_stays_closed(tmp_path):
    shown = play(tmp_path, "tools.data", "tiny-summaries", "--examples", "1").stdout
    for words in (
        "dialogues.train: 150 rows of 200",
        "have more than the 96",
        "summary: ",
        "left out of dialogues.train",
    ):
        assert words in shown
    assert "test" not in shown


def test_a_checkpoint_is_inspected(game):
    shown = play(game, "tools.inspect", "runs/one", "--depth", "3", "--freeze", "embeddings").stdout
    size = record_of(game).stages["finetune"].effective["num_parameters"]
    assert f"AingForConditionalGeneration, {size:,} parameters" in shown
    assert "mask_token: '<mask>' is 4" in shown and "num_beams: 4" in shown
    assert re.search(r"model\.encoder\.embed_tokens +Embedding +19,200 +frozen +600×32", shown)
    assert "holds no config.json" in play(game, "tools.inspect", "runs", expect=2).stderr
    assert "--freeze 'half'" in play(game, "tools.inspect", "runs/one", "--freeze", "half", expect=2).stderr


@pytest.mark.parametrize(
    ("text", "source", "spans", "shown"),
    [
        ("Anna will bring it.", "Anna: I will.", [(0, 9)], "[Anna will] bring it."),
        ("She, Anna, did", "anna did", [(5, 14)], "She, [Anna, did]"),
        ("Über Caf\u00e9", "ÜBER cafe\u0301", [(0, 9)], "[Über Caf\u00e9]"),
        ("민수는 학교에 갔다", "민수는 내일 학교에 간다", [(0, 7)], "[민수는 학교에] 갔다"),
        ("", "x", [], ""),
        ("...", "...", [], "..."),
    ],
)
def test_words_that_were_copied_are_told_from_others(text, source, spans, shown):
    assert copied(text, source) == spans
    assert bracketed(text, source) == shown
    assert "".join(piece for piece, _ in pieces(text, source)) == text


def test_copied_words_are_marked_in_what_comes_out(game):
    document = "Ben: Shall we go fishing on Monday?\nAnna: Good idea."
    (game / "documents").write_text(document + "\0")
    words = ["tools.translate", "runs/one", "--null", "--copied", "--input", "documents"]
    row = json.loads(play(game, *words, "--json").stdout)
    assert row["copied"] == [list(span) for span in copied(row["text"], document)]
    assert play(game, *words).stdout == bracketed(row["text"], document) + "\0"


def test_a_reader_may_have_texts_drawn_at_random(game):
    (game / "documents").write_text("Ben: Shall we go fishing on Monday?\n")
    words = ["tools.translate", "runs/one", "--json", "--n_best", "5", "--input", "documents", "--temperature"]
    lines = [json.loads(line) for line in play(game, *words, "1.5").stdout.splitlines()]
    scores = [line["score"] for line in lines]
    assert len({line["text"] for line in lines}) > 2 and scores == sorted(scores, reverse=True)
    assert "--temperature 99: must be between 0 and 10" in play(game, *words, "99", expect=2).stderr


def test_the_app_takes_several_lines_for_one_text(game):
    pytest.importorskip("gradio", reason="pip install -r requirements-app.txt")
    from tools.app.folder import Folder
    from tools.app.models import Models

    text = "Ben: Shall we go fishing on Monday?\nAnna: Good idea.\n" + "Ben: Good.\n" * 25
    answer = Models(Folder(game / "runs"), allows_hub=False).translate("one", "", text, 2)
    (only,) = answer.lines
    assert only.source.count("\n") == 26 and len(only.hypotheses) == 2
    assert "Shall" in answer.attention
