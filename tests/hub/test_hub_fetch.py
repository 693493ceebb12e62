"""A checkpoint comes down from the Hub again, and what was trained there is taken over."""

import json

import huggingface_hub
import pytest
from conftest import command, run
from hub_entry import files_of
from hub_server import Accident
from msgspec.structs import replace
from play import TINY
from played_copy import record_of

from league.errors import UserError
from league.hub.transfer import fetch, push
from league.record.folder import with_own_code
from league.run import takeover
from league.run.entry import Entry
from league.tasks.task import task_of
from league.values import Options, TrainingOptions

pytest_plugins = "hub_entry"


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


def test_a_model_that_generates_nothing_comes_down_and_so_does_the_name_of_a_given_one(on_hub, entry):
    push(entry, "club/mine")
    tree = on_hub.tree("club/mine")
    on_hub.files |= {f"club/reader/{name}": tree[name] for name in tree if name != "generation_config.json"}
    assert {"model.safetensors", "record.json"} <= {path.name for path in fetch("club/reader").iterdir()}
    on_hub.files |= {"club/given/checkpoint.json": b"{}", "club/given/record.json": tree["record.json"]}
    assert {path.name for path in fetch("club/given").iterdir() if path.is_file()} == {"checkpoint.json", "record.json"}


def test_a_download_that_drops_goes_on(on_hub, entry):
    push(entry, "club/mine")
    on_hub.accidents = [Accident("GET .*resolve/.*/model.safetensors", after=True)]
    folder = fetch("club/mine")
    assert on_hub.accidents[0].times == 0
    assert (folder / "model.safetensors").read_bytes() == (entry / "finetune/model.safetensors").read_bytes()


def test_for_strangers_a_model_comes_as_it_would_to_them_and_up_to_a_size(on_hub, entry, monkeypatch):
    push(entry, "club/mine")
    monkeypatch.setattr("huggingface_hub.utils._headers.get_token", lambda: "hf_of_the_host")
    on_hub.tokens.clear()
    fetch("club/mine", anonymous=True)
    assert on_hub.tokens == {""}
    with pytest.raises(UserError, match="here up to 1,000 are fetched"):
        fetch("club/mine", most_bytes=1000, anonymous=True)


def test_what_the_host_has_fetched_with_a_login_is_not_for_strangers(on_hub, entry):
    push(entry, "club/private")
    mine = fetch("club/private")
    on_hub.status = 503
    assert fetch("club/private") == mine
    with pytest.raises(UserError, match="cannot fetch club/private"):
        fetch("club/private", anonymous=True)


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


@pytest.mark.long
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
    assert not any((tmp_path / "runs" / "x" / name).exists() for name in ("record.json", "pretrain"))


def test_code_of_another_version_gives_way_to_this_ones(record):
    facts = record.stages["finetune"]
    assert with_own_code(facts) == facts
    old = {"modeling_aing.py": "0" * 64, "older_aing.py": "1" * 64}
    data = {name: digest for name, digest in facts.sha256.items() if not name.endswith(".py")}
    renewed = with_own_code(replace(facts, sha256=data | old, started_from=data | old))
    assert renewed.sha256 == renewed.started_from and "older_aing.py" not in renewed.sha256
    assert renewed.sha256.items() >= facts.sha256.items()
