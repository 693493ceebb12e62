"""The app, served to tests: its entries, its address, and a browser that visits it."""

import json
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import play  # noqa: F401  (the tiny league)
import pytest
from browser import browsing

from tools.app.folder import Folder

HOSTILE = "<img src=x onerror=alert(1)>${alert(2)}{{alert(3)}}</script>"
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
    with serving(runs) as address:
        yield address


@contextmanager
def serving(runs: Path, **options) -> Iterator[str]:
    import uvicorn

    from tools.app.server import listen, server

    listening = listen("127.0.0.1", 0)
    running = uvicorn.Server(uvicorn.Config(server(Folder(runs), **options), log_level="warning"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    while not running.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:  # or the thread would keep a failed run from ending
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
