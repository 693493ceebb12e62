"""axe-core for the tests: what it finds wrong with a page, where npm can fetch it."""

import shutil
import subprocess
from functools import cache

import pytest
from conftest import ROOT
from filelock import FileLock

VERSION = "4.10.3"
FOLDER = ROOT / ".cache" / "axe"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
RUN = """([place, tags]) => axe.run(place || document, {runOnly: tags, iframes: false}).then((found) =>
  found.violations.map((one) =>
    [one.id, one.help, ...one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160))].join(" | ")))"""


@cache
def source() -> str:
    """Return axe-core's script, fetched once."""
    path = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(FOLDER / "lock"):
        if not path.is_file():
            npm = shutil.which("npm")
            words = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(FOLDER), f"axe-core@{VERSION}"]
            if not npm or subprocess.run(words, capture_output=True, timeout=120).returncode:
                pytest.skip("no axe-core here: npm fetches it")
    return path.read_text(encoding="utf-8")


def violations(frame, place: str | None = None) -> list[str]:
    """Return what axe-core finds in a page or frame, or in a part of it."""
    frame.evaluate(source())
    return frame.evaluate(RUN, [place, TAGS])
