"""Both corpora are read from the Hub; what is wrong there is told in a line."""

import io
import json
import socket
import sys

import pyarrow
import pyarrow.parquet
import pytest
from conftest import ROOT, run

from league.data.corpora import load_split
from league_config import AING

pytest_plugins = "hub_entry"

PAIRS = [(f"Hund {i}\u00a0läuft\x1c weit.", f"Dog {i} runs\u2028far.") for i in range(80)]
CAPTIONS, TALKS = AING.pretrain.corpus, AING.finetune.corpus
SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def pinned(hub) -> None:
    """Let the commit that the league asks for be what each repository has."""
    hub.pinned.add(CAPTIONS.origin.revision)


# Loads splits in a process with a Hub client of its own: argv holds [repository, corpus, split]s as JSON.
READER = """
import json, sys, time
from dataclasses import replace
from league.data.corpora import load_split
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
