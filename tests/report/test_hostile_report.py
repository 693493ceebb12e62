"""Whoever wrote a record, the page of its report stays a page."""

from dataclasses import replace
from pathlib import Path

import play  # noqa: F401  (the tiny league)
import pytest
from browser import browsing, needs_browser
from reports import HOSTILE, Page, change, copied, drawn, hostile_attention

from league.errors import UserError
from league.report.facts import Facts, gather, thinned
from league.report.page import entry_page
from league.report.pictures import purposes
from league.report.sentences import Sentences
from league.report.write import write_entry_report, write_report
from league.tasks import bleu


@pytest.fixture
def entry(played, tmp_path) -> Path:
    return copied(played / "runs" / "one", tmp_path / "one")


@pytest.fixture(scope="session")
def facts(played) -> Facts:
    return gather(played / "runs" / "one", has_attention=False)


def forge(record: dict) -> None:
    """Fill a record with what a stranger may write within the schema."""
    plain = HOSTILE.replace("\u2028", "")
    record["asked"].update(lr_scheduler_type=(plain * 9)[:300], learning_rate=-1e14, d_model=2**53 - 1)
    record["broken_rules"] = [{"rule": plain, "expected": plain * 999, "found": [[plain]]}]
    record["league"]["fixed"] |= {plain[:0] + "x": plain}
    record["clock"] |= {"minutes": -1.6e7, "limit": -3.0}
    record["clock"]["spent"] = {f"p{number}. -": number * 5e3 * (-1) ** number for number in range(3000)}
    record["trials"] = record["test_openings"] = 2**53 - 1
    first, second = record["stages"]["pretrain"], record["stages"]["finetune"]
    first.update(device=(plain * 9)[:300], precision=plain, steps=0, tokens=0, loss=None, minutes=-5)
    first["curve"] = [
        {"step": (place * 7919) % 10_000, "loss": 1e14 if place % 3 else -3.5, "learning_rate": -1e14}
        for place in range(10_000)
    ]
    first["effective"] = {"num_parameters": plain, "x": [None, True, {"y": plain}]}
    second.update(device=plain, precision=plain, curve=[], effective={"num_parameters": 10**300})
    second["validation"] = {"captions": -1e14, "talks": 1e14, "mars": 3}
    record["score"] |= {"value": -1e14, "interval": [1e14, -1e14], "signature": plain}
    record["score"]["extras"]["chrf"] = 1e-300


def hostile_page(entry: Path) -> Path:
    """Write the page of a stranger's entry, with a stranger's translations and tokens."""
    with change(entry) as record:
        forge(record)
    facts = gather(entry, has_attention=False)
    facts.sentences = Sentences(*([HOSTILE, "x" * 9000, "", HOSTILE * 99] * 9 for _ in range(3)), bleu)
    facts.attention = [(HOSTILE, hostile_attention())]
    path = entry / "report.html"
    path.write_text(entry_page(facts), encoding="utf-8")
    return path


@pytest.mark.filterwarnings("ignore:Glyph")
def test_a_strangers_record_stays_text(entry):
    text = hostile_page(entry).read_text(encoding="utf-8")
    page = Page(text)
    assert "<img" not in text and "<b>'" not in text
    assert page.tags.count("script") == 4
    assert len(text.encode()) < 1_000_000
    assert HOSTILE in page.text


def test_a_strangers_record_has_its_pictures(entry):
    with change(entry) as record:
        forge(record)
    write_report(gather(entry, has_attention=False), entry)
    assert {path.stem for path in (entry / "plots").iterdir()} == {"learning", "forgetting", "lengths", "clock"}


def odd(name: str, record: dict) -> None:
    curve = {"step": 0, "loss": 0.0, "learning_rate": 0.0}
    stage = record["stages"]["pretrain"]
    if name == "one point":
        stage["curve"] = [curve]
    elif name == "the same step":
        stage["curve"] = [curve] * 50
    elif name == "no domains":
        stage["validation"] = record["stages"]["finetune"]["validation"] = {}
    elif name == "no clock":
        record["clock"] |= {"spent": {}, "limit": 0, "minutes": 0}
    elif name == "large steps":
        stage["curve"] = [curve | {"step": 2**53 - 1, "loss": 999999999999999}]
    elif name == "nothing asked":
        record["asked"] = {"league": "tiny"}
    elif name == "only a fine-tune":
        del record["stages"]["pretrain"]


@pytest.mark.parametrize(
    "name",
    ["one point", "the same step", "no domains", "no clock", "large steps", "nothing asked", "only a fine-tune"],
)
def test_odd_values_can_be_drawn(entry, name):
    with change(entry) as record:
        odd(name, record)
    assert "The tuned values" in drawn(entry).text


def test_a_curve_is_the_same_in_whatever_order_a_point_names_its_values(entry):
    before = drawn(entry).text
    with change(entry) as record:
        for stage in record["stages"].values():
            stage["curve"] = [dict(sorted(point.items())) for point in stage["curve"]]
    assert drawn(entry).text == before


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 1e30, 0.0])
def test_weights_that_cannot_be_have_a_report(entry, factor):
    from safetensors.torch import load_file, save_file

    path = entry / "finetune" / "model.safetensors"
    save_file({name: part * factor for name, part in load_file(path).items()}, path)
    assert "The tuned values" in Page(write_entry_report(entry).read_text(encoding="utf-8")).text


def test_a_damaged_record_is_a_user_error(entry, tmp_path):
    (entry / "record.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        write_entry_report(entry)
    with pytest.raises(UserError, match="not the folder of an entry"):
        write_entry_report(tmp_path)


def test_purposes_are_few_and_add_up(facts):
    spent = {f"p{number}": 1.0 for number in range(500)} | {"score": 2.0, "pretrain": 3.0, "below": -7.0}
    parts = purposes(replace(facts, spent=spent))
    assert len(parts) <= 6 and parts[0] == ("pretrain", "stage A", 3.0)
    assert sum(minutes for *_, minutes in parts) == 505.0


def test_thinning_keeps_both_ends():
    assert thinned(range(10_000), 50)[0] == 0 and thinned(range(10_000), 50)[-1] == 9999
    assert len(thinned(range(10_000), 50)) == 50 and thinned([1, 2], 50) == [1, 2]


# In a browser


@needs_browser
@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("width, dark", [(1280, False), (390, True)])
def test_nothing_that_a_stranger_wrote_runs(entry, width, dark):
    path = hostile_page(entry)
    with browsing(width, 800, dark) as page:
        page.goto(path.as_uri())
        for kind in ("cross", "encoder", "decoder"):
            page.select_option("select[name=kind]", kind)
            page.locator("[data-part=rows] button").nth(1).hover()
        assert page.locator("select[name=sentence] option").first.text_content() == HOSTILE
        assert page.locator("img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.said == []
