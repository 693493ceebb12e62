"""axe-core finds nothing wrong with any page, in both schemes and languages; what is Gradio's own is left out."""

import shutil

import pytest
from app_site import visiting
from axe import violations
from browser import browsing, needs_browser
from deck import deal, read, varied
from reports import copied
from studies import study_of

from league.report.facts import gather
from league.report.page import entry_page
from tools.board import build, write
from tools.tune import report

pytest_plugins = "app_site"
pytestmark = needs_browser
LOOKS = [{"width": 1440}, {"width": 390, "dark": True, "korean": True}]


@pytest.fixture(scope="module")
def files(played, tmp_path_factory) -> dict[str, str]:
    """An entry's report, boards of 1, 3 and 33 entries, a search's report."""
    folder, one = tmp_path_factory.mktemp("axe"), read(played / "runs" / "one")
    entry = copied(played / "runs" / "one", folder / "one")
    (entry / "report.html").write_text(entry_page(gather(entry), {"board": "../board.html"}), encoding="utf-8")
    pages = {"entry": entry / "report.html"}
    for number in (1, 3, 33):
        day = folder / f"day{number}"
        for place in range(number):
            deal(day / f"e{place}", varied(one, place, bleu=20.0 + place))
        write(build(day), folder / f"board{number}", reports=0)
        pages[f"board of {number}"] = folder / f"board{number}" / "index.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "study_png", lambda *_: b"")
        for number in (0, 2, 48):
            (folder / f"study{number}").mkdir()
            study = study_of(number // 2, number // 3)
            pages[f"search of {number}"] = report.write_report(study, folder / f"study{number}")
    return {name: path.as_uri() for name, path in pages.items()}


@pytest.mark.parametrize("look", LOOKS, ids=["wide", "phone"])
def test_no_page_has_a_violation(files, look):
    with browsing(bypass_csp=True, **look) as page:
        for name, address in files.items():
            page.goto(address)
            page.wait_for_timeout(200)
            assert violations(page) == [], name


def test_a_comparison_and_a_dialog_have_none(played, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(played / "runs" / "one", tmp_path / "day" / name)
    record = tmp_path / "day" / "two" / "record.json"
    record.write_text(record.read_text().replace('"seed": 1,', '"seed": 1, '))  # another content, the same entry
    write(build(tmp_path / "day"), tmp_path / "board", reports=0)
    with browsing(bypass_csp=True) as page:
        page.goto((tmp_path / "board" / "index.html").as_uri())
        for box in page.locator("td.choose input").all():
            box.check()
        page.locator("#chosen button").first.click()
        page.wait_for_selector("#comparison:not([hidden])")
        assert violations(page) == []
        page.locator("button.name").first.click()
        assert violations(page) == []


@pytest.mark.parametrize("look", LOOKS, ids=["wide", "phone"])
def test_the_app_has_none_in_what_is_ours(site, look):
    pytest.importorskip("gradio", reason="pip install -r requirements-app.txt")
    for name, place in (("translate?entry=two", ".translation"), ("live", ".live"), ("report?entry=two", None)):
        with visiting(f"{site}/{name}", bypass_csp=True, **look) as page:
            page.wait_for_selector("h1")
            if place:
                page.wait_for_selector(place)
                assert violations(page, ".ours") == [] and violations(page, ".title") == [], name
            for frame in page.frames[1:]:
                frame.wait_for_selector("h1")
                assert violations(frame) == [], name
