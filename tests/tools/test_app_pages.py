"""The app's pages, in a real browser."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from statistics import median

import pytest
from app_site import HOSTILE, fetch, visiting
from browser import browsing, needs_browser
from conftest import FIXED, ROOT, SMALL, command

from league.report.look import render
from league.report.texts import say
from league.run.progress import WRITE_EVERY
from tools.app.folder import Folder
from tools.app.live import LiveEntry
from tools.app.live_page import live_page

pytest_plugins = "app_site"
expect = pytest.importorskip("playwright.sync_api").expect
pytest.importorskip("gradio", reason="pip install -r requirements-app.txt")

SEES = """step => {
  const said = [...document.querySelectorAll(".running .doing")].map((one) => one.innerText.match(/step (\\d+)/));
  return said.some((found) => found && Number(found[1]) >= step);
}"""
CHOSEN = "name => [...document.querySelectorAll('input')].some(one => one.value === name)"


@needs_browser
@pytest.mark.parametrize("screen", [{"width": 1280}, {"width": 390, "dark": True}], ids=["wide", "phone"])
def test_a_translation_with_its_alternatives_and_what_was_looked_at(site, screen):
    with visiting(f"{site}/translate?entry=two", **screen) as page:
        page.wait_for_function(CHOSEN, arg="two")
        page.locator(".translation").wait_for()  # a first result, before anything is pressed
        assert page.locator("h1").inner_text() == "Translate"
        text = page.get_by_label("Text, a sentence")
        text.fill("Ein Hund läuft.")
        text.press("Shift+Enter")
        page.locator(".translation .quiet", has_text="Ein Hund läuft.").wait_for()
        assert page.locator(".side h2").all_inner_texts() == ["two", "two · stage A"]
        side = page.locator(".side").first
        assert side.locator("tbody tr").count() == 4
        scores = [float(cell) for cell in side.locator("tbody td:last-child").all_inner_texts()]
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
        page.get_by_label("Text, a sentence").fill(f"{HOSTILE}\nEin Hund läuft.")
        page.get_by_role("button", name="Translate now").click()
        page.locator(".translation").nth(1).wait_for()
        assert page.locator(".translation .quiet").first.inner_text() == HOSTILE
        shown = page.frame_locator("iframe[title=Attention]").locator("select[name=sentence] option")
        expect(shown).to_have_count(2)  # once the frame of the first result is gone
        page.get_by_label("Text, a sentence").fill("   ")
        page.get_by_role("button", name="Translate now").click()
        page.get_by_text("there is nothing to translate").wait_for()
        page.get_by_label("Text, a sentence").fill("Hund")
        page.get_by_label("or a model on the Hub").fill(str(ROOT))
        page.get_by_role("button", name="Translate now").click()
        page.locator(".refused").get_by_text("Hub id").wait_for()


@needs_browser
def test_the_report_is_ours_and_the_keyboard_chooses_the_entry(site):
    with visiting(f"{site}/report?entry=two", width=390, height=844) as page:
        page.frame_locator("iframe").get_by_role("heading", name="Entry one").wait_for()  # as its record calls it
        chooser = page.locator(".chooser input").first
        chooser.click()
        page.keyboard.type("one")  # what is typed takes the place of the name that stands there
        page.keyboard.press("Enter")
        page.locator("iframe[src='reports/one']").wait_for()
        page.frame_locator("iframe").get_by_role("heading", name="Entry one").wait_for()
        assert page.locator("iframe").get_attribute("sandbox") == "allow-scripts allow-downloads"
    assert "theirs" not in fetch(f"{site}/reports/one")[1]


def test_a_damaged_entry_has_no_report_and_says_why(site, runs):
    status, text = fetch(f"{site}/reports/broken")
    assert status == 404 and "broken/record.json is damaged" in text and str(runs) not in text


def test_a_report_and_the_board_are_made_again_when_something_has_changed(runs, tmp_path):
    from tools.app.server import Files

    shutil.copytree(runs / "one", tmp_path / "team" / "one")
    shutil.copytree(runs / "one", tmp_path / "begun")
    files, record = Files(Folder(tmp_path), None), json.loads((tmp_path / "begun" / "record.json").read_text())
    files.board("index.html")
    record["stages"], record["score"], record["official"] = {}, None, False
    (tmp_path / "begun" / "record.json").write_text(json.dumps(record))
    assert "Resume from step 7" not in files.report("begun").read_text()
    checkpoint = tmp_path / "begun" / "under_way" / "pretrain" / "checkpoint-7"
    checkpoint.mkdir(parents=True)
    assert "Resume from step 7" in files.report("begun").read_text()
    first = files.report("begun").stat().st_mtime_ns
    shutil.copytree(runs / "one", tmp_path / "begun-scratch")  # beside which a report shows what stage A has taught
    assert files.report("begun").stat().st_mtime_ns > first
    before = files.board("index.html").read_text()
    shutil.rmtree(tmp_path / "team" / "one")
    assert files.board("index.html").read_text() != before


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
        board.get_by_role("link", name="Board").click()
        board.get_by_label("Search").wait_for()


@needs_browser
def test_the_switch_changes_every_part_of_the_app(site):
    with visiting(f"{site}/report?entry=two", korean=True) as page:
        report = page.frame_locator("iframe")
        report.get_by_role("heading", name="학습 곡선").wait_for()
        assert page.locator("h1").inner_text() == "엔트리 리포트"
        page.get_by_text("순위표", exact=True).first.wait_for()  # Gradio's own label
        page.get_by_role("button", name="English").click()
        report.get_by_role("heading", name="Learning curves").wait_for()
        assert page.locator("h1").inner_text() == "Report of an entry"
        page.get_by_text("Board", exact=True).first.wait_for()
        assert report.locator("#language").is_hidden(), "the app has the one switch"
        page.goto(f"{site}/live")
        page.locator("h1", has_text="Live").wait_for()
        page.set_viewport_size({"width": 390, "height": 844})
        nav, switch = page.locator("nav").first.bounding_box(), page.locator("#language").bounding_box()
        assert switch["y"] >= nav["y"] + nav["height"] - 1, "below the way to the other pages, on a phone"


@needs_browser
def test_an_example_is_translated_at_a_press(site):
    with visiting(f"{site}/translate?entry=two") as page:
        page.locator(".translation").wait_for()
        page.get_by_role("button", name="Zwei Kinder spielen").click()
        page.locator(".translation .quiet", has_text="Zwei Kinder spielen").wait_for()


@needs_browser
def test_an_entry_that_trains_is_not_refused_on_the_board(site, runs):
    record = json.loads((runs / "one" / "record.json").read_text())
    del record["score"]
    (runs / "three").mkdir()
    (runs / "three" / "record.json").write_text(json.dumps(record | {"official": False}))
    try:
        with visiting(site) as page:
            board = page.frame_locator("iframe[title=Board]")
            board.locator("#under-way").wait_for()
            assert board.locator("#under-way b").all_inner_texts() == ["three"]
            assert board.locator("#refused li").count() == 1
    finally:
        shutil.rmtree(runs / "three")


@needs_browser
def test_a_long_name_leaves_the_state_in_one_line():
    row = LiveEntry("a-name-that-is-as-long-as-a-name-may-be-which-is-sixty-four-lett", say("live.searching"), True)
    page_of = render("tools/app/templates/head.html") + f'<div class="ours">{live_page([row])}</div>'
    for width in (390, 1440):
        with browsing(width=width) as page:
            page.set_content(page_of)
            box = page.locator(".state").bounding_box()
            assert box["height"] < 1.8 * page.evaluate(
                "parseFloat(getComputedStyle(document.querySelector('.state')).fontSize)"
            )
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def lags_of(page, progress: Path) -> list[float]:
    """Return how many seconds the next steps take from their file onto the page."""
    lags, step = [], 0
    while len(lags) < 3:
        seen, written = json.loads(progress.read_text()), progress.stat().st_mtime
        if seen["step"] > seen["max_steps"] - 4:  # the file goes with the stage
            break
        if seen["step"] > step:
            step = seen["step"]
            page.wait_for_function(SEES, arg=step, timeout=8000, polling=50)
            lags.append(time.time() - written)
        time.sleep(0.05)
    return lags


@needs_browser
def test_live_follows_a_whole_run(site, runs):
    """From the first step to the score: a step is seen within three seconds."""
    environment, lags = {**os.environ, **FIXED, "SLOW_STEPS": "0.6"}, []
    with visiting(f"{site}/live", width=1920, height=1080) as page:
        page.locator(".live").wait_for()
        last = lambda: page.locator(".updated").inner_text()  # noqa: E731
        before = last()
        page.wait_for_function("said => !document.querySelector('.updated').innerText.includes(said)", arg=before)
        for script, stage, flags in (("train_pretrain", "A", SMALL), ("train_finetune", "B", ["--warmup_steps", "2"])):
            words = command(script, "--entry", "whole", "--game", "spring", *flags)
            training = subprocess.Popen(words, cwd=runs.parent, env=environment, stderr=subprocess.DEVNULL)
            section = page.locator(".running", has_text="whole")
            section.get_by_text(f"training stage {stage}").wait_for()
            lags += lags_of(page, runs / "whole" / "progress.json")
            section.locator(".loss polyline").first.wait_for(state="attached")
            assert training.wait(120) == 0
        # A step may wait for its file as well. The middle one: a busy machine holds up now and then a page, too.
        assert median(lags) + WRITE_EVERY <= 3.0, lags
        page.locator(".game", has_text="game spring").wait_for()
        words = command("evaluate_bleu", "--entry", "whole", "--game", "spring")
        subprocess.run(words, cwd=runs.parent, env=environment, capture_output=True, check=True)
        page.locator(".top-ten li", has_text="whole").wait_for()
        expect(page.locator(".running", has_text="whole")).to_have_count(0, timeout=15_000)  # with the next update
    shutil.rmtree(runs / "whole")


@needs_browser
def test_an_entry_appears_while_it_trains_and_goes_when_it_is_gone(site, runs):
    words = command("train_pretrain", "--entry", "late", *SMALL)
    environment = {**os.environ, "SLOW_STEPS": "0.4", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with visiting(f"{site}/live", width=1280, height=720) as page:
        page.locator(".tile", has_text="scored").first.wait_for()
        assert page.locator(".running").count() == 1  # the damaged one
        training = subprocess.Popen(words, cwd=runs.parent, env=environment, stderr=subprocess.DEVNULL)
        try:
            page.get_by_text("training stage A").wait_for()
            assert re.search(r"step \d+ of 24", page.locator(".pretrain .doing").inner_text())
            page.locator(".pretrain polyline").first.wait_for(state="attached")
        finally:
            training.kill()
            training.wait()
        page.get_by_text("interrupted").wait_for()
        shutil.rmtree(runs / "late")
        page.get_by_text("late", exact=True).wait_for(state="detached")
