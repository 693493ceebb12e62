"""The documents are true: their commands parse, their links lead somewhere, their make targets exist."""

import json
import re
import shlex
import statistics
from dataclasses import asdict

import pytest
from conftest import ROOT

from evaluate_bleu import ScoreOptions
from league.comparison import Comparison
from league.options import Options, TrainingOptions, check_finetune_hp, check_model_hp, parse_options
from league_config import AING, FinetuneHP, ModelHP
from train_finetune import FinetuneOptions

SOURCES = [*sorted(ROOT.glob("*.py")), *sorted(ROOT.glob("tools/*.py"))]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *SOURCES, ROOT / "Makefile"]
COMMAND = re.compile(r"\b(train_pretrain|train_finetune|evaluate_bleu)\.py((?: +--\w+(?: +[\w./-]+)?)*)")
TOOL = re.compile(r"\bpython -m tools\.([a-z]\w*)((?: +[\w./-]+)*)")
KINDS = {
    "train_pretrain": (TrainingOptions, ModelHP),
    "train_finetune": (FinetuneOptions, FinetuneHP),
    "evaluate_bleu": (Options, ScoreOptions),
}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_parse(path, tmp_path):
    best = tmp_path / "best.json"
    values = {"model_hp": asdict(ModelHP()), "finetune_hp": asdict(FinetuneHP())}
    best.write_text(json.dumps({"league": "aing", "seed": 1, **values, "trials": 1, "minutes": 1.0}))
    for script, flags in COMMAND.findall(path.read_text(encoding="utf-8")):
        flags = re.sub(r"--from \S+/best\.json", f"--from {best}", flags)
        _, values = parse_options("", *KINDS[script], argv=shlex.split(flags))
        if script == "train_pretrain":
            check_model_hp(values)
        elif script == "train_finetune":
            check_finetune_hp(values, AING.finetune.arguments["max_steps"])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_tools_exist_and_have_these_flags(path):
    for name, words in TOOL.findall(path.read_text(encoding="utf-8")):
        files = [ROOT / "tools" / f"{name}.py", *(ROOT / "tools" / name).glob("*.py")]
        source = "".join(file.read_text(encoding="utf-8") for file in files if file.exists())
        assert source, f"there is no tools.{name}"
        if "TrainingOptions" in source:
            source += (ROOT / "league" / "options.py").read_text(encoding="utf-8")
        for flag in re.findall(r"--(\w+)", words):
            assert re.search(rf"^    {flag}: ", source, re.MULTILINE), f"tools.{name} has no flag --{flag}"


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


def test_each_row_of_the_table_of_faults_is_a_test():
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|") and not line.startswith(("| fault", "|---"))]
    assert len(rows) > 25
    for row in rows:
        file, _, name = re.search(r"`(test_\w+\.py)(?:::)?(\w*)` \|$", row).group(0).strip("`| ").partition("::")
        tests = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert f"def {name}(" in tests if name else "def test_" in tests, row


def test_the_noise_that_the_documents_tell_is_what_was_measured():
    noise = json.loads((ROOT / "league" / "noise.json").read_text(encoding="utf-8"))
    trust = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    for name, measured in noise.items():
        bleu = list(measured["bleu"].values())
        mean, deviation = statistics.mean(bleu), statistics.stdev(bleu)
        reach = Comparison(("", ""), (0.0, 0.0), 1.0, deviation, {}).reach_of_seeds
        row = next(line for line in trust.splitlines() if line.startswith(f"| `{name.split()[0]}` |"))
        assert f"| {len(bleu)} | {mean:.2f} | {deviation:.2f} | {reach:.2f} |" in row
        if name.startswith("aing"):
            readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
            assert f"score {mean:.2f} on average over five seeds, with a deviation of {deviation:.2f}" in readme
            assert f"may be {reach:.1f} apart" in readme
