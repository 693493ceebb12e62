"""Reports in a real browser: marks answer, tables sort, both languages are there, and a phone can read it all."""

import play  # noqa: F401  (the tiny league)
import pytest
from browser import browsing, needs_browser
from reports import copied
from studies import study_of

from league.report.facts import gather
from league.report.page import entry_page
from tools.tune import report

pytestmark = needs_browser
SMALLEST = """() => Math.min(...[...document.querySelectorAll("svg text")]
  .filter((text) => text.getBoundingClientRect().width)
  .map((text) => {
    const { a, b } = text.getScreenCTM();
    return Math.hypot(a, b) * parseFloat(getComputedStyle(text).fontSize);
  }))"""
MIDDLE = """(path) => {
  const at = path.getPointAtLength(path.getTotalLength() / 2).matrixTransform(path.getScreenCTM());
  return [at.x, at.y];
}"""


@pytest.fixture(scope="module")
def addresses(played, tmp_path_factory) -> dict[str, str]:
    """An entry's report, a search's with many trials and one with few."""
    folder = tmp_path_factory.mktemp("pages")
    entry = copied(played / "runs" / "one", folder / "one")
    (entry / "report.html").write_text(entry_page(gather(entry), {"board": "../board.html"}), encoding="utf-8")
    pages = {"entry": entry / "report.html"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "study_png", lambda *_: b"")
        for name, number in (("search", 30), ("few", 2)):
            (folder / name).mkdir()
            final = {"validation": 36.3, "test": 37.0, "interval": [35.1, 38.8], "official": True}
            pages[name] = report.write_report(study_of(number, number // 3, final=final), folder / name)
    return {name: path.as_uri() for name, path in pages.items()}


def test_pointing_at_a_mark_lights_the_same_thing_up_everywhere(addresses):
    with browsing() as page:
        page.goto(addresses["search"])
        marks = page.locator("svg use[data-mark='trial-30']:visible")
        marks.first.hover()
        assert "Trial 30" in page.locator("#answer").inner_text() and "d_model" in page.locator("#answer").inner_text()
        lit = page.locator(".lit[data-mark='trial-30']")
        assert lit.count() > 5 and page.locator("tr.lit").count() == 1
        page.mouse.move(2, 2)
        assert page.locator("#answer").is_hidden() and page.locator(".lit").count() == 0
        marks.first.click()
        page.mouse.move(2, 2)
        assert page.locator("#answer").is_visible(), "a tap keeps it"
        page.keyboard.press("Escape")
        assert page.locator("#answer").is_hidden()
        assert page.said == []


def test_marks_are_reached_by_keyboard(addresses):
    with browsing() as page:
        page.goto(addresses["entry"])
        picture = page.locator("svg[role=group]").first
        picture.locator("[data-mark]").first.focus()
        page.keyboard.press("ArrowRight")
        focused = page.evaluate("document.activeElement.dataset.mark")
        assert focused == "stage-finetune" and page.locator("#answer").inner_text().startswith("stage B")
        assert picture.locator("[tabindex='0']").count() == 1
        assert page.locator(".lit[data-mark=stage-finetune]").count() >= 3, "curve, bars and clock"
        for key in ("Enter", " "):
            page.keyboard.press(key)
            picture.locator("[tabindex='0']").evaluate("mark => mark.blur()")
            assert page.locator("#answer").is_visible(), "it is kept"
            page.keyboard.press("Escape")
            picture.locator("[tabindex='0']").focus()


def test_a_thin_line_is_hit_from_beside_it(addresses):
    with browsing() as page:
        page.goto(addresses["search"])
        line = page.locator("svg path[data-mark]:visible").last
        line.scroll_into_view_if_needed()
        x, y = line.evaluate(MIDDLE)
        page.mouse.move(x, y + 4)
        assert page.locator(".lit").count() > 0


def test_tables_sort_both_ways(addresses):
    with browsing() as page:
        page.goto(addresses["search"])
        table = page.locator("table.sortable").first
        head = table.locator("th", has_text="BLEU")
        values = lambda: [float(one) for one in table.locator("tbody tr td:nth-child(8)").all_inner_texts() if one]  # noqa: E731
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "ascending" and values() == sorted(values())
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "descending" and values() == sorted(values(), reverse=True)


@pytest.mark.parametrize("korean", [False, True])
def test_the_browsers_language_is_spoken_and_the_switch_changes_it(addresses, korean):
    said = ["Learning curves", "학습 곡선"]
    with browsing(korean=korean) as page:
        page.goto(addresses["entry"])
        for turn in range(2):
            first, other = said[korean ^ turn], said[not (korean ^ turn)]
            assert page.get_by_role("heading", name=first).is_visible()
            assert not page.get_by_role("heading", name=other).is_visible()
            axis = page.locator("svg tspan:visible", has_text=["training loss", "학습 손실"][korean ^ turn])
            assert axis.count() == 1
            page.get_by_role("button", name="English" if korean ^ turn else "한국어").click()
        assert page.evaluate("document.documentElement.lang") == ["en", "ko"][korean]
        page.get_by_role("button", name="English" if korean else "한국어").click()
        page.reload()
        assert page.evaluate("document.documentElement.lang") == ["ko", "en"][korean], "it is remembered"


@pytest.mark.parametrize("name", ["entry", "search", "few"])
def test_a_phone_can_read_every_picture(addresses, name):
    with browsing(width=390, height=844, dark=True) as page:
        page.goto(addresses[name])
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate(SMALLEST) >= 10


def test_a_search_with_few_trials_says_so_in_one_sentence(addresses):
    with browsing() as page:
        page.goto(addresses["few"])
        assert page.get_by_text("too few for pictures").count() >= 1
        assert page.locator("h3", has_text="d_model").count() == 0
        assert page.locator("table.sortable tbody tr").count() > 0


def test_a_log_scale_names_its_powers(addresses):
    with browsing() as page:
        page.goto(addresses["search"])
        texts = page.locator("svg text:visible").all_text_contents()
        assert {"1e-6", "1e-5", "1e-4"} <= set(texts) and "0.00" not in texts


def test_the_final_star_covers_no_mark_and_best_so_far_has_its_line(addresses):
    with browsing() as page:
        page.goto(addresses["search"])
        picture = page.locator(".wide svg").first
        box = picture.locator("use[data-mark]").last.bounding_box()
        there = "([x, y]) => document.elementFromPoint(x, y).closest('[data-mark]') !== null"
        assert page.evaluate(there, [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
        label = picture.locator("text", has_text="stage A, best so far").bounding_box()
        lines = [path.bounding_box() for path in picture.locator("path").all()]
        near = [one for one in lines if one and abs(one["y"] - label["y"] - label["height"] / 2) < 8]
        assert any(10 < one["width"] < 60 and label["x"] - 60 < one["x"] < label["x"] for one in near)


def test_the_overview_of_the_attention_picks_a_head(addresses):
    with browsing() as page:
        page.goto(addresses["entry"])
        thumbs = page.locator("#attention [data-part=overview] button")
        assert thumbs.count() == 2
        thumbs.nth(1).click()
        assert page.locator("#attention select[name=head]").input_value() == "1"
        assert thumbs.nth(1).get_attribute("aria-pressed") == "true"
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        assert thumbs.nth(0).get_attribute("aria-pressed") == "true", "the focus stays where it was"
        assert page.said == []
