"""A league of summaries from end to end: played, proven, resumed, on two processes, refused."""

import json
import re

import pytest
from conftest import STARTED_OVER
from play_summaries import TINY_SUMMARIES
from summaries_game import GAME, play, record_of

from league.errors import UserError
from league.record.rules import broken_rules
from league.tasks import rouge
from league.tasks.freezing import check_depth
from league.tasks.task import task_of
from league.translate.copying import bracketed, copied, pieces

pytest_plugins = "summaries_game"


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


@pytest.mark.long
def test_a_stage_that_was_stopped_resumes_to_the_same_weights(game, tmp_path):
    for words, moment in zip(GAME[:2], ("9:SIGINT", "4:SIGTERM"), strict=True):
        play(tmp_path, *words, expect=130, SIGNAL_AT=moment)
        play(tmp_path, *words, SIGNAL_AT=STARTED_OVER)
    for stage in ("pretrain", "finetune"):
        resumed, whole = (record_of(folder).stages[stage].sha256 for folder in (tmp_path, game))
        assert resumed["model.safetensors"] == whole["model.safetensors"]


@pytest.mark.long
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


@pytest.mark.long
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
    from tools.app.models import NO_OTHER, Models

    text = "Ben: Shall we go fishing on Monday?\nAnna: Good idea.\n" + "Ben: Good.\n" * 25
    answer = Models(Folder(game / "runs"), allows_hub=False).beside("one", NO_OTHER, "", text, 2)
    (only,) = answer.lines
    assert only.source.count("\n") == 26 and len(only.hypotheses) == 2
    assert "Shall" in answer.attention


def test_a_name_that_keeps_every_layer_is_refused_where_no_rule_counts_them():
    from transformers import BartConfig, BartModel

    sizes = {"encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    model = BartModel(BartConfig(vocab_size=20, d_model=16, encoder_layers=3, decoder_layers=1, **sizes))
    for name in ("all", "nothing", "embeddings", "all_but_last_2"):
        check_depth(model.get_encoder(), name)
    with pytest.raises(UserError, match="--freeze all_but_last_3: the encoder has 3 layers; embeddings keeps all"):
        check_depth(model.get_encoder(), "all_but_last_3")
