"""A real browser for the tests: the machine's Chromium, headless, driven by Playwright."""

import os
import shutil
from contextlib import contextmanager

import pytest

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]

needs_browser = pytest.mark.browser


@contextmanager
def browsing(width: int = 1280, height: int = 900, dark: bool = False, korean: bool = False, **context):
    """Yield a blank page; `page.said` collects what its scripts complained about, and every dialog they opened."""
    if not CHROMIUM:
        pytest.skip("no Chromium here (apt install chromium, or set CHROMIUM)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            locale="ko-KR" if korean else "en-US",
            accept_downloads=True,
            **context,
        )
        page.said = []
        page.on("pageerror", lambda error: page.said.append(f"error: {error}"))
        page.on("console", lambda message: message.type == "error" and page.said.append(f"console: {message.text}"))
        page.on("dialog", lambda dialog: (page.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        try:
            yield page
        finally:
            browser.close()
