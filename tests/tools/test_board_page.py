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
CUT = """[...document.querySelectorAll("#ranked td, #ranked th")].filter((cell) => cell.getBoundingClientRect().right >
  cell.closest(".scroll").getBoundingClientRect().right + 1).map((cell) => cell.innerText)"""


@pytest.fixture(scope="module")
def targets() -> list[str]:
    return list(load_split(TINY, TINY.pretrain.corpus, "test", None).targets)


@pytest.fixture(scope="module")
def site(played, targets, tmp_path_factory) -> Path:
    """A board of sound, open and hostile entries."""
    day, one = tmp_path_factory.mktemp("day"), read(played / "runs" / "one")
    blunt = [f"A man and {line}" if i % 2 else line for i, line in enumerate(targets)]
    in_game = varied(one, 1, learning_rate=3e-6)
    in_game["game"] = {"name": "day", "id": "0" * 12, "minutes": 4.0, "entries": 2, "test_openings": 1}
    deal(day / "best", judged(in_game), targets)
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


def test_what_was_sorted_by_may_be_gone_after_a_search(page):
    page.evaluate("ranked.sorted = { key: 'report', falling: true }")
    page.evaluate("ranked.rows.forEach((row) => { row.report = null; })")
    page.fill("#search", "BLU")
    assert names(page) == ["blunt"] and page.said == []


def compare(page, *chosen: str) -> None:
    for name in chosen:
        page.get_by_label(f"Compare {name}", exact=True).check()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_selector("#comparison:not([hidden])")


@pytest.mark.parametrize("written", ["3e-6", "0.000003", "3.0e-06"])
def test_a_number_is_found_however_it_is_written(page, written):
    page.fill("#search", written)
    assert names(page) == ["best"]


def test_a_game_filters_and_groups(page):
    page.select_option("#game", label="day")
    assert names(page) == ["best"] and not page.locator("#unranked").is_visible()
    page.select_option("#game", "")
    page.select_option("#group", "game")
    heads = page.locator("#ranked tr.group").all_text_contents()
    assert heads == ["day: 4.0 min; entries: 2; openings of the test set: 1", "practice"]
    assert names(page) == ["best", "blunt", "poor"]


def test_columns_in_which_all_agree_are_folded(page):
    assert page.locator("#ranked th", has_text="d_model").count() == 0
    assert "d_model 32" in page.locator("#ranked .folded").text_content()
    page.locator("#ranked .folded button").click()
    assert page.locator("#ranked th", has_text="d_model").count() == 1 and names(page) == ["best", "blunt", "poor"]


def test_a_dot_and_its_row_light_up_together(page):
    page.locator("#intervals [data-mark]").first.hover()
    assert page.locator("#answer").inner_text().startswith("best")
    assert page.locator("#ranked tr.lit").count() == 1 and page.locator("#against circle.lit").count() == 1
    assert page.locator("#intervals .apart").count() >= 1, "groups that the test tells apart"
    page.locator("#against circle").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#answer").is_visible() and page.locator("tr.lit").count() == 1
    page.keyboard.press("Escape")


def test_the_dialogs_title_names_the_place(page):
    for name, title in (("best", "Rank 1: best"), ("poor", "Rank 3: poor")):
        page.locator("#ranked button.name", has_text=name).click()
        assert page.locator("#details-title").text_content() == title
        page.keyboard.press("Escape")


def test_a_comparison_goes_with_its_entries(page):
    compare(page, "best", "blunt")
    page.fill("#search", "nothing has this name")
    assert not page.locator("#comparison").is_visible()
    page.fill("#search", "")


def test_the_board_speaks_korean(page):
    page.get_by_role("button", name="한국어").click()
    assert (
        page.locator("#ranked h2").text_content() == "순위" and page.locator(".state").first.text_content() == "미증명"
    )
    compare_button = page.locator("td.choose input").first
    assert compare_button.get_attribute("aria-label") == "best 비교"
    assert page.title() == "순위표" and page.locator("#group option").last.text_content() == "게임"
    page.get_by_role("button", name="English").click()
    assert page.locator("#ranked h2").text_content() == "Ranked" and page.title() == "Leaderboard"


def test_two_entries_are_compared_by_the_test_of_ours(page, targets):
    compare(page, "best", "blunt")
    told = page.locator("#comparison").text_content()
    assert "blunt and best" in told and "learning_rate" in told and "seed" in told and "d_model" not in told
    blunt = [f"A man and {line}" if i % 2 else line for i, line in enumerate(targets)]
    (worse, better), p_value = paired_test(blunt, targets, targets)
    assert f"difference {better - worse:.2f}" in told
    shown = float(told.split("p = ")[1].split()[0])
    assert shown == pytest.approx(p_value, abs=0.01)
    assert f"{len(targets) // 2} of {len(targets)} rows differ" in told
    assert page.locator("#comparison .heads b").all_text_contents() == ["source", "reference", "blunt", "best"]
    pair = page.locator("#comparison .pair:not(.heads)").first
    line = int(pair.locator(".quiet").text_content().split(":")[0].removeprefix("line ")) - 1
    assert targets[line] in pair.locator(".given").nth(1).text_content()
    assert pair.locator("mark").all_text_contents()[0].startswith("A man and")


def test_another_language_moves_nobody_to_the_comparison(page):
    compare(page, "best", "blunt")
    assert page.evaluate("document.activeElement.id") == "comparison"
    page.evaluate("scrollTo(0, 0)")
    page.get_by_role("button", name="한국어").click()
    page.wait_for_function("document.querySelector('#comparison h2').textContent.includes('best')")
    assert page.evaluate("document.activeElement.id") != "comparison" and page.evaluate("scrollY") == 0
    page.get_by_role("button", name="English").click()


def test_of_two_pairs_asked_for_in_a_row_the_last_is_shown(page):
    said = page.evaluate("""async () => {
      const [a, b, c] = board.entries ? board.entries : [...ranked.rows, ...unranked.rows];
      compared = [a, b];
      const first = compareChosen(true);
      compared = [a, c];
      await Promise.all([first, compareChosen(true)]);
      return [document.querySelector("#comparison h2").textContent, c.name];
    }""")
    assert said[1] in said[0]


def test_bleu_in_the_browser_is_ours(page):
    from league.tasks.bleu import value as bleu_of

    rows = [[9, 9, 9, 8, 7, 6, 9, 8, 7, 6], [9, 12, 5, 2, 0, 0, 9, 8, 7, 6], [2, 9, 1, 0, 0, 0, 2, 1, 0, 0], [0] * 10]
    rows += [[9, 9, 0, 0, 0, 0, 9, 8, 7, 6]]
    assert page.evaluate("rows => rows.map(bleuOf)", rows) == pytest.approx([bleu_of(row).item() for row in rows])


@pytest.mark.parametrize(
    ("module", "name", "texts"),
    [
        ("accuracy", "accuracy", [["cat", "dog", "cat", "cow"], ["cat", "dog", "dog", "cow"]]),
        ("rouge", "rouge_l", [["a man runs", "two dogs", "no"], ["a man is running", "two dogs play", "yes"]]),
    ],
)
def test_other_metrics_in_the_browser_are_ours_too(page, module, name, texts):
    metric = pytest.importorskip(f"league.tasks.{module}")
    statistics = metric.statistics(*texts)
    totals = [statistics.sum(0).tolist(), statistics[0].tolist()]
    assert metric.NAME == name
    found = page.evaluate("([name, rows]) => rows.map(VALUES[name])", [name, totals])
    assert found == pytest.approx([float(metric.value(statistics.sum(0))), float(metric.value(statistics[0]))])


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
    assert page.locator("img").count() == 0 and page.locator("script").count() == 4


def test_a_script_that_got_in_would_not_run(page):
    page.evaluate("document.body.append(Object.assign(document.createElement('div'), {innerHTML: '<img src=x "
                  "onerror=\"window.ran = 1\">'}))")  # fmt: skip
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert page.said and all("Content Security Policy" in line for line in page.said)
    page.said.clear()


def test_the_page_is_used_by_keyboard(page):
    for name in ("language", "search"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == name
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
    assert page.evaluate(CUT) == [], "no column is cut off"
    compare(page, "best", "blunt")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_paper_a_long_table_is_whole(page):
    page.emulate_media(media="print")
    heights = page.evaluate("[...document.querySelectorAll('.scroll')].map((one) => getComputedStyle(one).maxHeight)")
    page.emulate_media(media="screen")
    assert heights and set(heights) == {"none"}


def test_a_phone_shows_the_way_to_the_reports(page):
    page.set_viewport_size({"width": 372, "height": 844})  # of a frame on a phone
    page.evaluate("board.rows.forEach((row) => { row.report = true; }); filter()")
    assert page.locator("#ranked td a").first.is_visible() and page.evaluate(CUT) == []


def test_nothing_covers_what_is_chosen_and_a_press_keeps_no_words(page):
    page.set_viewport_size({"width": 1280, "height": 560})
    for name in ("best", "blunt"):
        page.get_by_label(f"Compare {name}", exact=True).check()
    page.mouse.move(2, 2)
    assert page.locator("#answer").is_hidden() and page.locator(".lit").count() == 0
    # The heads of the table, which stay in sight, too, come to lie where the bar is.
    page.evaluate("""const head = document.querySelector("#ranked th.entry").getBoundingClientRect();
        scrollBy(0, head.top - innerHeight + 40)""")
    whose = """() => { const bar = document.querySelector("#chosen"), box = bar.getBoundingClientRect();
        return [0.02, 0.05, 0.1, 0.15, 0.2, 0.3].every((share) =>
          bar.contains(document.elementFromPoint(box.left + share * box.width, box.top + box.height / 2))); }"""
    assert page.evaluate(whose)


def test_one_entry_has_its_values_in_a_sentence(page):
    page.fill("#search", "blunt")
    assert page.locator("#ranked .folded").inner_text().startswith("Its other values: Minutes")
    assert page.evaluate(CUT) == []


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
