"""The board's page in a real browser: it sorts, searches, filters and compares, and nothing handed in comes to life."""

import json
from pathlib import Path

import pytest
from browser import browsing, needs_browser
from deck import deal, judged, read, varied
from paired import paired_test
from play import TINY

from league.data.corpora import load_split
from tools.board import build, write

pytestmark = needs_browser
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def targets() -> list[str]:
    return list(load_split(TINY, TINY.pretrain.corpus, "test", None).targets)


@pytest.fixture(scope="module")
def site(played, targets, tmp_path_factory) -> Path:
    """A board of sound, open and hostile entries."""
    day, one = tmp_path_factory.mktemp("day"), read(played / "runs" / "one")
    blunt = [f"A man and {line}" if i % 2 else line for i, line in enumerate(targets)]
    deal(day / "best", varied(one, 1, learning_rate=2e-5), targets)
    deal(day / "blunt", varied(one, 2), blunt)
    deal(day / "poor", varied(one, 3), [EVIL, "</script><script>alert(2)</script>", *(["A man."] * 23)])
    other = varied(one, 4, bleu=50.0)
    other["score"]["decoding"]["num_beams"] = 9
    other["stages"]["finetune"]["device"] = f"GPU {EVIL}"
    other["score"]["decoding"]["</script><script>alert(3)</script>"] = EVIL
    deal(day / EVIL.replace("/", ""), judged({**other, "score": {**other["score"], "decoding": {"num_beams": 9}}}))
    other["score"]["decoding"] = {"num_beams": 9, "x": "</script><script>alert(3)</script><!--"}
    deal(day / "'\"><script>alert(4)<script>{{7*7}}", judged(varied_weights(other)))
    (day / f"refused {EVIL}").mkdir()
    (day / f"refused {EVIL}" / "record.json").write_text(json.dumps({"<script>alert(5)</script>": EVIL}))
    out = tmp_path_factory.mktemp("site")
    write(build(day), out, reports=0)
    return out


def varied_weights(record: dict) -> dict:
    record = json.loads(json.dumps(record))
    record["stages"]["finetune"]["sha256"]["model.safetensors"] = "a" * 64
    record["score"]["weights"] = record["stages"]["finetune"]["sha256"]
    return record


@pytest.fixture(scope="module")
def opened():
    with browsing() as page:
        yield page
        assert page.said == []


@pytest.fixture
def page(opened, site):
    opened.set_viewport_size({"width": 1280, "height": 900})
    opened.emulate_media(color_scheme="light")
    opened.goto((site / "index.html").as_uri())
    return opened


def names(page, table: str = "ranked") -> list[str]:
    return page.locator(f"#{table} button.name").all_text_contents()


def test_ranked_entries_stand_in_order_and_the_others_below(page):
    assert names(page) == ["best", "blunt", "poor"]
    assert len(names(page, "unranked")) == 2
    assert "1 refused" in page.locator("#refused").text_content()


def test_any_column_sorts_both_ways(page):
    for title, up in [("BLEU", False), ("Entry", True), ("learning_rate", True)]:
        head = page.locator("#ranked th", has_text=title)
        button = head.locator("button")
        button.click()
        first = names(page)
        assert head.get_attribute("aria-sort") == ["descending", "ascending"][up]
        button.click()
        assert names(page)[0] != first[0] or title == "learning_rate"
    assert names(page)[-1] == "best"  # alone in its learning rate, the lowest; falling


def test_search_and_filters_leave_what_fits(page):
    page.fill("#search", "BLU")
    assert names(page) == ["blunt"] and page.locator("#count").text_content() == "1 of 5 entries"
    page.fill("#search", "num_beams")
    assert not page.locator("#ranked").is_visible() and len(names(page, "unranked")) == 2
    page.fill("#search", "")
    page.select_option("#state", "open")
    assert not page.locator("#ranked").is_visible()
    page.select_option("#state", "")
    page.select_option("#device", f"GPU {EVIL}")
    assert names(page) == [] or not page.locator("#ranked").is_visible()


def compare(page, *chosen: str) -> None:
    for name in chosen:
        page.get_by_label(f"Compare {name}", exact=True).check()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_selector("#comparison:not([hidden])")


def test_two_entries_are_compared_by_the_test_of_ours(page, targets):
    compare(page, "best", "blunt")
    told = page.locator("#comparison").text_content()
    assert "blunt and best" in told and "learning_rate" in told and "seed" in told and "d_model" not in told
    blunt = [f"A man and {line}" if i % 2 else line for i, line in enumerate(targets)]
    (worse, better), p_value = paired_test(blunt, targets, targets)
    assert f"difference {better - worse:.2f}" in told
    shown = float(told.split("p = ")[1].split()[0])
    assert shown == pytest.approx(p_value, abs=0.01)
    assert f"{len(targets) // 2} of {len(targets)} sentences differ" in told
    assert page.locator("#comparison .pair").first.locator("mark").all_text_contents()[0].startswith("A man and")


def test_bleu_in_the_browser_is_ours(page):
    from league.tasks.bleu import value as bleu_of

    rows = [[9, 9, 9, 8, 7, 6, 9, 8, 7, 6], [9, 12, 5, 2, 0, 0, 9, 8, 7, 6], [2, 9, 1, 0, 0, 0, 2, 1, 0, 0], [0] * 10]
    rows += [[9, 9, 0, 0, 0, 0, 9, 8, 7, 6]]
    assert page.evaluate("rows => rows.map(bleuOf)", rows) == pytest.approx([bleu_of(row).item() for row in rows])


def test_hostile_translations_are_text(page):
    compare(page, "best", "poor")
    assert EVIL in page.locator("#comparison").text_content()
    assert page.locator("#comparison img").count() == 0


def test_hostile_records_are_text_wherever_they_stand(page):
    for button in page.locator("#unranked button.name").all():
        button.click()
        assert page.locator("#details").is_visible()
        page.keyboard.press("Escape")
        assert not page.locator("#details").is_visible()
    page.locator("#refused summary").click()
    assert EVIL in page.locator("#refused").text_content()
    assert page.locator("img").count() == 0 and page.locator("script").count() == 2


def test_a_script_that_got_in_would_not_run(page):
    page.evaluate("document.body.append(Object.assign(document.createElement('div'), {innerHTML: '<img src=x "
                  "onerror=\"window.ran = 1\">'}))")  # fmt: skip
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert page.said and all("Content Security Policy" in line for line in page.said)
    page.said.clear()


def test_the_page_is_used_by_keyboard(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "search"
    page.locator("#ranked button.name").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#details").is_visible() and "best" in page.locator("#details-title").text_content()
    page.keyboard.press("Escape")
    page.get_by_label("Compare best").focus()
    page.keyboard.press("Space")
    assert "choose another" in page.locator("#chosen").text_content()


def test_a_third_choice_takes_the_place_of_the_first(page):
    for name in ("best", "blunt", "poor"):
        page.get_by_label(f"Compare {name}", exact=True).check()
    assert page.locator("td.choose input:checked").count() == 2
    assert page.locator("#chosen span").text_content() == "blunt and poor"


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_it_without_scrolling_sideways(page, dark):
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark" if dark else "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    compare(page, "best", "blunt")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_many_rows_stay_quick(page, played, tmp_path):
    one = read(played / "runs" / "one")
    deal(tmp_path / "day" / "one", varied(one, 1, bleu=5.0))
    board = build(tmp_path / "day")
    standing = board.standings[0]
    standing.ranked = standing.ranked * 10_000
    write(board, tmp_path / "out", reports=0)
    page.goto((tmp_path / "out" / "index.html").as_uri())
    page.wait_for_selector("#ranked tbody tr")
    assert page.locator("#ranked tbody tr").count() < 1000
    timed = "(act) => { const start = performance.now(); act(); return performance.now() - start; }"
    sort = f"({timed})(() => document.querySelectorAll('#ranked th button')[2].click())"
    search = f"({timed})(() => {{ $('search').value = 'one 0.1'; filter(); }})"
    for act in (sort, search):
        assert min(page.evaluate(act) for _ in range(5)) < 500  # 100 on a machine that does nothing else
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#ranked tbody tr").count() == 1000
