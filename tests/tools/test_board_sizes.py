"""Boards of few and of many entries in a real browser."""

import pytest
from browser import browsing, needs_browser
from deck import deal, read, varied

from tools.board import build, write

pytestmark = needs_browser


@pytest.fixture
def page():
    with browsing() as page:
        yield page
        assert page.said == []


def test_a_board_of_refuted_entries_alone_has_no_empty_pictures(page, played, tmp_path):
    for number in range(3):
        record = varied(read(played / "runs" / "one"), number)
        deal(tmp_path / "day" / f"e{number}", record | {"official": False})
    write(build(tmp_path / "day"), tmp_path / "board", reports=0)
    page.goto((tmp_path / "board" / "index.html").as_uri())
    assert page.locator("#unranked tbody tr").count() == 3 and page.locator("#pictures").is_hidden()
    assert ".; " not in page.locator("#unranked").inner_text()


def test_the_picture_leaves_out_what_was_refuted_and_speaks_of_no_best(page, played, tmp_path):
    one = read(played / "runs" / "one")
    for number in range(3):
        record = varied(one, number, bleu=9.0 + number)
        deal(tmp_path / "day" / f"e{number}", record | {"official": number > 0})
    write(build(tmp_path / "day"), tmp_path / "board", reports=0)
    page.goto((tmp_path / "board" / "index.html").as_uri())
    assert page.locator("#intervals [data-mark]").count() == 2
    assert "best" not in page.locator("#intervals figcaption").inner_text()


def test_two_hundred_entries_are_painted_at_once(page, played, tmp_path):
    one = read(played / "runs" / "one")
    for number in range(200):
        deal(tmp_path / "day" / f"e{number}", varied(one, number, bleu=5.0 + number / 10))
    write(build(tmp_path / "day"), tmp_path / "out", reports=0)
    page.goto((tmp_path / "out" / "index.html").as_uri())
    page.wait_for_timeout(500)  # an entry of the timeline comes a little after what it speaks of
    assert page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") < 1500
    assert (tmp_path / "out" / "index.html").stat().st_size < 1_500_000
