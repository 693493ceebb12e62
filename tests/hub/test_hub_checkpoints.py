"""Stage A from the Hub: BART, mBART, T5, Marian and KoBART are fetched, fine-tuned, scored, proven and pushed."""

import dataclasses
import json
import re
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from hub_club import CORPUS, league_of, run
from safetensors.torch import load_file, save_file
from tiny_checkpoints import KINDS
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from league.errors import UserError
from league.files import digests_of, write_json
from league.hub.transfer import fetch
from league.record.shape import read_record
from league.rulebook import GIVEN
from league.tasks.task import task_of
from league_config import DIALOGUES

pytest_plugins = ("hub_entry", "hub_club")


def play(kind: str, *flags: str) -> None:
    named = ["--league", f"tiny-{kind}", "--entry", kind]
    run("train_pretrain", *named)
    run("train_finetune", *named, "--learning_rate", "1e-3", "--warmup_steps", "2", *flags)
    run("evaluate_bleu", *named)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_played_proven_pushed_and_loaded_again(club, kind, capsys, monkeypatch):
    play(kind, "--freeze", "all_but_last_1")
    record = read_record(Path(f"runs/{kind}/record.json"))
    assert capsys.readouterr().out.splitlines()[-1] == f"FINAL_TEST_ROUGE_L = {record.score.value:.2f}"
    assert record.official, record.broken_rules
    assert "pretrain" in record.clock.spent and record.stages["pretrain"].minutes == 0
    assert record.stages["finetune"].effective["freeze"] == "all_but_last_1"
    assert all(json.loads(line) for line in Path(f"runs/{kind}/summaries.jsonl").read_text().splitlines())
    run("tools.verify", f"runs/{kind}")
    assert "PROVEN" in capsys.readouterr().out
    with monkeypatch.context() as offline:  # which is no fault of the entry
        offline.setattr("league.tasks.pretrained.fetch", Mock(side_effect=UserError("no network")))
        with pytest.raises(SystemExit) as end:
            run("tools.verify", f"runs/{kind}")
        assert end.value.code == 2 and f"NOT PROVEN: runs/{kind}, no network.\n" in capsys.readouterr().out
    with pytest.raises(UserError, match="is not a model of ours"):
        run("tools.translate", f"runs/{kind}", "--engine", "ctranslate2", "--input", f"runs/{kind}/record.json")
    capsys.readouterr()

    Path("texts").write_text("Ben: Shall we go fishing?\nAnna: Yes.\0" + "Mia: I am free on Monday. " * 50)
    asked = ["--null", "--json", "--n_best", "2", "--input", "texts", "--output", "answers"]
    run("tools.translate", f"runs/{kind}", *asked)
    assert [json.loads(line)["number"] for line in Path("answers").read_text().splitlines()] == [1, 1, 2, 2]
    assert "longer than 64 tokens: cut there" in capsys.readouterr().err

    run("tools.push", f"runs/{kind}", "--hub_model_id", f"club/fine-{kind}")
    card = club.tree(f"club/fine-{kind}")["README.md"].decode()
    assert f"base_model: club/{kind}\n" in card and "pipeline_tag: summarization" in card
    assert f"It started from [`club/{kind}`]" in card and f"ROUGE-L **{record.score.value:.2f}**" in card
    fetched = fetch(f"club/fine-{kind}")
    assert digests_of(fetched).items() >= record.stages["finetune"].sha256.items()
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(fetched), AutoTokenizer.from_pretrained(fetched)
    text = list(task_of(league_of(kind)).inputs(task_of(league_of(kind)).load_split(CORPUS, "test", None)))[0]
    inputs = tokenizer(text, return_tensors="pt", truncation=True, max_length=64, return_token_type_ids=False)
    assert model.generate(**inputs).shape[1] > 1


def begun(task) -> Path:
    """Return the folder of a stage A as one begins it."""
    Path("begun").mkdir(exist_ok=True)
    write_json(Path("begun") / GIVEN, task.given().description())
    return Path("begun")


def loaded(kind: str) -> tuple:
    task = task_of(league_of(kind))
    model, tokenizer = task.start_from(begun(task), {"freeze": "nothing"})
    task.prepare(model)
    return task, model, tokenizer


# KoBART's traps: its begin, end and start are one token; its tokenizer adds no end, and gives token types.


def test_kobarts_texts_are_ended_and_a_cut_one_too(club):
    task, _, tokenizer = loaded("kobart")
    short, long = task.encode(tokenizer, ["민수는 내일", "민수는 내일 학교에 간다. " * 50])
    assert short[-1] == 1 and short.count(1) == 1
    assert len(long) == 64 and long[-1] == 1 and long.count(1) == 1
    split = task.load_split(CORPUS, "validation", None)
    tokens = task.tokenize(split, tokenizer, Path("cache"))
    assert all(tokens[i]["labels"][-1] == 1 for i in range(len(tokens)))
    assert set(tokens[0]) == {"input_ids", "labels"}, "token types are not for a model without them"


def test_kobarts_decoder_starts_with_its_end_and_the_summary_does_not(club):
    task, model, tokenizer = loaded("kobart")
    batch = task.collator(model, 1)(
        [{"input_ids": [5, 6, 1], "labels": [7, 8, 1]}, {"input_ids": [5, 1], "labels": [7, 1]}]
    )
    assert batch["decoder_input_ids"].tolist() == [[1, 7, 8], [1, 7, 1]]
    assert batch["labels"].tolist() == [[7, 8, 1], [7, 1, -100]]
    model.generation_config.forced_bos_token_id = 1  # as some of its fine-tunes say
    task.prepare(model)
    assert model.generation_config.forced_bos_token_id is None
    with torch.inference_mode():
        assert all(task.predict_rows(model.eval(), tokenizer, task.encode(tokenizer, ["회의는 세 시에 시작한다."] * 2)))


def test_a_checkpoints_own_search_is_not_the_leagues_but_its_forced_tokens_are_kept(club):
    task, model, _ = loaded("bart")
    assert (model.generation_config.num_beams, model.generation_config.forced_bos_token_id) == (2, 0)
    assert model.generation_config.early_stopping is False
    assert task.decoding_in_effect(model) == task.expected_decoding()
    assert loaded("marian")[1].generation_config.bad_words_ids


def test_mbarts_languages_stand_before_its_texts_and_before_what_it_writes(club):
    task, model, tokenizer = loaded("mbart")
    english, korean = tokenizer.convert_tokens_to_ids(["en_XX", "ko_KR"])
    short, long = task.encode(tokenizer, ["Ben: Hello.", "Ben: Hello there. " * 50])
    assert (short[0], short[-1]) == (long[0], long[-1]) == (english, tokenizer.eos_token_id) and len(long) == 64
    tokens = task.tokenize(task.load_split(CORPUS, "validation", None), tokenizer, Path("cache"))
    assert {(int(row["labels"][0]), int(row["labels"][-1])) for row in tokens} == {(korean, tokenizer.eos_token_id)}
    with torch.inference_mode():
        written = model.eval().generate(torch.tensor([short]))
        assert written[0, :2].tolist() == [model.config.decoder_start_token_id, korean]
        assert "ko_KR" not in task.predict_rows(model, tokenizer, [short])[0]


def test_a_prefix_is_read_and_t5_starts_with_its_padding(club):
    task = task_of(league_of("t5", prefix="read: "))
    model, tokenizer = task.start_from(begun(task), {"freeze": "nothing"})
    with_prefix = task.encode(tokenizer, ["Ben: Hello."])[0]
    assert tokenizer.decode(with_prefix, skip_special_tokens=True).startswith("read")
    batch = task.collator(model, 1)([{"input_ids": with_prefix, "labels": [7, 1]}])
    assert batch["decoder_input_ids"].tolist() == [[0, 7]]


# Refusals.


def refused(kind: str, **settings) -> str:
    task = task_of(league_of(kind, **settings))
    with pytest.raises(UserError) as error:
        task.start_from(begun(task), {"freeze": "nothing"})
    assert "\n" not in str(error.value)
    return str(error.value)


def edit(hub, name: str, **values) -> None:
    hub.files[name] = json.dumps(json.loads(hub.files[name]) | values).encode()


def test_what_cannot_summarize_is_refused_in_a_line(club):
    edit(club, "club/bart/config.json", model_type="bert")
    assert "a bert model is no encoder-decoder" in refused("bart")
    edit(club, "club/t5/config.json", model_type="evil", auto_map={"AutoConfig": "modeling_evil.X"})
    assert "club/t5 is not a checkpoint to start from" in refused("t5")
    for name in [name for name in club.files if name.startswith("club/marian/") and name.endswith(".safetensors")]:
        del club.files[name]
    assert "holds no model.safetensors" in refused("marian")
    assert "cannot load club/nowhere" in refused("bart", checkpoint="club/nowhere")


def test_a_tokenizer_of_another_checkpoint_is_refused(club):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        club.files[f"club/t5/{name}"] = club.files[f"club/bart/{name}"]
    assert "a tokenizer of 500 tokens and weights for 320" in refused("t5")


def test_a_pickle_that_would_run_code_is_refused(club):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (Path("ran"),))

    torch.save({"model.shared.weight": Evil()}, "evil.bin")
    club.files["club/kobart/pytorch_model.bin"] = Path("evil.bin").read_bytes()
    assert "club/kobart is not a checkpoint to start from" in refused("kobart")
    assert not Path("ran").exists()


def test_a_league_that_asks_for_more_room_than_there_is_is_refused(club):
    league = dataclasses.replace(league_of("bart"), max_length=4000)
    with pytest.raises(UserError, match="has room for 128 tokens, the league asks for 4000"):
        task_of(league).loss_of_a_guess()


@pytest.fixture
def entry(club, tmp_path):
    """A fine-tuned checkpoint, to break."""
    task, model, tokenizer = loaded("bart")
    model.save_pretrained(tmp_path / "entry")
    tokenizer.save_pretrained(tmp_path / "entry")
    return tmp_path / "entry"


def test_a_strangers_weights_are_held_against_the_rule_books_checkpoint(entry):
    task = task_of(league_of("bart"))
    model, _ = task.load_checkpoint(entry)
    edited = json.loads((entry / "config.json").read_text()) | {"d_model": 99_999_999}
    (entry / "config.json").write_text(json.dumps(edited))
    again, _ = task.load_checkpoint(entry)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))
    weights = load_file(entry / "model.safetensors")
    for name, change in {"final_logits_bias": torch.zeros(1, 9), "stranger": torch.zeros(2)}.items():
        save_file(weights | {name: change}, entry / "model.safetensors")
        with pytest.raises(UserError, match="unlike club/bart"):
            task.load_checkpoint(entry)
    some = {name: weight for name, weight in weights.items() if "encoder.layers.0" not in name}
    save_file(some, entry / "model.safetensors")
    with pytest.raises(UserError, match="it lacks"):
        task.load_checkpoint(entry)
    shutil.move(entry / "model.safetensors", entry / "pytorch_model.bin")
    with pytest.raises(UserError, match="model.safetensors is not a file"):
        task.load_checkpoint(entry)


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_of_the_hub_is_inspected_without_its_weights(club, kind, capsys):
    run("tools.inspect", f"club/{kind}", "--freeze", "all_but_last_1")
    shown = capsys.readouterr().out
    assert re.search(r"club/\w+: \w+, [\d,]+ parameters", shown) and "frozen" in shown
    assert "pad_token" in shown and "decoder_start_token_id" in shown
    assert not [path for _, path in club.requests if path.endswith((".safetensors", ".bin"))]


def test_dialogsum_is_read_as_it_lies_on_the_hub(club):
    header = "id,dialogue,summary,topic\n"
    rows = [
        f'{i},"#Person1#: Shall we go {i}?\n#Person2#: Yes, let us do that.","They go, both, {i}.",x' for i in range(40)
    ]
    test = [
        row.replace("They go", f"{who} go").replace("0,", f"0_{who},", 1) for row in rows[:1] for who in ("A", "B", "C")
    ]
    for split, some in {"train": rows + rows[:2], "validation": rows[:1] + rows[5:7], "test": test}.items():
        content = (header + "\n".join(some) + "\n").encode()
        club.files[f"datasets/knkarthick/dialogsum/{split}.csv"] = content
    task = task_of(DIALOGUES)
    corpus = DIALOGUES.finetune.corpus
    train = task.load_split(corpus, "train", None)
    assert list(train.sources)[0] == "#Person1#: Shall we go 1?\n#Person2#: Yes, let us do that."
    assert train.report["dropped_by_filters"] == 5, "two come again, three are in validation"
    held_out = task.load_split(corpus, "test", None)
    assert list(task.references(held_out)) == ['["A go, both, 0.", "B go, both, 0.", "C go, both, 0."]']


def test_summaries_are_judged_by_the_embeddings_of_a_model_on_the_hub(club, capsys):
    play("bart")
    run("tools.rdass", "runs/bart", "--embedding_model", "club/t5")
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(
        r"RDASS -?[\d.]+: -?[\d.]+ to the reference, .* 20 summaries, by the embeddings of club/t5", last
    )
    with pytest.raises(UserError, match="cannot load club/nowhere"):
        run("tools.rdass", "runs/bart", "--embedding_model", "club/nowhere")


def test_a_search_is_refused_in_a_line(club):
    with pytest.raises(UserError, match="try values by hand"):
        run("tools.tune.__main__", "--league", "tiny-bart", "--minutes", "1")
