"""The app's pages, in a real browser."""

import os
import re
import shutil
import subprocess

import pytest
from app_site import HOSTILE, fetch, visiting
from browser import needs_browser
from conftest import ROOT, SMALL, command

pytest_plugins = "app_site"
pytest.importorskip("gradio", reason="pip install -r requirements-app.txt")

CHOSEN = "name => [...document.querySelectorAll('input')].some(one => one.value === name)"


@needs_browser
@pytest.mark.parametrize("screen", [{"width": 1280}, {"width": 390, "dark": True}], ids=["wide", "phone"])
def test_a_translation_with_its_alternatives_and_what_was_looked_at(site, screen):
    with visiting(f"{site}/translate?entry=two", **screen) as page:
        page.wait_for_function(CHOSEN, arg="two")
        text = page.get_by_label("German")
        text.fill("Ein Hund läuft.")
        text.press("Shift+Enter")
        page.locator(".translation").wait_for()
        assert page.locator(".translation tbody tr").count() == 4
        scores = [float(cell) for cell in page.locator(".translation tbody td:last-child").all_inner_texts()]
        assert scores == sorted(scores, reverse=True)
        seen = page.frame_locator("iframe[title=Attention]")
        tokens, says = seen.locator("button.token"), seen.locator("[data-part=says]")
        tokens.nth(1).hover()
        pointed = says.inner_text()
        assert tokens.nth(1).inner_text() in pointed and "%" in pointed
        tokens.first.focus()
        first = says.inner_text()
        page.keyboard.press("ArrowRight")
        assert says.inner_text() == pointed != first
        assert seen.locator("select[name=head] option").count() == 3
        seen.locator("select[name=head]").select_option(label="1")
        seen.locator("select[name=sentence]").select_option(index=3)


@needs_browser
def test_what_a_visitor_writes_never_becomes_html_or_code(site):
    with visiting(f"{site}/translate?entry=one") as page:
        page.wait_for_function(CHOSEN, arg="one")
        page.get_by_label("German").fill(f"{HOSTILE}\nEin Hund läuft.")
        page.get_by_role("button", name="Translate").click()
        page.locator(".translation").nth(1).wait_for()
        assert page.locator(".translation .quiet").first.inner_text() == HOSTILE
        assert page.frame_locator("iframe[title=Attention]").locator("select[name=sentence] option").count() == 2
        page.get_by_label("German").fill("   ")
        page.get_by_role("button", name="Translate").click()
        page.get_by_text("there is nothing to translate").wait_for()
        page.get_by_label("German").fill("Hund")
        page.get_by_label("or a model on the Hub").fill(str(ROOT))
        page.get_by_role("button", name="Translate").click()
        page.locator(".refused").get_by_text("Hub id").wait_for()


@needs_browser
def test_the_report_is_ours_and_the_keyboard_chooses_the_entry(site):
    with visiting(f"{site}/report?entry=two", width=390, height=844) as page:
        page.frame_locator("iframe").get_by_role("heading", name="Entry one").wait_for()  # as its record calls it
        chooser = page.get_by_role("combobox", name="Entry").or_(page.get_by_label("Entry")).first
        chooser.focus()
        chooser.fill("one")
        chooser.press("Enter")
        page.locator("iframe[src='reports/one']").wait_for()
        page.frame_locator("iframe").get_by_role("heading", name="Entry one").wait_for()
        assert page.locator("iframe").get_attribute("sandbox") == "allow-scripts allow-downloads"
    assert "theirs" not in fetch(f"{site}/reports/one")[1]


def test_a_damaged_entry_has_no_report_and_says_why(site, runs):
    status, text = fetch(f"{site}/reports/broken")
    assert status == 404 and "broken/record.json is damaged" in text and str(runs) not in text


@needs_browser
def test_the_board_sorts_filters_and_compares(site):
    with visiting(site) as page:
        board = page.frame_locator("iframe[title=Board]")
        names = board.locator("button.name")
        names.nth(1).wait_for()
        before = names.all_inner_texts()
        assert sorted(before) == ["one", "two"]
        board.get_by_label("Search").fill("two")
        names.nth(1).wait_for(state="detached")
        assert names.all_inner_texts() == ["two"]
        board.get_by_label("Search").fill("")
        names.nth(1).wait_for()
        for box in board.locator("td.choose input").all():
            box.check()
        board.get_by_role("button", name="Compare").click()
        board.locator("#comparison").get_by_text("one").first.wait_for()
        board.get_by_text("refused").first.click()
        assert board.locator("body").get_by_text("broken").count() >= 1
        board.locator("a[href^=reports]").first.evaluate("link => link.click()")
        board.get_by_role("heading", name="Entry one").wait_for()


@needs_browser
def test_an_entry_appears_while_it_trains_and_goes_when_it_is_gone(site, runs):
    words = command("train_pretrain", "--entry", "late", *SMALL)
    environment = {**os.environ, "SLOW_STEPS": "0.4", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with visiting(f"{site}/live", width=1280, height=720) as page:
        page.get_by_text("scored").first.wait_for()
        assert page.locator(".running").count() == 1  # the damaged one
        training = subprocess.Popen(words, cwd=runs.parent, env=environment, stderr=subprocess.DEVNULL)
        try:
            page.get_by_text("training stage A").wait_for()
            assert re.search(r"step \d+ of 24", page.locator(".pretrain .doing").inner_text())
            page.locator(".pretrain polyline").wait_for(state="attached")
        finally:
            training.kill()
            training.wait()
        page.get_by_text("interrupted").wait_for()
        shutil.rmtree(runs / "late")
        page.get_by_text("late", exact=True).wait_for(state="detached")
