"""The app in a real browser, and what it does not let anybody do."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import play  # noqa: F401  (the tiny league)
import pytest
from browser import browsing, needs_browser
from conftest import ROOT, SMALL, command

from league.errors import UserError
from tools.app import __main__ as app
from tools.app.folder import Folder
from tools.app.models import MOST_MODELS, Models
from tools.app.space import write_space

pytest.importorskip("gradio", reason="pip install -r requirements-app.txt")
HOSTILE = "<img src=x onerror=alert(1)>${alert(2)}{{alert(3)}}</script>"
CHOSEN = "name => [...document.querySelectorAll('input')].some(one => one.value === name)"
PATIENCE = 60_000  # milliseconds that a page may take on a busy machine


@pytest.fixture(scope="module")
def runs(played, tmp_path_factory) -> Path:
    """Two entries that differ in their seed, a damaged one, and files that others may have put beside them."""
    runs = tmp_path_factory.mktemp("app") / "runs"
    shutil.copytree(played / "runs" / "one", runs / "one")
    shutil.copytree(played / "runs" / "one", runs / "two")
    (runs / "one" / "report.html").write_text("<script>alert('theirs')</script>")
    (runs / "two" / "finetune" / "modeling_aing.py").write_text("raise SystemExit('code of a stranger')")
    (runs / "broken").mkdir()
    (runs / "broken" / "record.json").write_text(json.dumps({"entry": HOSTILE}))
    return runs


@pytest.fixture(scope="module")
def site(runs) -> Iterator[str]:
    """The app's address, served for all tests of this file."""
    import uvicorn

    from tools.app.server import listen, server

    listening = listen("127.0.0.1", 0)
    running = uvicorn.Server(uvicorn.Config(server(Folder(runs)), log_level="warning"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    while not running.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    running.should_exit = True
    thread.join(20)


@contextmanager
def visiting(address: str, **screen):
    """Yield a page that must stay on this host, in its width, and without a complaint."""
    host, asked = "/".join(address.split("/")[:3]), []
    with browsing(**screen) as page:
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        yield page
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.said == []
    assert [url for url in asked if not url.startswith((host, "data:", "blob:", "about:"))] == []


def fetch(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")


# Pages


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


# What is closed


@pytest.mark.parametrize(
    "path",
    [
        "reports/..%2f..%2fruns%2fone",
        "reports/%2e%2e",
        "reports/nobody",
        "board/..%2f..%2f..%2fetc%2fpasswd",
        "board/%2e%2e/reports",
        "board/nothing.js",
        "gradio_api/file=/etc/passwd",
        "gradio_api/file=runs/one/record.json",
        "gradio_api/proxy=https://example.org",
        "gradio_api/run-history/buckets",
        "gradio_api/runs",
        "board/%00.js",
        "board//etc/passwd",
        "docs",
    ],
)
def test_no_path_leads_out_of_what_is_shown(site, path):
    status, text = fetch(f"{site}/{path}")
    assert status == 404 and "root:" not in text


def test_nothing_can_be_uploaded_or_called_by_name(site):
    for door in ("upload", "process_recording", "run-history/connect"):
        request = urllib.request.Request(f"{site}/gradio_api/{door}", b"x", method="POST")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(request, timeout=60)
    assert json.loads(fetch(f"{site}/gradio_api/info")[1]) == {"named_endpoints": {}, "unnamed_endpoints": {}}


def test_the_pages_do_not_tell_where_they_lie(site, runs):
    for page in ("", "translate", "report", "live"):
        assert str(runs.parent) not in fetch(f"{site}/{page}")[1]


def test_framed_pages_are_sealed_by_their_headers(site):
    with urllib.request.urlopen(f"{site}/reports/one", timeout=60) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ") and "allow-same-origin" not in policy and "default-src 'none'" in policy


# Models


@pytest.fixture
def models(runs) -> Models:
    return Models(Folder(runs), allows_hub=False)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (("one", "", "x" * 2001, 4), "at most 2,000"),
        (("one", "", "x\n" * 21, 4), "at most 20"),
        (("one", "", " \n\t", 4), "nothing to translate"),
        (("../one", "", "x", 4), "there is no entry"),
        (("/etc", "", "x", 4), "there is no entry"),
        ((["one"], "", "x", 4), "there is no entry"),
        ((None, "", "x", 4), "choose an entry"),
        (("broken", "", "x", 4), "holds no model"),
        (("one", "name/model", "x", 4), "--no_hub"),
    ],
)
def test_a_request_is_bounded(models, asked, why):
    with pytest.raises(UserError, match=why):
        models.translate(*asked)


@pytest.mark.parametrize("name", ["runs/one", "../runs/one", "/etc/passwd", "one"])
def test_a_hub_id_never_leads_to_a_folder_here(runs, monkeypatch, name):
    monkeypatch.chdir(runs.parent)
    asked = []

    def fetch(repo_id):
        asked.append(repo_id)
        raise UserError("the Hub has none")

    monkeypatch.setattr("league.hub.transfer.fetch", fetch)
    with pytest.raises(UserError, match="the Hub has none"):
        Models(Folder(runs), allows_hub=True).translate(None, name, "Hund", 1)
    assert asked == [name]


def test_few_models_are_held_and_one_that_was_replaced_is_read_anew(models, runs):
    for name in ("one", "two", "one"):
        assert len(models.translate(name, "", "Ein Hund läuft.", 99).lines[0].hypotheses) == 8
    assert len(models._held) == MOST_MODELS
    os.utime(runs / "two" / "finetune" / "model.safetensors")
    models.translate("two", "", "Ein Hund läuft.", 1)
    assert len(models._held) == MOST_MODELS


# The command


def test_help_is_quick_and_needs_no_gradio():
    code = "import sys; sys.modules['gradio'] = None; from tools.app.__main__ import main; main(sys.argv[1:])"
    run = [sys.executable, "-c", code]
    done = subprocess.run([*run, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "--space" in done.stdout


def test_what_cannot_be_served_is_told_in_one_line(runs, tmp_path, monkeypatch):
    from tools.app.server import listen

    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        for words, why in (
            ([str(tmp_path / "nowhere")], "there is no folder"),
            ([str(runs), "--port", port], "--port"),
            ([str(runs), "--port", "99999"], "--port"),
            ([str(runs), "--entries", "one"], "--space"),
            ([str(runs), "--data_dir", "nowhere"], "--data_dir"),
        ):
            with pytest.raises(UserError, match=why):
                app.main(words)
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match="requirements-app.txt"):
        app.main([str(runs)])


# The Space


@pytest.fixture(scope="module")
def space(runs, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("space") / "league"
    assert f"hf upload YOUR_NAME/league {out} . --repo-type space" in write_space(runs, out, ["one", "two"])
    return out


def test_a_space_holds_all_that_it_needs_and_nothing_of_strangers(space, runs):
    card = (space / "README.md").read_text()
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (space / "requirements.txt").read_text(), re.MULTILINE))
    assert f"sdk: gradio\nsdk_version: {pins['gradio']}\n" in card and "app_file: app.py" in card
    ours = (ROOT / "requirements.txt").read_text() + (ROOT / "requirements-app.txt").read_text()
    assert all(f"{name}=={version}" in ours for name, version in pins.items())
    assert sorted(path.name for path in (space / "entries").iterdir()) == ["one", "two"]
    shown = {path.relative_to(space / "entries" / "one").as_posix() for path in (space / "entries" / "one").rglob("*")}
    assert {"record.json", "translations.txt", "finetune/model.safetensors", "finetune/config.json"} <= shown
    assert not [name for name in shown if name.endswith((".py", ".html")) or name.startswith("pretrain")]
    assert not list(space.rglob("__pycache__"))


def test_a_space_runs_from_its_folder_alone(space):
    environment = {"PATH": os.environ["PATH"], "HOME": str(space.parent), "GRADIO_SERVER_PORT": "0"}
    environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    running = subprocess.Popen(
        [sys.executable, "app.py"], cwd=space, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        address = running.stdout.readline().strip().replace("0.0.0.0", "127.0.0.1")
        assert fetch(address)[0] == 200
        assert "Entry one" in fetch(f"{address}/reports/one")[1]
        status, board = fetch(f"{address}/board/index.html")
        assert status == 200 and "one" in board
    finally:
        running.kill()
        running.wait()


def test_a_space_is_written_anew_but_never_over_something_else(space, runs, tmp_path):
    write_space(runs, space, ["two"])
    assert [path.name for path in (space / "entries").iterdir()] == ["two"]
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="something else"):
        write_space(runs, tmp_path, ["two"])
    with pytest.raises(UserError, match="--entries nobody"):
        write_space(runs, tmp_path / "new", ["nobody"])
    with pytest.raises(UserError, match="damaged"):
        write_space(runs, tmp_path / "new", [])
    assert not (tmp_path / "new").exists() and (tmp_path / "mine.txt").read_text() == "mine"
