"""The documents are true: their commands parse, their links lead somewhere, their make targets exist."""

import re
import shlex

import pytest
from conftest import ROOT

from evaluate_bleu import ScoreOptions
from league.options import Options, check_finetune_hp, check_model_hp, parse_options
from league_config import AING, FinetuneHP, ModelHP

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.py")), ROOT / "Makefile"]
COMMAND = re.compile(r"\b(train_pretrain|train_finetune|evaluate_bleu)\.py((?: +--\w+(?: +[\w./-]+)?)*)")
KINDS = {"train_pretrain": ModelHP, "train_finetune": FinetuneHP, "evaluate_bleu": ScoreOptions}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_parse(path):
    for script, flags in COMMAND.findall(path.read_text(encoding="utf-8")):
        _, values = parse_options("", Options, KINDS[script], argv=shlex.split(flags))
        if script == "train_pretrain":
            check_model_hp(values)
        elif script == "train_finetune":
            check_finetune_hp(values, AING.finetune.arguments["max_steps"])


def test_the_readme_shows_the_three_commands():
    commands = dict(COMMAND.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert set(commands) == set(KINDS)


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.suffix == ".md"], ids=lambda path: path.name)
def test_links_and_targets_exist(path):
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / link).exists(), link
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?\bmake ([a-z-]+)\b`", text)) | set(re.findall(r"^make ([a-z-]+)", text, re.M)) <= targets


def test_the_readme_names_every_tuned_value():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for kind in (ModelHP, FinetuneHP):
        for name in kind.__dataclass_fields__:
            assert f"`--{name}`" in text


def test_the_readmes_table_of_paths_is_complete():
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([\w./]+)`", row)}
    parts = {path.name for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts <= named
