"""Every package that is imported is pinned where whoever runs the code installs it from."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from conftest import ROOT

APP, TEAM = ROOT / "tools" / "app", ROOT / "tools" / "team.py"
# What is installed -> the code that must run with it.
INSTALLED = {
    ("requirements.txt",): ["*.py", "modeling/**/*.py", "league/**/*.py", "tools/**/*.py"],
    ("requirements.txt", "requirements-app.txt"): ["tools/app/*.py"],
    ("requirements.txt", "requirements-cluster.txt"): ["tools/team.py"],
    ("requirements.txt", "requirements-app.txt", "requirements-cluster.txt", "requirements-test.txt"): [
        "benchmarks/**/*.py",
        "tests/**/*.py",
    ],
}
# --report_to and --engine ask for them by name, and say what to install where they are missing.
CHOSEN_BY_FLAG = {"tensorboard", "trackio", "wandb", "ctranslate2"}


def pins(files: tuple[str, ...]) -> dict[str, str]:
    lines = [line for file in files for line in (ROOT / file).read_text().split()]
    return {normal(name): version for name, _, version in (line.partition("==") for line in lines) if version}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def imports(path: Path) -> set[str]:
    """Return the top-level packages that a file imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names)


@pytest.mark.parametrize("files", INSTALLED, ids=lambda files: files[-1])
def test_every_import_is_pinned(files):
    distributions, pinned = packages_distributions(), pins(files)
    ours = {path.stem for folder in (ROOT, ROOT / "tests") for path in folder.iterdir()}
    missing = []
    for path in (path for pattern in INSTALLED[files] for path in ROOT.glob(pattern)):
        if len(files) == 1 and (path.parent == APP or path == TEAM):
            continue
        for name in imports(path) - ours - CHOSEN_BY_FLAG:
            if not {normal(one) for one in distributions.get(name, [name])} & pinned.keys():
                missing.append(f"{path.relative_to(ROOT)} imports {name}")
    assert missing == []


def test_every_pin_is_exact():
    for file in ROOT.glob("requirements*.txt"):
        for line in file.read_text().split("\n"):
            assert re.fullmatch(r"([\w.-]+(\[\w+\])?==[\w.+]+|-r requirements[\w-]*\.txt)?", line), (
                f"{file.name}: {line}"
            )
