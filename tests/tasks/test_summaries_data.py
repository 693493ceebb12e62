"""What summaries are made of: data that are filtered, shown and gathered, long texts, rows that are odd."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from play_summaries import TINY_SUMMARIES
from summaries_game import GAME, play, record_of

from league.errors import UserError
from league.tasks import rouge
from league.tasks.predicting import predict
from league.tasks.task import task_of
from league.translate.translator import Translator
from tools.data import shown, too_long

pytest_plugins = "summaries_game"


@pytest.fixture(scope="module")
def filtered(tmp_path_factory) -> Path:
    """A game in a league whose filters are TUNE."""
    folder = tmp_path_factory.mktemp("filtered")
    chosen = ["--most_words", "60", "--most_tokens", "80", "--repetition", "2,0.2"]
    chosen += ["--batch_size", "16", "--warmup_steps", "2"]
    for words in (GAME[0], ["train_finetune", *chosen], ["evaluate_bleu"]):
        play(folder, words[0], "--league", "tiny-filtered", *words[1:])
    return folder


@pytest.mark.long
def test_where_filters_are_tuned_each_entry_has_rows_of_its_own(game, filtered):
    record, other = record_of(filtered), record_of(game)
    facts = record.data["dialogues.train"]
    assert facts.dropped_by_filters > 0 and facts.used < other.data["dialogues.train"].used
    assert facts.sha256 != other.data["dialogues.train"].sha256
    assert record.data["dialogues.test"] == other.data["dialogues.test"], "what is judged stays whole"
    assert (record.asked["most_words"], record.asked["repetition"]) == (60, "2,0.2")
    assert record.official, record.broken_rules
    trained = record.stages["finetune"]
    assert trained.rows_too_long > 0 and trained.sentences_cut == 0, "what would have been cut is left out"
    assert record.stages["pretrain"].rows_too_long == 0 < record.stages["pretrain"].sentences_cut
    assert "PROVEN" in play(filtered, "tools.verify", "runs/one").stdout
    path = filtered / "runs/one/record.json"
    copy = shutil.copytree(filtered, filtered.parent / "lie")
    for truth, lie in (('"most_words": 60', '"most_words": 9999'), ('"most_tokens": 80', '"most_tokens": 90')):
        (copy / "runs/one/record.json").write_text(path.read_text().replace(truth, lie))
        assert "REFUTED" in play(copy, "tools.verify", "runs/one", expect=1).stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--repetition", "3"], "repetition '3': must be n and a share, as in 3,0.3"),
        (["--fewest_words", "-1"], "fewest_words -1: must be a whole number from 0"),
        (["--most_tokens", "97"], "most_tokens 97: the model reads 96; 0 has longer texts cut, 96 leaves them out"),
        (["--most_tokens", "2"], "rows to train on are fewer than one batch of 32"),
        (["--is_shorter", "2"], "is_shorter 2: must be a whole number from 0 to 1"),
    ],
)
def test_filters_that_cannot_be_are_refused(filtered, flags, said):
    words = ["train_finetune", "--league", "tiny-filtered", "--pretrained", "one", "--warmup_steps", "2", *flags]
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


@pytest.mark.long
def test_a_document_of_a_million_words_is_cut_or_divided(game):
    league = replace(TINY_SUMMARIES, finetune=replace(TINY_SUMMARIES.finetune, settings={"windows": "joined"}))
    task, sentences = task_of(league), [f"Shall we meet at {i}? Yes." for i in range(170_000)]
    _, tokenizer = task.load_checkpoint(game / "runs/one/finetune")
    ((ids, was_cut),) = task.encode_or_cut(tokenizer, [" ".join(sentences)])
    assert was_cut and len(ids) == TINY_SUMMARIES.max_length
    some = " ".join(sentences[:10_000])
    parts = task.divide(tokenizer, some)
    assert " ".join(parts) == some
    assert not any(was_cut for _, was_cut in task.encode_or_cut(tokenizer, parts))
    (game / "documents").write_text(" ".join(sentences))
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


def test_lists_of_references_are_gathered_and_never_learned(tmp_path):
    (tmp_path / "dialogues").mkdir()
    summaries = (["They say hi.", "Hi."], ["They greet."], "They meet.")
    lines = "".join(json.dumps({"document": "A: Hi.\nB: Hello.", "summary": one}) + "\n" for one in summaries)
    (tmp_path / "dialogues/test.jsonl").write_text(lines)
    (tmp_path / "dialogues/train.jsonl").write_text(lines * 20)
    task = task_of(TINY_SUMMARIES)
    test = task.load_split(TINY_SUMMARIES.test_corpus, "test", str(tmp_path))
    (references,) = map(rouge.references_of, task.references(test))
    assert references == ["They say hi.", "Hi.", "They greet.", "They meet."]
    with pytest.raises(UserError, match="dialogues.train, row 1: a list of references"):
        task.load_split(TINY_SUMMARIES.finetune.corpus, "train", str(tmp_path))


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


def test_the_data_show_which_rows_have_too_many_tokens(tmp_path):
    stage = TINY_SUMMARIES.finetune
    corpus = replace(stage.corpus, filters={"most_tokens": 80})
    task = task_of(replace(TINY_SUMMARIES, finetune=replace(stage, corpus=corpus)))
    train = task.load_split(corpus, "train", None)
    tokenizer = task.train_tokenizer(train)
    lengths = [
        max(len(tokenizer(text)["input_ids"]) for text in row) for row in zip(train.sources, train.targets, strict=True)
    ]
    longer = [text for text, length in zip(train.sources, lengths, strict=True) if length > 80]
    said = list(too_long(task, train, tokenizer))
    assert said[0].endswith(f"more than 80 tokens: {len(longer):,}") and longer
    assert [line.strip() for line in said[1:]] == [shown(text) for text in longer[:2]]
    assert not list(too_long(task_of(TINY_SUMMARIES), train, tokenizer)), "no filter, no line"
