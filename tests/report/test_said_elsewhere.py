"""What other rooms say stands on pages in Korean, too: each sentence of theirs is in the table, and no other."""

import ast
import re
from pathlib import Path

import pytest
from conftest import ROOT

from league.proof.comparison import Comparison
from league.proof.noise import Noise
from league.record.shape import BrokenRule
from league.record.wording import in_words
from league.report.texts import in_languages, table, translated

SAID = table()["said"]
# All of whose sentences come onto pages, and those of which a few do.
ALL = ["league/record/wording.py", "league/record/game.py", "league/report/facts.py", "tools/app/models.py"]
ALL += [f"league/proof/{name}.py" for name in ("checks", "claim", "source", "comparison")]
ALL += [f"tools/board/{name}.py" for name in ("handed_in", "judging", "standings", "proofs")]
ALL += [f"tools/tune/{name}.py" for name in ("outlook", "candidates")]
FEW = [
    "league/tasks/checkpoint.py",
    "league/record/rules.py",
    "league/run/moves.py",
    "league/run/watch.py",
    "tools/app/folder.py",
    "tools/app/history.py",
]
FEW += ["tools/app/server.py", *(f"tools/tune/{name}.py" for name in ("plan", "study", "search"))]
# What is said to a terminal alone, or is an example.
ALONE = ("{} {} (95 %", "predicting again", "{}/{} proving {}", "Ein ", "Zwei ", "Ich ", "by chance", "difference {}")
ALONE += ("{} and {} play", "{} was scored on another", "{} is not there: give", "{}  {} {}", "{}  {}: {}")


def template(node: ast.AST) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


def sentences(path: Path) -> set[str]:
    """Return the texts of a file in which a value stands as {}, without docstrings."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    silent = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    silent |= {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in ast.walk(node) if part != node}
    texts = [node for node in nodes if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in silent]
    return {template(node) for node in texts if isinstance(node, ast.JoinedStr) or isinstance(node.value, str)}


FOUND = {name: sentences(ROOT / name) for name in (*ALL, *FEW)}


@pytest.mark.parametrize("name", ALL)
def test_each_sentence_of_theirs_has_its_korean(name):
    spoken = [text for text in FOUND[name] if re.search("[a-z]{2,} ", text) and not text.startswith(ALONE)]
    assert [text for text in spoken if not re.search("[가-힣]", in_languages(text)[1])] == []


def test_the_table_has_no_sentence_that_nobody_says():
    found = set().union(*FOUND.values())
    made = {"{}: {}", "{}; {}", "{} · stage A"}  # of parts
    assert [text for text in SAID if text not in found | made] == []


@pytest.mark.parametrize("english", SAID)
def test_the_korean_has_each_value_once(english):
    values = re.findall(r"\{(\d)\}", SAID[english])
    assert sorted(map(int, values)) == list(range(english.count("{}")))


def test_a_rule_is_said_in_both_languages():
    broken = BrokenRule("fixed.batch_size", 64, 128)
    assert in_languages(in_words(broken)) == [
        "The fixed value batch_size is 128; the rule book says 64.",
        "고정값 batch_size: 128입니다. 규칙집의 값은 64입니다.",
    ]
    practice = in_languages(in_words(BrokenRule("asked.x", "a game", None)))[1]
    assert practice == "asked.x: 기대한 값 게임, 실제 값 없음."


def test_a_sentence_in_a_sentence_is_said_too():
    problem = "the clock is the record's: pretrain took 3.00 minutes by clock.json, 2.00 by the record"
    assert (
        in_languages(problem)[1] == "시계가 기록과 맞음: pretrain에 걸린 시간: clock.json에는 3.00분, 기록에는 2.00분"
    )


def test_a_schedule_that_is_off_is_no_fragment_of_itself():
    broken = BrokenRule("finetune.learning_rate at step 10", 0.00054, 1.8e-05)
    assert (
        in_languages(in_words(broken))[1] == "10번째 스텝의 finetune.learning_rate: 기대한 값 5.4e-4, 실제 값 1.8e-5."
    )


def test_a_strangers_name_stays_as_it_is_and_html_stays_text():
    copy = "has the very weights of {}, which came first"
    assert "baseline의" in in_languages(copy.format("baseline"))[1]
    assert "<b>" not in translated(copy.format("<b>{0}{9}</b>")).__html__()
    assert in_languages("whatever <i> {0}")[1] == "whatever <i> {0}"
    hostile = "x is " * 200
    assert len(in_languages(f"{hostile} by the record")[1]) < 3000


def test_a_verdict_names_the_better_entry_in_both_languages():
    verdict = Comparison(("one", "two"), (1.0, 9.0), 0.0, Noise(0.1, 5), {}).verdict()
    assert in_languages(verdict)[1].startswith("two 쪽이 더 낫고")
