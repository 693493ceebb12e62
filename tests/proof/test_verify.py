"""Proving a record: a sound entry is proven, and every forgery is caught, by the check that is meant for it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from conftest import SMALL
from deck import judged
from play import TINY, play
from safetensors.torch import load_file, save_file

from league.data.corpora import load_split
from league.errors import NotAtHand, UserError
from league.files import digest_of, digests_of
from league.proof import checks as proof
from league.proof.data import DataAtHand
from league.record import rules
from league.tasks.scoring import score
from league.tasks.task import task_of
from modeling import train_tokenizer
from tools import verify


@pytest.fixture
def entry(played, tmp_path) -> Path:
    """A copy of a sound entry, to forge."""
    shutil.copytree(played / "runs" / "one", tmp_path / "one")
    return tmp_path / "one"


def refuted(folder: Path) -> dict[str, str]:
    """Return the checks that fail, with their reasons."""
    found = {check.name: "; ".join(check.problems) for check in proof.checks(folder, DataAtHand(None))}
    return {name: problems for name, problems in found.items() if problems}


@contextmanager
def forged(folder: Path) -> Iterator[dict]:
    """Change a record as a forger with an editor would, and bring its verdict and fingerprint up to date."""
    path = folder / "record.json"
    record = json.loads(path.read_text())
    yield record
    path.write_text(json.dumps(judged(record)))


def rehash(folder: Path) -> None:
    """Enter the digests of today's files into the record, wherever it holds them."""
    with forged(folder) as record:
        for stage in ("pretrain", "finetune"):
            record["stages"][stage]["sha256"] = digests_of(folder / stage)
        record["stages"]["finetune"]["started_from"] = digests_of(folder / "pretrain")
        record["score"]["weights"] = digests_of(folder / "finetune")
        record["score"]["sha256"] = {"translations.txt": digest_of(folder / "translations.txt")}


def test_a_sound_entry_is_proven_and_left_as_it_was(entry, capsys):
    before = digests_of(entry) | digests_of(entry / "finetune")
    verify.main([str(entry)])
    assert capsys.readouterr().out.splitlines()[-1].startswith("PROVEN: one, BLEU ")
    assert digests_of(entry) | digests_of(entry / "finetune") == before


def test_rehashing_alone_changes_nothing(entry):
    rehash(entry)
    assert refuted(entry) == {}


@pytest.mark.parametrize("name", ["value", "chrf", "brevity_penalty"])
def test_a_changed_score_is_caught(entry, name):
    with forged(entry) as record:
        (record["score"] if name == "value" else record["score"]["extras"])[name] += 5
    found = refuted(entry)
    assert list(found) == ["the score is that of the translations"] and f"{name} is" in found.popitem()[1]


def test_a_changed_interval_is_caught(entry):
    with forged(entry) as record:
        record["score"]["interval"] = [0.0, 99.0]
    assert "interval is" in refuted(entry)["the score is that of the translations"]


def test_a_hidden_broken_rule_is_caught(entry):
    record = json.loads((entry / "record.json").read_text())
    record["clock"]["minutes"] = 999.0
    (entry / "record.json").write_text(json.dumps(record))
    told = refuted(entry)["the verdict follows from the rules"]
    assert "The clock stands at 999 minutes; no more than 5 can be." in told


def test_an_invented_verdict_is_caught(entry):
    record = json.loads((entry / "record.json").read_text())
    record |= {"official": False, "broken_rules": [{"rule": "style", "expected": 1, "found": 2}]}
    (entry / "record.json").write_text(json.dumps(record))
    told = refuted(entry)["the verdict follows from the rules"]
    assert "does not break: style" in told and "calls itself open" in told


def test_an_open_record_that_owns_up_is_proven_open(entry, capsys):
    with forged(entry) as record:
        record["score"]["decoding"]["top_k"] = 3
    verify.main([str(entry)])
    assert capsys.readouterr().out.splitlines()[-1].endswith("open.")


def test_a_changed_hyperparameter_is_caught(entry):
    record = json.loads((entry / "record.json").read_text())
    record["asked"]["learning_rate"] = 3e-5
    (entry / "record.json").write_text(json.dumps(record))
    assert "finetune.learning_rate" in refuted(entry)["the verdict follows from the rules"]


def test_a_record_without_a_seed_or_a_stage_is_refuted_and_not_stumbled_over(entry, capsys):
    with forged(entry) as record:
        del record["asked"]["seed"]
    assert "names no seed" in refuted(entry)["the order of the data is the seed's"]
    with forged(entry) as record:
        record["asked"]["seed"] = 1
        del record["stages"]["pretrain"]
    with pytest.raises(SystemExit):
        verify.main([str(entry)])
    assert "the record has no pretrain stage" in capsys.readouterr().out


def test_values_that_no_script_takes_are_refuted_before_anything_is_made_of_them(entry, monkeypatch):
    """A million layers, or ten thousand million steps: the organiser's memory must not hold them."""
    monkeypatch.setattr(proof, "_order", lambda *_: pytest.fail("no order is drawn for them"))
    with forged(entry) as record:
        record["asked"]["num_layers"] = 10**6
    assert "pretrain: values with which" in refuted(entry)["the scripts take its values"]
    path = entry / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"broken_rules": []}))
    assert "the scripts take its values" in refuted(entry)


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 1e30])
def test_weights_that_cannot_be_are_refuted(entry, factor):
    path = entry / "finetune" / "model.safetensors"
    save_file({name: part * factor for name, part in load_file(path).items()}, path)
    rehash(entry)
    assert "the weights give the recorded translations" in refuted(entry)


def test_another_structure_all_through_the_record_is_caught(entry):
    with forged(entry) as record:
        record["asked"] |= {"d_ff": 32, "nhead": 1}
        for stage in record["stages"].values():
            fewer = task_of(TINY).num_parameters({"d_model": 32, "num_layers": 1, "d_ff": 32})
            stage["effective"] |= {"d_ff": 32, "nhead": 1, "num_parameters": fewer}
    told = refuted(entry)["the weights have the structure"]
    assert "d_ff is 64 in the checkpoint, 32 in the record" in told and "nhead is 2" in told


def test_another_seed_all_through_the_record_is_caught(entry):
    with forged(entry) as record:
        record["asked"]["seed"] = 7
        for stage in record["stages"].values():
            stage["effective"]["seed"] = 7
    assert list(refuted(entry)) == ["the order of the data is the seed's"]


@pytest.mark.parametrize("key", ["tokens", "sentences_cut"])
def test_other_training_data_than_told_are_caught(entry, key):
    with forged(entry) as record:
        record["stages"]["finetune"][key] += 1
    assert f"finetune: {key}" in refuted(entry)["the order of the data is the seed's"]


def other_weights(entry: Path) -> None:
    weights = load_file(entry / "finetune" / "model.safetensors")
    other = {name: value * 1.5 for name, value in weights.items()}
    save_file(other, entry / "finetune" / "model.safetensors", {"format": "pt"})


def test_a_swapped_checkpoint_is_caught_by_its_digest(entry):
    other_weights(entry)
    assert (
        "finetune/model.safetensors is not the file" in refuted(entry)["the files are those that the record describes"]
    )


def test_a_swapped_checkpoint_is_caught_by_its_translations(entry):
    other_weights(entry)
    rehash(entry)
    found = refuted(entry)
    assert list(found) == ["the weights give the recorded translations"] and "come out otherwise" in found.popitem()[1]


def test_edited_translations_are_caught_by_their_digest_and_the_score(entry):
    path = entry / "translations.txt"
    path.write_text("\n".join(["A man."] * 25) + "\n")
    found = refuted(entry)
    assert "translations.txt is not the file" in found["the files are those that the record describes"]
    assert "the score is that of the translations" in found and "the weights give the recorded translations" in found


def test_edited_translations_with_their_true_score_are_caught_by_the_weights(entry):
    test = load_split(TINY, TINY.pretrain.corpus, "test", None)
    (entry / "translations.txt").write_text("\n".join(test.targets) + "\n")
    rehash(entry)
    with forged(entry) as record:
        record["score"] |= score(TINY, test.targets, test.targets)
    found = refuted(entry)
    assert list(found) == ["the weights give the recorded translations"]
    assert "the record says 100.00" in found.popitem()[1]


def test_too_few_translations_are_caught(entry):
    lines = (entry / "translations.txt").read_text().splitlines()
    (entry / "translations.txt").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(SystemExit) as end:
        verify.main([str(entry)])
    assert end.value.code == 1


def test_a_foreign_tokenizer_is_caught(entry):
    talks = load_split(TINY, TINY.finetune.corpus, "train", None)
    foreign = train_tokenizer([*talks.sources, *talks.targets], TINY.vocab_size, TINY.max_length)
    for stage in ("pretrain", "finetune"):
        foreign.save_pretrained(entry / stage)
    rehash(entry)
    assert (
        "tokenizer.json is not what the training data give"
        in refuted(entry)["the tokenizer is that of the training data"]
    )


def test_other_data_are_caught(entry):
    with forged(entry) as record:
        record["data"]["captions.train"]["sha256"] = "0" * 64
    told = refuted(entry)["the data are those that it was trained and scored on"]
    assert "captions.train: sha256" in told


def test_what_a_file_manager_has_left_refutes_nobody(entry):
    (entry / "finetune/.DS_Store").write_bytes(b"opened in a file manager")
    (entry / "pretrain/.ipynb_checkpoints").mkdir()
    assert not refuted(entry)


def test_a_clock_that_was_turned_back_is_caught(entry):
    clock = json.loads((entry / "clock.json").read_text())
    clock["spent"]["pretrain"] += 60
    (entry / "clock.json").write_text(json.dumps(clock))
    assert "pretrain took" in refuted(entry)["the clock is the record's"]


@pytest.mark.parametrize(
    "name",
    ["record.json", "clock.json", "translations.txt", "pretrain/model.safetensors", "finetune/model.safetensors",
     "finetune/config.json", "finetune/tokenizer.json", "finetune/generation_config.json",
     "pretrain/tokenizer_config.json"],
)  # fmt: skip
@pytest.mark.parametrize("accident", ["missing", "a link", "empty"])
def test_a_missing_or_damaged_file_is_caught(entry, name, accident, capsys):
    path = entry / name
    kept = path.rename(path.with_name("kept"))
    if accident == "a link":
        path.symlink_to(kept)
    elif accident == "empty":
        path.write_bytes(b"")
        kept.unlink()
    else:
        kept.unlink()
    with pytest.raises((SystemExit, UserError)) as end:
        verify.main([str(entry)])
    told = capsys.readouterr().out + str(end.value)
    assert Path(name).name in told and "PROVEN" not in told


def test_a_file_too_many_is_caught(entry):
    (entry / "finetune" / "pytorch_model.bin").write_bytes(b"x")
    assert "pytorch_model.bin is there" in refuted(entry)["the files are those that the record describes"]


def test_nothing_of_the_entry_is_run(entry, tmp_path):
    """Code beside the weights, a map to it and a pickle: none of it comes to life."""
    mark = tmp_path / "was_here"
    evil = f"open({str(mark)!r}, 'w')\n"
    for path in (entry / "finetune").glob("*.py"):
        path.write_text(evil + path.read_text())

    class Bomb:
        def __reduce__(self):
            return open, (str(mark), "w")

    torch.save(Bomb(), entry / "finetune" / "pytorch_model.bin")
    torch.save(Bomb(), entry / "finetune" / "training_args.bin")
    rehash(entry)
    assert refuted(entry) == {} and not mark.exists()
    (entry / "finetune" / "model.safetensors").unlink()
    rehash(entry)
    with pytest.raises(UserError, match="not a usable checkpoint"):
        refuted(entry)
    assert not mark.exists()


@pytest.mark.long
def test_trained_anew_it_comes_to_the_same_weights(entry, replayed_as_tiny, capsys):
    verify.main([str(entry), "--retrain"])
    out = capsys.readouterr().out
    assert "the weights are the same to the last bit" in out and "PROVEN" in out


@pytest.mark.long
def test_a_hyperparameter_changed_all_through_the_record_is_caught_by_training_anew(entry, replayed_as_tiny, capsys):
    """The quick checks cannot see it: the record is of one piece, and the weights are those that it describes."""
    with forged(entry) as record:
        record["asked"]["learning_rate"] = 5e-5
        effective = record["stages"]["finetune"]["effective"]
        effective["learning_rate"] = 5e-5
        for point in record["stages"]["finetune"]["curve"]:
            point["learning_rate"] = rules.scheduled_rate(effective, point["step"])
    assert refuted(entry) == {}
    with pytest.raises(SystemExit) as end:
        verify.main([str(entry), "--retrain"])
    out = capsys.readouterr().out
    assert end.value.code == 2 and "NOT PROVEN" in out and "the weights differ" in out


def test_an_entry_that_cannot_be_judged_here_hides_no_other(entry, tmp_path, monkeypatch, capsys):
    shutil.copytree(entry, tmp_path / "two")
    unknown, known = NotAtHand("its data are not here."), [proof.checks(entry, DataAtHand(None)) for _ in range(2)]
    monkeypatch.setattr(proof, "checks", Mock(side_effect=[unknown, known[0], unknown, known[1]]))
    with pytest.raises(SystemExit) as end:
        verify.main([str(tmp_path / "two"), str(entry)])
    out = capsys.readouterr().out
    assert end.value.code == 2 and "two, its data are not here.\n" in out and "\nPROVEN: one" in out
    (entry / "translations.txt").write_text("")
    with pytest.raises(SystemExit) as end:
        verify.main([str(tmp_path / "two"), str(entry)])
    assert end.value.code == 1


def test_an_entry_without_a_score_has_nothing_to_prove(played, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    play("train_pretrain", "--entry", "begun", *SMALL)
    with pytest.raises(UserError, match="no score yet"):
        verify.main(["runs/begun"])


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_what_is_no_entry_is_told(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="not the folder of an entry"):
        verify.main([folder])
