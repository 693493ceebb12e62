"""Arrows point one way: who may import whom."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPTS = ("train_pretrain", "train_finetune", "evaluate_bleu")
MAY_IMPORT = {
    "league_config": set(),
    "modeling": {"modeling"},
    "league": {"league", "league_config", "modeling"},
    "scripts": {"league", "league_config", "modeling"},
    "tools": {"tools", "league", "league_config", "modeling", *SCRIPTS},
}
OURS = {"league", "league_config", "modeling", "tools", "tests", *SCRIPTS}
FILES = [
    path
    for path in ROOT.rglob("*.py")
    if path.relative_to(ROOT).parts[0] in {*MAY_IMPORT, *(s + ".py" for s in SCRIPTS)}
]


def imported_by(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            names |= {name.name.split(".")[0] for name in node.names}
    return names


@pytest.mark.parametrize("path", [ROOT / "league_config.py", *FILES], ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_layers(path):
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    layer = "scripts" if part in SCRIPTS else part
    assert imported_by(path) & OURS <= MAY_IMPORT[layer]


ALLOWED = {"math", "collections", "numpy", "torch", "transformers", "tokenizers", "huggingface_hub"}


def test_what_travels_to_the_hub_stands_alone():
    # Transformers exports custom code by following `from .x import y`, and nothing else.
    for path in (ROOT / "modeling").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.level == 1 and node.module, f"{path.name}, line {node.lineno}"
        assert imported_by(path) <= ALLOWED
