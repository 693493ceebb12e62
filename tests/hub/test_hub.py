"""The Hub: both corpora are read from it; an entry goes up to it and comes down again; what fails is told in a line."""

import hashlib
import io
import json
import re
import shutil
import socket
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pyarrow
import pyarrow.parquet
import pytest
import torch
import yaml
from conftest import ROOT, command, run
from hub_server import Accident, serving
from msgspec.structs import replace
from play import TINY
from transformers import AutoTokenizer

from league.data.corpora import load_split
from league.errors import UserError
from league.hub.card import eval_results, model_card
from league.hub.transfer import fetch, hand_in, push, push_if_asked
from league.record.folder import files_to_hand_in, read_whole_entry, with_own_code
from league.record.shape import BrokenRule, read_record
from league.run import takeover
from league.run.entry import Entry
from league.tasks.task import task_of
from league.values import Options, TrainingOptions, check_options
from league_config import AING
from modeling import AingForConditionalGeneration
from tools.push import main as push_command
from tools.push import write_zip

PAIRS = [(f"Hund {i}\u00a0läuft\x1c weit.", f"Dog {i} runs\u2028far.") for i in range(80)]
CAPTIONS, TALKS = AING.pretrain.corpus, AING.finetune.corpus
SPLITS = ("train", "validation", "test")
TOKEN = "hf_aSecretThatMustNotBeSeen"

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


@pytest.fixture
def entry(played, tmp_path):
    """An entry with both stages, a score, pictures, and files that are nobody's business."""
    folder = tmp_path / "runs" / "one"
    shutil.copytree(played / "runs" / "one", folder)
    shutil.rmtree(folder / "plots", ignore_errors=True)
    (folder / "plots").mkdir()
    (folder / "plots" / "learning_curves.png").write_bytes(b"a picture")
    (folder / "report.html").write_text("<html>a report</html>")
    for junk in ("notes.txt", ".DS_Store", "finetune/optimizer.pt", "plots/notes.txt"):
        (folder / junk).write_text("not for the Hub")
    (folder / "plots" / "link.png").symlink_to("/etc/hostname")
    return folder


@pytest.fixture
def stage_a(entry):
    """Leave of the entry what it is after its first stage."""
    record = json.loads((entry / "record.json").read_text())
    del record["stages"]["finetune"], record["score"]
    (entry / "record.json").write_text(json.dumps(record | {"official": False}))
    shutil.rmtree(entry / "finetune")
    shutil.rmtree(entry / "plots")
    for name in ("report.html", "translations.txt"):
        (entry / name).unlink(missing_ok=True)
    return entry


@pytest.fixture
def on_hub(hub, monkeypatch, tmp_path):
    constants = huggingface_hub.constants
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # plain HTTP for the large files
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "home" / "token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("league.hub.connection.WAITS", (0, 0, 0))
    waits = []
    clock = SimpleNamespace(sleep=waits.append, time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr("league.hub.connection.time", clock)
    monkeypatch.setattr("huggingface_hub.utils._http.time", clock)
    hub.waits = waits
    return hub


def large_files_sent(hub):
    return [path for method, path in hub.requests if method == "PUT"]


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".pt"}


def test_an_entry_arrives_whole_and_alone(on_hub, entry, capfd):
    assert push(entry, "club/mine") == f"{on_hub.url}/club/mine"
    main, stage_a = on_hub.tree("club/mine"), on_hub.tree("club/mine", "pretrain")
    card = main.pop("README.md").decode()
    beside = {name: (entry / name).read_bytes() for name in ("record.json", "translations.txt", "report.html")}
    picture = {"plots/learning_curves.png": b"a picture"}
    assert main == files_of(entry / "finetune") | beside | picture
    assert "![learning curves](plots/learning_curves.png)" in card
    assert {"modeling_aing.py", "model.safetensors", "tokenizer.json", "generation_config.json"} <= set(main)
    del stage_a[".gitattributes"]
    card = stage_a.pop("README.md").decode()
    assert stage_a == files_of(entry / "pretrain") | {"record.json": beside["record.json"]}
    assert 'revision="pretrain"' in card and "BLEU **" not in card and "model-index" not in card
    printed = "".join(capfd.readouterr())
    assert TOKEN not in printed and f"Bearer {TOKEN}" in on_hub.tokens
    assert not any(TOKEN.encode() in content for content in on_hub.files.values())


# Runs where neither this repository nor anything but the libraries can be seen.
STRANGER = """
import hashlib, json, sys
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

told = []
for revision in ("main", "pretrain"):
    tokenizer = AutoTokenizer.from_pretrained("club/mine", revision=revision, trust_remote_code=True)
    model = AutoModelForSeq2SeqLM.from_pretrained("club/mine", revision=revision, trust_remote_code=True).eval()
    batch = tokenizer(["Ein Hund.", "Zwei Hunde laufen durch den Schnee."], padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**batch, decoder_input_ids=batch["input_ids"]).logits
    told.append([hashlib.sha256(logits.numpy().tobytes()).hexdigest(), model.generate(**batch).tolist()])
ours = ("league", "league_config", "modeling", "tools")
print(json.dumps({"told": told, "ours": [name for name in sys.modules if name.split(".")[0] in ours]}))
exec(sys.argv[1])
"""


def test_a_stranger_gets_the_same_logits_in_a_clean_process_and_the_card_runs(on_hub, entry, tmp_path):
    push(entry, "club/mine")
    (code,) = re.findall(r"```python\n(.*?)```", on_hub.files["club/mine/README.md"].decode(), re.DOTALL)
    alone = {"HF_ENDPOINT": on_hub.url, "HF_HUB_OFFLINE": "0", "PYTHONPATH": "", "HF_HOME": str(tmp_path / "away")}
    done = run([sys.executable, "-I", "-c", STRANGER, code], tmp_path, **alone)
    there, translated = done.stdout.splitlines()
    expected = []
    for stage in ("finetune", "pretrain"):
        model = AingForConditionalGeneration.from_pretrained(entry / stage).eval()
        tokenizer = AutoTokenizer.from_pretrained(entry / stage)
        batch = tokenizer(["Ein Hund.", "Zwei Hunde laufen durch den Schnee."], padding=True, return_tensors="pt")
        with torch.no_grad():
            logits = model(**batch, decoder_input_ids=batch["input_ids"]).logits
        expected.append([hashlib.sha256(logits.numpy().tobytes()).hexdigest(), model.generate(**batch).tolist()])
    assert json.loads(there) == {"told": expected, "ours": []}
    assert expected[0] != expected[1]
    assert re.fullmatch(r"\[['\"].*['\"]\]", translated)


@pytest.mark.parametrize("name, repository", [(None, "club/one"), ("mine", "club/mine"), ("us/other", "us/other")])
def test_the_repository_is_named_by_the_flag_or_the_entry(on_hub, stage_a, name, repository):
    push(stage_a, name)
    assert f'from_pretrained("{repository}"' in on_hub.files[f"{repository}/README.md"].decode()


def test_after_stage_a_alone_its_checkpoint_lies_at_the_root(on_hub, stage_a):
    push(stage_a, "club/mine")
    main = on_hub.tree("club/mine")
    card = main.pop("README.md").decode()
    assert main == files_of(stage_a / "pretrain") | {"record.json": (stage_a / "record.json").read_bytes()}
    assert "before any fine-tune" in card and "Not scored" in card and "learning_rate" in card
    assert on_hub.tree("club/mine", "pretrain")["model.safetensors"] == main["model.safetensors"]
    assert len(large_files_sent(on_hub)) == 1


def test_what_another_push_left_is_removed_and_nothing_else(on_hub, entry, request):
    push(entry, "club/mine")
    on_hub.files |= {"club/mine/LICENSE": b"mine", "club/mine/.eval_results/captions.yaml": b"of before"}
    on_hub.files["club/mine/.eval_results/other.yaml"] = b"somebody else's"
    push(request.getfixturevalue("stage_a"), "club/mine")
    left = set(on_hub.tree("club/mine"))
    assert {"LICENSE", ".eval_results/other.yaml"} <= left
    assert not left & {"translations.txt", "report.html", "plots/learning_curves.png", ".eval_results/captions.yaml"}


# ---- what may happen on the way

SERVED = ["api/repos/create", "branch/pretrain", "revision/", "validate-yaml", "preupload/main", "batch", "commit/main"]
BUSY = {"status": 503, "times": 2}


@pytest.mark.parametrize("place", SERVED)
def test_a_server_that_is_busy_twice_is_asked_again(on_hub, stage_a, place):
    on_hub.accidents = [Accident(place, **BUSY)]
    push(stage_a, "club/mine")
    assert on_hub.accidents[0].times == 0 and "record.json" in on_hub.tree("club/mine")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("place", ["api/repos/create", "PUT /large", "commit/pretrain", "commit/main"])
def test_a_connection_that_drops_midway_is_taken_up_again(on_hub, entry, place, after):
    on_hub.accidents = [Accident(place, after=after)]
    push(entry, "club/mine")
    assert on_hub.accidents[0].times == 0
    assert on_hub.tree("club/mine").keys() >= {"record.json", "model.safetensors", "README.md"}
    again = 1 if "PUT" in place else 0
    assert len(large_files_sent(on_hub)) == 2 + again


def test_the_wait_that_a_server_asks_for_is_kept(on_hub, stage_a):
    on_hub.accidents = [Accident("api/repos/create", status=429, headers={"Retry-After": "7"})]
    push(stage_a, "club/mine")
    assert on_hub.waits == [7]


def test_no_server_is_waited_for_without_end(on_hub, stage_a):
    on_hub.accidents = [Accident("api/repos/create", status=429, headers={"Retry-After": "3600"})]
    with pytest.raises(UserError, match="fewer requests"):
        push(stage_a, "club/mine")
    assert on_hub.waits == []
    on_hub.accidents = [Accident("api/repos/create", status=503, times=10**6)]
    with pytest.raises(UserError, match="503"):
        push(stage_a, "club/mine")
    assert len(on_hub.waits) == 3


def test_a_second_push_goes_on_where_the_first_one_ended(on_hub, entry):
    on_hub.accidents = [Accident("commit/main", status=500, times=10**6)]
    with pytest.raises(UserError, match="500"):
        push(entry, "club/mine")
    sent = len(large_files_sent(on_hub))
    on_hub.accidents = []
    push(entry, "club/mine")
    assert sent == len(large_files_sent(on_hub)) == 2
    requests = len(on_hub.requests)
    push(entry, "club/mine")
    assert not any("/commit/" in path or method == "PUT" for method, path in on_hub.requests[requests:])


GARBAGE = Accident("", status=200, times=10**6, content=b"<html>Sign in to this network</html>")
FAILURES = {
    "refused": ([Accident("", status=401, times=10**6)], "login"),
    "forbidden": ([Accident("", status=403, times=10**6)], "may write"),
    "forbidden to write": ([Accident("preupload", status=403, times=10**6)], "may write"),
    "too large": ([Accident("commit", status=413, times=10**6)], "size"),
    "a page to sign in to the network": ([GARBAGE], "not uploaded"),
    "garbage in a list": ([Accident("preupload", status=200, content=b"[1, 2", times=10**6)], "not uploaded"),
    "garbage of another shape": ([Accident("batch", status=200, content={"objects": 7}, times=10**6)], "Malformed"),
    "no server": (None, "no connection"),
    "offline": ([], "HF_HUB_OFFLINE"),
}


@pytest.mark.parametrize("accident", FAILURES)
def test_an_upload_that_fails_is_told_in_one_line_and_fails_nothing(on_hub, entry, monkeypatch, capfd, accident):
    on_hub.accidents, told = FAILURES[accident]
    if accident == "no server":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    elif accident == "offline":
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    options = Options(entry="one", push_to_hub=True, hub_model_id="club/mine", hub_private_repo=True)
    push_if_asked(SimpleNamespace(options=options, folder=entry))
    printed = capfd.readouterr()
    lines = [line for line in printed.err.splitlines() if line.startswith("not uploaded")]
    assert len(lines) == 1 and told in lines[0] and "club/mine" in lines[0], printed.err
    assert "uploaded:" not in printed.out and "Traceback" not in printed.err and TOKEN not in printed.err
    assert f"python -m tools.push {entry} --hub_model_id club/mine --hub_private_repo" in lines[0]
    assert not on_hub.tree("club/mine")


@pytest.mark.parametrize("login", ["variable", "file"])
def test_a_token_that_the_server_sends_back_is_hidden(on_hub, entry, monkeypatch, capfd, caplog, login):
    secret = "a-Secret.of/another+kind" if login == "file" else TOKEN
    if login == "file":
        monkeypatch.delenv("HF_TOKEN")
        Path(huggingface_hub.constants.HF_TOKEN_PATH).parent.mkdir()
        Path(huggingface_hub.constants.HF_TOKEN_PATH).write_text(secret)
    echo = {"error": f"bad token {secret}"}
    headers = {"X-Error-Message": f"Bearer {secret} is bad", "X-Request-Id": secret}
    errors = []
    for status in (400, 401, 403, 409, 500):
        for place in ("create", "preupload", "commit"):
            on_hub.accidents = [Accident(place, status=status, times=10**6, content=echo, headers=headers)]
            with pytest.raises(UserError) as error:
                push(entry, f"club/{place}{status}")
            errors.append(error.value)
    warning = {"errors": [], "warnings": [{"message": f"look, {secret}"}]}
    told = {"url": f"{on_hub.url}/club/{secret.replace('/', '')}", "name": "x", "id": "x"}
    on_hub.accidents = [
        Accident("validate-yaml", status=200, times=10**6, content=warning),
        Accident("create", status=200, content=told),
    ]
    on_hub.files |= {f"club/{secret.replace('/', '')}/x": b""}
    try:
        print(push(entry, "club/mine"))
    except UserError as error:
        errors.append(error)
    assert f"Bearer {secret}" in on_hub.tokens
    printed = "".join(capfd.readouterr()) + caplog.text + "".join(map(repr, errors)) + "".join(map(str, errors))
    assert secret not in printed and "***" in printed
    assert all(error.__cause__ is None and error.__suppress_context__ for error in errors)


def test_a_token_that_is_cut_is_not_shown_in_part(on_hub, stage_a):
    for length in range(150, 320, 3):
        on_hub.accidents = [Accident("create", status=400, content={"error": "x" * length + TOKEN})]
        with pytest.raises(UserError) as error:
            push(stage_a, "club/mine")
        assert "hf_" not in str(error.value)


def test_a_server_without_xet_is_told_how_to_be_used(on_hub, stage_a, monkeypatch):
    pytest.importorskip("hf_xet")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", False)
    with pytest.raises(UserError, match="HF_HUB_DISABLE_XET=1") as error:
        push(stage_a, "club/mine")
    assert TOKEN not in str(error.value) and on_hub.waits == []


def test_private_is_the_users_choice(on_hub, stage_a):
    push(stage_a, "club/secret", private=True)
    push(stage_a, "club/usual")
    assert on_hub.private == {"club/secret"}
    assert "visibility" not in json.loads(on_hub.asked[-1])  # as the account has it
    with pytest.raises(UserError, match="public"):
        push(stage_a, "club/usual", private=True)
    push(stage_a, "club/secret")
    assert on_hub.private == {"club/secret"}


def test_only_what_was_recorded_goes_up(on_hub, entry):
    accidents = {
        "finetune/model.safetensors is not the file": lambda: (entry / "finetune/model.safetensors").write_bytes(b"x"),
        "pretrain/config.json is missing": lambda: (entry / "pretrain/config.json").unlink(),
        "translations.txt is not the file": lambda: (entry / "translations.txt").write_text("better ones"),
        "holds no record.json": lambda: (entry / "record.json").unlink(),
    }
    copies = {path: path.read_bytes() for path in entry.rglob("*") if path.is_file() and not path.is_symlink()}
    for told, happen in accidents.items():
        happen()
        with pytest.raises(UserError, match=told):
            push(entry, "club/mine")
        for path, content in copies.items():
            path.write_bytes(content)
    record = json.loads((entry / "record.json").read_text())
    (entry / "record.json").write_text(json.dumps(record | {"stages": {}}))
    with pytest.raises(UserError, match="no complete pretrain stage"):
        push(entry, "club/mine")
    assert not on_hub.requests


def test_without_a_login_the_run_does_not_begin(on_hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UserError, match="no login"):
        check_options(Options(entry="first", push_to_hub=True))


# ---- the card and the results


@pytest.fixture
def record(played):
    return read_record(played / "runs" / "one" / "record.json")


def from_the_hub(record):
    """Return the record as if its league were on the Hub's data."""
    record.league.fixed, record.league.name = AING.fixed(), "aing"
    parts = {"captions": "multi30k", "talks": "iwslt2017"}
    data = {}
    for name, facts in record.data.items():
        corpus, _, split = name.partition(".")
        data[f"{parts[corpus]}.{split}"] = replace(facts, origin="hub")
    return replace(record, data=data)


def test_the_card_says_what_is_known(record):
    data = huggingface_hub.ModelCard(model_card(record, "club/mine")).data
    assert (data.language, data.library_name, data.pipeline_tag) == (["de", "en"], "transformers", "translation")
    assert data.get("datasets") is None
    results = {result.metric_type: result.metric_value for result in data.eval_results}
    assert results == {"bleu": round(record.score.value, 2), "chrf": round(record.score.extras["chrf"], 2)}
    text = model_card(record, "club/mine")
    for name in ("d_model", "nhead", "learning_rate", "lr_scheduler_type"):
        assert f"| {name} | {record.asked[name]} |" in text
    assert "Verdict: official" in text and "`tiny` league, version 1, with seed 1" in text
    assert record.score.signature in text


def test_the_card_of_the_real_league_names_its_data(record):
    text = model_card(from_the_hub(record), "club/mine")
    data = huggingface_hub.ModelCard(text).data
    assert data.datasets == ["bentrevett/multi30k", "IWSLT/iwslt2017"]
    assert {result.dataset_type for result in data.eval_results} == {"bentrevett/multi30k"}
    assert "non-commercial research" in text and "CC BY-NC-ND 3.0" in text


def test_the_card_owns_up_to_what_is_open_and_stays_a_table(record):
    rule = BrokenRule("fixed.batch_size", 64, "a | b <script>alert(1)</script>")
    text = model_card(replace(record, official=False, broken_rules=[rule]), "club/mine")
    assert "Verdict: open, not ranked" in text and "batch_size" in text and "<script" not in text


def test_results_are_given_where_the_test_set_lies_on_the_hub_and_nowhere_else(record):
    assert eval_results(record, "club/mine") == {}
    real = from_the_hub(record)
    ((path, content),) = eval_results(real, "club/mine").items()
    (entry,) = huggingface_hub.parse_eval_result_entries(yaml.safe_load(content))
    assert path == ".eval_results/multi30k.yaml"
    assert (entry.dataset_id, entry.task_id) == ("bentrevett/multi30k", "translation_de_en")
    assert entry.value == round(record.score.value, 2) and "club/mine" in entry.source_url
    real.data["multi30k.test"].origin = "files"
    assert eval_results(real, "club/mine") == {}
    assert "datasets" not in huggingface_hub.ModelCard(model_card(record, "club/mine")).data.to_dict()


# ---- coming down again


def test_a_checkpoint_comes_down_as_data_alone_and_is_there_without_network(on_hub, entry, monkeypatch):
    push(entry, "club/mine")
    requests = len(on_hub.requests)
    folder = fetch("club/mine")
    data = {name: content for name, content in files_of(entry / "finetune").items() if not name.endswith(".py")}
    beside = {name: (entry / name).read_bytes() for name in ("record.json", "translations.txt")}
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == data | beside
    assert not any(path.is_symlink() for path in folder.iterdir())
    assert not any(path.endswith((".py", ".html", ".png")) for _, path in on_hub.requests[requests:])
    model, tokenizer = task_of(TINY).load_checkpoint(folder)
    assert len(tokenizer) == model.config.vocab_size
    stage_a = fetch("club/mine", "pretrain")
    assert (stage_a / "model.safetensors").read_bytes() == (entry / "pretrain/model.safetensors").read_bytes()

    on_hub.status = 503
    assert fetch("club/mine") == folder and fetch("club/mine", "pretrain") == stage_a
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert fetch("club/mine") == folder


def test_a_download_that_drops_goes_on(on_hub, entry):
    push(entry, "club/mine")
    on_hub.accidents = [Accident("GET .*resolve/.*/model.safetensors", after=True)]
    folder = fetch("club/mine")
    assert on_hub.accidents[0].times == 0
    assert (folder / "model.safetensors").read_bytes() == (entry / "finetune/model.safetensors").read_bytes()


def test_what_cannot_be_fetched_is_told(on_hub, entry, monkeypatch):
    push(entry, "club/mine")
    for told, name, revision in (
        ("no such repository", "club/none", None),
        ("no such repository, file or revision", "club/mine", "v7"),
        ("say whose it is", "mine", None),
        ("Hub id", "club/../mine", None),
    ):
        with pytest.raises(UserError, match=told) as error:
            fetch(name, revision)
        assert "\n" not in str(error.value) and len(str(error.value)) < 500
    tree = {f"club/bert/{name}": content for name, content in on_hub.tree("club/mine").items()}
    on_hub.files |= {name: content for name, content in tree.items() if "tokenizer.json" not in name}
    with pytest.raises(UserError, match="holds no tokenizer.json"):
        fetch("club/bert")
    monkeypatch.setattr("league.hub.transfer.MAX_BYTES", {".safetensors": 10, ".json": 10**7, ".txt": 10**7})
    with pytest.raises(UserError, match=r"model.safetensors has [\d,]+ bytes"):
        fetch("club/mine")
    for sha in ("../../../away", "main", None):
        on_hub.accidents = [Accident("revision/main", status=200, content={"id": "club/mine", "sha": sha})]
        with pytest.raises(UserError, match="no commit"):
            fetch("club/mine")


def play(folder, hub, *words):
    online = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1"}
    return run(command(*words), folder, **online)


def record_of(folder, name):
    return json.loads((folder / "runs" / name / "record.json").read_text())


def test_both_stages_can_be_taken_over_from_the_hub_for_what_they_cost(on_hub, entry, tmp_path, monkeypatch):
    before = record_of(tmp_path, "one") | {"trials": 7}
    before["clock"]["spent"]["trials"] = 0.5
    before["clock"]["minutes"] += 0.5
    (entry / "record.json").write_text(json.dumps(before))
    push(entry, "club/mine")
    for name in ("club/mine", "club/mine@pretrain"):  # whatever the code there does, it is not run
        on_hub.files[f"{name}/modeling_aing.py"] = b"raise SystemExit('this code was run')"
    requests = len(on_hub.requests)

    play(tmp_path, on_hub, "train_finetune", "--entry", "two", "--warmup_steps", "2", "--pretrained", "club/mine")
    after = record_of(tmp_path, "two")
    assert after["stages"]["pretrain"] == before["stages"]["pretrain"] | {"reused": True}
    same = ("sha256", "order", "started_from")
    assert all(after["stages"]["finetune"][key] == before["stages"]["finetune"][key] for key in same)
    assert after["trials"] == 7 and after["clock"]["spent"]["trials"] == 0.5
    assert after["clock"]["spent"]["pretrain"] == before["clock"]["spent"]["pretrain"]
    assert after["broken_rules"] == []

    play(tmp_path, on_hub, "evaluate_bleu", "--entry", "three", "--finetuned", "club/mine")
    scored = record_of(tmp_path, "three")
    assert scored["score"]["value"] == before["score"]["value"] and scored["official"], scored["broken_rules"]
    assert scored["test_openings"] == before["test_openings"] + 1 and scored["trials"] == 7
    assert all(scored["clock"]["spent"][stage] >= before["clock"]["spent"][stage] for stage in ("pretrain", "finetune"))
    assert not any(path.endswith(".py") for _, path in on_hub.requests[requests:])
    requests = len(on_hub.requests)
    monkeypatch.chdir(tmp_path)  # the same command again needs no network
    takeover.reuse(Entry(Options(league="tiny", entry="three")), "--finetuned", "club/mine", "pretrain", "finetune")
    assert len(on_hub.requests) == requests and record_of(tmp_path, "three") == scored


def test_what_cannot_be_taken_over_from_the_hub_is_told(on_hub, entry, tmp_path, monkeypatch):
    push(entry, "club/mine")
    monkeypatch.chdir(tmp_path)
    for seed, name, told in ((2, "club/mine", "say --seed 1"), (1, "club/none", "no such repository")):
        with pytest.raises(UserError, match=told):
            takeover.reuse(
                Entry(TrainingOptions(league="tiny", entry="x", seed=seed)), "--pretrained", name, "pretrain"
            )
    on_hub.files["club/mine@pretrain/model.safetensors"] = (entry / "finetune" / "model.safetensors").read_bytes()
    with pytest.raises(UserError, match="not the one that its record describes"):
        takeover.reuse(
            Entry(TrainingOptions(league="tiny", entry="x")), "--finetuned", "club/mine", "pretrain", "finetune"
        )
    assert record_of(tmp_path, "x")["stages"] == {} and not (tmp_path / "runs" / "x" / "pretrain").exists()


def test_code_of_another_version_gives_way_to_this_ones(record):
    facts = record.stages["finetune"]
    assert with_own_code(facts) == facts
    old = {"modeling_aing.py": "0" * 64, "older_aing.py": "1" * 64}
    data = {name: digest for name, digest in facts.sha256.items() if not name.endswith(".py")}
    renewed = with_own_code(replace(facts, sha256=data | old, started_from=data | old))
    assert renewed.sha256 == renewed.started_from and "older_aing.py" not in renewed.sha256
    assert renewed.sha256.items() >= facts.sha256.items()


# ---- handing in


def test_an_entry_is_handed_in_with_all_that_its_proof_takes(on_hub, entry, tmp_path):
    on_hub.repositories.add("datasets/club/entries")
    on_hub.files["datasets/club/entries/ones/record.json"] = b"of somebody else"
    assert hand_in(entry, "club/entries") == f"{on_hub.url}/datasets/club/entries/tree/main/one"
    tree = on_hub.tree("datasets/club/entries")
    assert tree.pop("ones/record.json") == b"of somebody else"
    for name, content in tree.items():
        (tmp_path / "board" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "board" / name).write_bytes(content)
    arrived = tmp_path / "board" / "one"
    assert read_whole_entry(arrived) == read_record(tmp_path / "runs" / "one" / "record.json")
    assert (arrived / "clock.json").read_bytes() == (entry / "clock.json").read_bytes()
    assert not [path for path in arrived.rglob("*") if path.suffix in (".pt", ".html", ".png")]

    sent = len(large_files_sent(on_hub))
    hand_in(entry, "club/entries")
    assert len(large_files_sent(on_hub)) == sent


def test_who_may_not_write_hands_in_by_a_pull_request(on_hub, entry):
    on_hub.repositories.add("datasets/club/entries")
    on_hub.read_only.add("datasets/club/entries")
    assert hand_in(entry, "club/entries") == f"{on_hub.url}/datasets/club/entries/discussions/1"
    assert on_hub.tree("datasets/club/entries") == {}
    assert "one/record.json" in on_hub.tree("datasets/club/entries", "refs/pr/1")


def test_nobody_elses_entry_is_overwritten_unasked(on_hub, entry):
    on_hub.files["datasets/club/entries/one/record.json"] = b"of somebody else"
    on_hub.files["datasets/club/entries/one/old.txt"] = b"of before"
    with pytest.raises(UserError, match="another entry 'one'"):
        hand_in(entry, "club/entries")
    assert on_hub.files["datasets/club/entries/one/record.json"] == b"of somebody else"
    hand_in(entry, "club/entries", replace=True)
    assert on_hub.files["datasets/club/entries/one/record.json"] == (entry / "record.json").read_bytes()
    assert "datasets/club/entries/one/old.txt" not in on_hub.files


def test_what_is_not_scored_is_not_handed_in(on_hub, stage_a, tmp_path):
    on_hub.repositories.add("datasets/club/entries")
    with pytest.raises(UserError, match="no score yet"):
        hand_in(stage_a, "club/entries")
    with pytest.raises(UserError, match="no score yet"):
        write_zip(stage_a, tmp_path / "mine.zip")
    assert not on_hub.requests and not (tmp_path / "mine.zip").exists()


def test_a_zip_holds_the_same_as_a_board(entry, tmp_path):
    path = write_zip(entry, tmp_path / "mine.zip")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
        names = archive.namelist()
    assert read_whole_entry(tmp_path / "unpacked" / "one") == read_record(tmp_path / "runs" / "one" / "record.json")
    assert set(names) == set(files_to_hand_in(entry))
    assert write_zip(entry, tmp_path / "again.zip").read_bytes() == path.read_bytes()
    for wrong in ("mine.tar", "none/mine.zip"):
        with pytest.raises(UserError, match="mine"):
            write_zip(entry, tmp_path / wrong)
    assert sorted(path.name for path in tmp_path.glob("*mine*")) == ["mine.zip"]


def test_the_command_ends_with_one_line(on_hub, entry, tmp_path):
    words = [sys.executable, "-m", "tools.push", str(entry)]
    away = {"HF_ENDPOINT": on_hub.url, "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_XET": "1"}
    done = run([*words, "--hub_model_id", "club/mine", "--zip", "x.zip"], tmp_path, **away)
    assert done.stdout.splitlines() == ["written: x.zip", f"uploaded: {on_hub.url}/club/mine"]
    on_hub.status = 401
    done = run([*words, "--board", "club/entries"], tmp_path, expect=2, **away)
    assert len(done.stderr.strip().splitlines()) == 1 and "not handed in to club/entries" in done.stderr
    for wrong in (["--hub_model_id", "a/b/c"], ["--board", "entries"], ["--zip", "x.tar"]):
        done = run([*words, *wrong], tmp_path, expect=2, **away)
        assert len(done.stderr.strip().splitlines()) == 1 and wrong[0] in done.stderr


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--zip", "x.zip", "--replace"], "--replace: only goes with --board"),
        (["--board", "club/entries", "--hub_private_repo"], "--hub_private_repo: .* --hub_model_id"),
    ],
)
def test_a_flag_that_would_do_nothing_is_refused(entry, flags, told):
    with pytest.raises(UserError, match=told):
        push_command([str(entry), *flags])
