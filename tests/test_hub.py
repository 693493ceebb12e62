"""The Hub: both corpora are read from it, a checkpoint goes up to it, and whatever fails is told in one line."""

import io
import json
import re
import socket
import sys
from types import SimpleNamespace

import huggingface_hub
import pyarrow
import pyarrow.parquet
import pytest
import yaml
from conftest import ROOT, run
from hub_server import serving

from league.data import load_split
from league.hub import model_card, push
from league.options import Options
from league_config import AING
from modeling import AingConfig, AingForConditionalGeneration, train_tokenizer

PAIRS = [(f"Hund {i}\u00a0läuft\x1c weit.", f"Dog {i} runs\u2028far.") for i in range(80)]
CAPTIONS, TALKS = AING.pretrain.corpus, AING.finetune.corpus
SPLITS = ("train", "validation", "test")
TOKEN = "hf_aSecretThatMustNotBeSeen"

# Loads splits in a process with a Hub client of its own: argv holds [repository, corpus, split]s as JSON.
READER = """
import json, sys, time
from dataclasses import replace
from league.data import load_split
from league.errors import UserError
from league_config import AING

corpora = {corpus.name: corpus for corpus in (AING.pretrain.corpus, AING.finetune.corpus)}
for repository, name, split in json.loads(sys.argv[1]):
    corpus = corpora[name]
    corpus = replace(corpus, origin=replace(corpus.origin, repo_id=repository))
    start, pairs, error = time.monotonic(), None, None
    try:
        read = load_split(AING, corpus, split, None)
        pairs = list(zip(read.sources, read.targets))
    except UserError as told:
        error = str(told)
    print(json.dumps({"pairs": pairs, "error": error, "seconds": time.monotonic() - start}))
"""


@pytest.fixture
def hub():
    with serving() as server:
        yield server


def read_from(url, home, *wanted, **environment) -> list[dict]:
    environment = {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(ROOT),
    } | environment
    done = run([sys.executable, "-c", READER, json.dumps(wanted)], home, **environment)
    return [json.loads(line) for line in done.stdout.splitlines()]


def rows_of(pairs):
    return [{"de": de, "en": en} for de, en in pairs]


def jsonl(rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(rows, column="translation") -> bytes:
    feature = {"translation": {"languages": ["de", "en"], "_type": "Translation"}}
    table = pyarrow.table({column: rows})
    if column == "translation":
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": feature}})})
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def fill(hub, corpus, content, splits=SPLITS):
    for split in splits:
        hub.files[f"datasets/{corpus.origin.repo_id}/{corpus.origin.files[split]}"] = content


def test_both_corpora_read_the_same_from_the_hub_as_from_text_files_and_again_offline(hub, tmp_path):
    fill(hub, CAPTIONS, jsonl(rows_of(PAIRS)))
    fill(hub, TALKS, parquet(rows_of(PAIRS)))
    expected, wanted = [], []
    for corpus in (CAPTIONS, TALKS):
        (tmp_path / corpus.name).mkdir()
        for split in SPLITS:
            for side, language in enumerate(("de", "en")):
                text = "".join(pair[side] + "\n" for pair in PAIRS)
                (tmp_path / corpus.name / f"{split}.{language}").write_bytes(text.encode())
            read = load_split(AING, corpus, split, str(tmp_path))
            expected.append([list(pair) for pair in zip(read.sources, read.targets, strict=True)])
            wanted.append([corpus.origin.repo_id, corpus.name, split])
    assert len(expected[0]) == len(PAIRS)
    assert [told["pairs"] for told in read_from(hub.url, tmp_path, *wanted)] == expected
    assert hub.revisions >= {CAPTIONS.origin.revision, TALKS.origin.revision}
    num_requests = len(hub.requests)
    again = read_from(hub.url, tmp_path, *wanted, HF_HUB_OFFLINE="1")
    assert [told["pairs"] for told in again] == expected and len(hub.requests) == num_requests


def check_refusal(told, repository, *parts):
    message = told["error"]
    assert message and told["pairs"] is None
    assert "\n" not in message and all(
        part in message for part in (repository, "--data_dir", "--league demo", *parts)
    ), message
    assert told["seconds"] < 15


def test_what_is_wrong_with_a_repository_is_told(hub, tmp_path):
    files = {
        "club/columns": (jsonl([{"german": "x", "en": "y"}]), parquet(rows_of(PAIRS), column="pairs")),
        "club/sides": (jsonl([{"german": "x"}]), parquet([{"fr": "x", "en": "y"}])),
        "club/damaged": (b"<html>not json</html>", b"PAR1 not parquet"),
    }
    for repository, contents in files.items():
        for corpus, content in zip((CAPTIONS, TALKS), contents, strict=True):
            hub.files[f"datasets/{repository}/{corpus.origin.files['train']}"] = content
    wanted = [[name, corpus.name, "train"] for name in (*files, "club/nothing") for corpus in (CAPTIONS, TALKS)]
    told = read_from(hub.url, tmp_path, *wanted)
    for (repository, *_), answer in zip(wanted, told, strict=True):
        check_refusal(answer, repository)
    check_refusal(told[0], "club/columns", "german, en", "wanted de and en")
    check_refusal(told[1], "club/columns", "pairs.de, pairs.en", "wanted translation.de and translation.en")
    check_refusal(told[6], "club/nothing", "404", CAPTIONS.origin.files["train"])


def test_null_is_an_empty_side(hub, tmp_path):
    fill(hub, CAPTIONS, jsonl([*rows_of(PAIRS), {"de": None, "en": "lonely"}]))
    (told,) = read_from(hub.url, tmp_path, [CAPTIONS.origin.repo_id, CAPTIONS.name, "train"])
    assert len(told["pairs"]) == len(PAIRS)


@pytest.mark.parametrize("accident, part", [("500", "500"), ("no server", "refused"), ("offline", "HF_HUB_OFFLINE")])
def test_a_hub_out_of_reach_is_told_without_waiting(hub, tmp_path, accident, part):
    url = hub.url
    hub.status = 500
    if accident == "no server":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
    wanted = [[corpus.origin.repo_id, corpus.name, "train"] for corpus in (CAPTIONS, TALKS)]
    told = read_from(url, tmp_path, *wanted, HF_HUB_OFFLINE="1" if accident == "offline" else "0")
    for (repository, *_), answer in zip(wanted, told, strict=True):
        check_refusal(answer, repository, part)


# ---- uploading


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "finetune"
    tokenizer = train_tokenizer([text for pair in PAIRS for text in pair], 300, 128)
    config = AingConfig(vocab_size=len(tokenizer), d_model=16, nhead=2, num_layers=1, d_ff=16)
    AingForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def on_hub(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)  # plain HTTP for the large file
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(sys, "argv", ["train_finetune.py", "--entry", "my one", "--push_to_hub"])
    return hub


def entry_of(**record):
    asked = {"league": "aing", "seed": 7, "d_model": 256, "learning_rate": 3e-05}
    options = Options(entry="first", push_to_hub=True)
    return SimpleNamespace(name="first", options=options, rules=AING, record={"asked": asked, **record})


def test_a_checkpoint_arrives_whole_and_alone_and_its_card_runs(on_hub, checkpoint, tmp_path, capsys):
    junk = {name: checkpoint / name for name in ("notes.txt", ".DS_Store")}
    for path in junk.values():
        path.write_text("not for the Hub")
    push(Options(entry="first"), checkpoint, model_card(entry_of()))
    printed = capsys.readouterr()
    assert f"{on_hub.url}/club/first" in printed.out and TOKEN not in printed.out + printed.err
    assert f"Bearer {TOKEN}" in on_hub.tokens

    arrived = {name.removeprefix("club/first/"): content for name, content in on_hub.files.items()}
    here = {path.name: path.read_bytes() for path in checkpoint.iterdir() if path not in junk.values()}
    card = arrived.pop("README.md").decode()
    assert arrived == here
    assert {"model.safetensors", "config.json", "tokenizer.json", "configuration_aing.py", "modeling_aing.py"} <= set(
        here
    )
    assert not (checkpoint / "README.md").exists()

    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    environment = {"HF_ENDPOINT": on_hub.url, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    done = run([sys.executable, "-I", "-c", code], tmp_path, **environment)  # -I: it cannot see this repository
    assert re.fullmatch(r"\[['\"].*['\"]\]", done.stdout.strip())


@pytest.mark.parametrize("name, repository", [(None, "club/first"), ("club/other", "club/other")])
def test_the_repository_is_named_by_the_flag_or_the_entry(on_hub, checkpoint, name, repository):
    push(Options(entry="first", hub_model_id=name), checkpoint, "# A card")
    assert on_hub.files[f"{repository}/README.md"] == b"# A card"


@pytest.mark.parametrize("accident", ["refused", "forbidden", "no server", "no token", "no folder"])
def test_a_failed_upload_is_one_line_without_the_token(on_hub, checkpoint, monkeypatch, capsys, tmp_path, accident):
    folder = checkpoint
    if accident in ("refused", "forbidden"):
        on_hub.status = {"refused": 401, "forbidden": 403}[accident]
    elif accident == "no server":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    elif accident == "no token":
        on_hub.status = 401
        monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
        monkeypatch.delenv("HF_TOKEN")
    else:
        folder = tmp_path / "none"
    push(Options(entry="first"), folder, "# A card")
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    assert "not uploaded: first" in printed.err and TOKEN not in printed.err
    assert "python train_finetune.py --entry 'my one' --push_to_hub" in printed.err
    assert not on_hub.files


def test_a_token_inside_an_error_is_hidden(on_hub, checkpoint, monkeypatch, capsys):
    def fail(*args, **keywords):
        raise RuntimeError(f"bad header Authorization: Bearer {TOKEN}")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", fail)
    push(Options(entry="first"), checkpoint, "# A card")
    error = capsys.readouterr().err
    assert "bad header" in error and TOKEN not in error


# ---- the card


def test_the_card_tells_what_was_tuned_and_what_is_known():
    card = model_card(entry_of())
    _, front, text = card.split("---\n", 2)
    matter = yaml.safe_load(front)
    assert matter["language"] == ["de", "en"] and matter["license"] == "other"
    assert (matter["library_name"], matter["pipeline_tag"]) == ("transformers", "translation")
    assert "`aing` league, version 1" in text and "seed 7" in text
    assert "| d_model | 256 |" in text and "| learning_rate | 3e-05 |" in text
    assert "Not scored" in text and "BLEU" not in text
    assert "non-commercial research" in text and "CC BY-NC-ND 3.0" in text


@pytest.mark.parametrize("official, verdict", [(True, "official"), (False, "open, not ranked")])
def test_the_card_tells_score_and_verdict(official, verdict):
    score = {"bleu": 31.4159, "bleu_signature": "nrefs:1|case:mixed"}
    card = model_card(entry_of(score=score, official=official))
    assert "BLEU 31.42 (`nrefs:1|case:mixed`)" in card and f"Verdict: {verdict}" in card


def test_the_card_names_the_repository_that_was_asked_for():
    entry = entry_of()
    entry.options.hub_model_id = "club/other"
    assert model_card(entry).count('from_pretrained("club/other"') == 2
