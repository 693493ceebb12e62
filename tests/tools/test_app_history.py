"""The app over its API, and the history that it keeps where that is asked for."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from app_site import HOSTILE, fetch, serving, visiting
from browser import needs_browser

from league.errors import UserError
from tools.app import __main__ as app

pytest_plugins = "app_site"
expect = pytest.importorskip("playwright.sync_api").expect
pytest.importorskip("gradio", reason="pip install -r requirements-app.txt")


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('history')}/history.db"


@pytest.fixture
def history(url):
    from tools.app.history import ANSWERS, History

    history = History(url)
    with history.engine.begin() as database:
        database.execute(ANSWERS.delete())
    return history


@pytest.fixture(scope="module")
def client(runs, url):
    """A program that asks the app, which keeps what it answers."""
    from gradio_client import Client

    from tools.app.history import History

    with serving(runs, history=History(url)) as address:
        yield Client(address, verbose=False)


def answers(source: str, target: str, model: str = "one"):
    from league.translate.translator import Hypothesis
    from tools.app.models import Side, Translated

    return [Translated(source, [Side(model, [Hypothesis(target, -0.5)], ("document", "summary"))])]


# The API


def test_a_program_asks_by_name_and_the_answer_is_kept(client, history):
    assert {"one", "two"} <= set(client.predict(api_name="/models"))
    found = client.predict("one", "Ein Hund läuft.\nEin Mann.", 2, api_name="/predict")
    assert [line["text"] for line in found] == ["Ein Hund läuft.", "Ein Mann."]
    assert len(found[0]["predictions"]) == 2 and found[0]["predictions"][0]["score"] <= 0
    kept = history.search()
    assert [row.document for row in kept] == ["Ein Mann.", "Ein Hund läuft."]
    assert kept[1].summary == found[0]["predictions"][0]["text"] and kept[1].model == "one"
    assert kept[1].settings == {"num_beams": 2, "columns": ["de", "en"]}


def test_the_beams_that_are_kept_are_those_that_were_searched_with(client, history):
    from tools.app.models import MOST_BEAMS

    client.predict("one", "Ein Mann schläft.", 10 * MOST_BEAMS, api_name="/predict")
    assert history.search()[0].settings["num_beams"] == MOST_BEAMS


def test_a_history_that_fails_takes_no_answer_from_anybody(client, history, monkeypatch, capfd):
    def full(*_):
        raise UserError("the history: database or disk is full.")

    monkeypatch.setattr(type(history), "keep", full)
    assert client.predict("one", "Ein Mann.", 2, api_name="/predict")[0]["predictions"]
    assert "disk is full" in capfd.readouterr().err


def test_a_program_is_refused_in_a_line_and_nothing_is_kept(client, history, runs):
    from gradio_client.exceptions import AppError

    for asked, why in ((("nobody", "Hund"), "there is no entry"), (("one", " "), "nothing to translate")):
        with pytest.raises(AppError, match=why) as error:
            client.predict(*asked, api_name="/predict")
        assert str(runs) not in str(error.value)
    assert history.search() == []


def test_the_pages_first_result_is_not_kept_and_its_page_is_there(client, history):
    assert fetch(f"{client.src.rstrip('/')}/history")[0] == 200
    assert history.search() == []


# The history


def check(history) -> None:
    """Do with a history all that can be done."""
    history.keep(answers("A: Hallo.\nB: Ja.", "Sie grüßen sich."), 4)
    history.keep(answers("민수는 학교에 간다. 100 %", HOSTILE + " \U0001f600", "two"), 1)
    second, first = history.search()
    assert (first.document, second.summary) == ("A: Hallo.\nB: Ja.", HOSTILE + " \U0001f600")
    assert first.rating is None and first.time <= second.time
    for words, found in (
        ("grüßen", [first]),
        ("학교에 two", [second]),
        ("학교에 anna", []),
        ("%", [second]),
        ("_", []),
    ):
        assert history.search(words) == found
    history.rate(first.id, 5)
    history.rate(second.id, 2)
    assert [row.rating for row in history.search()] == [2, 5]
    rows = [json.loads(line) for line in history.as_training_data()]
    assert rows[0] == {"document": "A: Hallo.\nB: Ja.", "summary": "Sie grüßen sich."} and len(rows) == 2
    assert [json.loads(line) for line in history.as_training_data(at_least=4)] == rows[:1]
    history.delete(second.id)
    assert [row.id for row in history.search()] == [first.id]
    wrong = [(number, 3) for number in (second.id, None, True, "1", 2**40, 2**70, -1)]
    for number, rating in (*wrong, (first.id, 6)):
        with pytest.raises(UserError, match="no answer of this number|a rating is"):
            history.rate(number, rating)
    with pytest.raises(UserError, match="no answer of this number"):
        history.delete(None)
    with pytest.raises(UserError, match="a rating is"):
        list(history.as_training_data(at_least=10**20))
    long = "말" * 20_000
    history.keep(answers(long, "y"), 4)
    assert history.search("y")[0].document == long


def test_a_history_is_searched_rated_deleted_and_exported(history):
    check(history)


def test_what_was_exported_trains(client, history, tmp_path):
    for i in range(3):
        history.keep(answers(f"A: Shall we meet at {i}?", f"They meet at {i}."), 4)
    history.rate(history.search()[0].id, 5)
    (tmp_path / "dialogues").mkdir()
    content = fetch(f"{client.src.rstrip('/')}/history.jsonl?words=meet")[1]
    (tmp_path / "dialogues/train.jsonl").write_text(content, encoding="utf-8")
    from league.data.readers import read_files

    rows = list(read_files(tmp_path / "dialogues", "train", ("document", "summary"), False))
    assert rows == [(f"A: Shall we meet at {i}?", f"They meet at {i}.") for i in range(3)]
    good = fetch(f"{client.src.rstrip('/')}/history.jsonl?words=meet&rating=4")[1]
    assert good == content.splitlines(keepends=True)[2]


def test_the_page_shows_what_it_finds_as_text(history):
    from league.report.look import render

    history.keep(answers("A", HOSTILE), 4)
    page = render("tools/app/templates/history.html", rows=history.search(), words=HOSTILE, refused=None)
    assert "<img" not in page and "&lt;img" in page


@needs_browser
@pytest.mark.parametrize("screen", [{"width": 1280}, {"width": 390, "dark": True}], ids=["wide", "phone"])
def test_the_page_searches_rates_and_deletes(client, history, screen):
    history.keep(answers("A: Hallo.", "Sie grüßen sich."), 4)
    history.keep(answers("A: Nein. " * 100, HOSTILE), 4)
    second, first = history.search()
    with visiting(f"{client.src.rstrip('/')}/history", **screen) as page:
        rows = page.locator(".ours tbody tr")
        expect(rows).to_have_count(2)
        page.get_by_label("Words to look for").fill("grüßen")
        expect(rows).to_have_count(1)
        page.get_by_label("Number in the list").fill(str(first.id))
        page.get_by_role("radio", name="4").check()
        page.get_by_role("button", name="Rate it").click()
        expect(rows.first.locator("td").nth(1)).to_have_text("4")
        link = page.get_by_role("link", name="Take these along").get_attribute("href")
        found = page.evaluate("link => fetch(link).then(answer => answer.text())", link)
        assert json.loads(found) == {"document": "A: Hallo.", "summary": "Sie grüßen sich."}
        page.get_by_label("Number in the list").fill("99999")
        page.get_by_role("button", name="Delete it").click()
        expect(page.get_by_role("alert")).to_contain_text("no answer of this number")
        page.get_by_label("Number in the list").fill(str(first.id))
        page.get_by_role("button", name="Delete it").click()
        expect(rows).to_have_count(0)
        page.get_by_label("Words to look for").fill("")
        expect(rows).to_have_count(1)
    assert [row.id for row in history.search()] == [second.id]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("history.db", "no database can be opened by this URL"),
        ("sqlite://", "it names no file"),
        ("nosuch://me:secret@host/db", "no database can be opened by this URL"),
        ("sqlite:////nowhere/at/all/history.db", "unable to open database file"),
        ("mariadb+pymysql://me:secret@127.0.0.1:1/db", "the history mariadb"),
    ],
)
def test_a_database_that_cannot_be_opened_is_told_in_a_line_without_its_password(runs, url, why):
    with pytest.raises(UserError, match=why) as error:
        app.main([str(runs), "--history", url, "--port", "0"])
    assert "secret" not in str(error.value) and "\n" not in str(error.value)


@pytest.fixture
def mariadb(tmp_path):
    """The URL of a MariaDB server that is started for this test."""
    server, install = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if not server or not install:
        pytest.skip("mariadbd is not installed here")
    as_root = ["--user=root"] if os.getuid() == 0 else []
    place, door = tmp_path / "data", Path("/tmp") / f"league-{os.getpid()}.sock"  # a socket's path must be short
    made = [install, f"--datadir={place}", "--auth-root-authentication-method=normal", *as_root]
    subprocess.run(made, check=True, capture_output=True, timeout=120)
    running = subprocess.Popen([server, f"--datadir={place}", f"--socket={door}", "--skip-networking", *as_root])
    try:
        began = time.monotonic()
        while not door.exists() and time.monotonic() - began < 60:
            time.sleep(0.2)
        yield f"mariadb+pymysql://root@localhost/test?unix_socket={door}&charset=utf8mb4"
    finally:
        running.terminate()
        running.wait(60)


def test_a_history_lies_in_mariadb_as_well(mariadb):
    pytest.importorskip("pymysql", reason="pip install -r requirements-test.txt")
    from tools.app.history import History

    check(History(mariadb))
