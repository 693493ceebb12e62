"""An entry goes up to the Hub: whole, alone, and so that a stranger can use it."""

import hashlib
import json
import re
import sys

import pytest
import torch
from conftest import run
from hub_entry import TOKEN, files_of, large_files_sent
from transformers import AutoTokenizer

from league.errors import UserError
from league.hub.transfer import push
from league.values import Options, check_options
from modeling import AingForConditionalGeneration

pytest_plugins = "hub_entry"


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
