"""Reports of entries for tests: changed records, strangers' texts, and what a browser would find in a page."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from league.record.shape import as_record
from league.report.facts import gather
from league.report.page import entry_page
from league.tasks.attention import Attention

HOSTILE = "</script><img src=x onerror=alert(1)><b>'\"&amp;\u202edne\u2028שלום 👩‍👧 $x$"


def copied(entry: Path, to: Path) -> Path:
    """Copy an entry, without its report."""
    shutil.copytree(entry, to, ignore=shutil.ignore_patterns("report.html", "plots"))
    return to


@contextmanager
def change(folder: Path) -> Iterator[dict]:
    """Change a record in its file, within its schema."""
    path = folder / "record.json"
    record = json.loads(path.read_text())
    yield record
    assert as_record(record)
    path.write_text(json.dumps(record))


class Page(HTMLParser):
    """What a browser would find in a page."""

    VOID = {"meta", "br", "img", "path", "use", "rect", "wbr"}

    def __init__(self, text: str):
        super().__init__()
        self.open, self.ids, self.tags, self.text, self.labels, self.rows = [], [], [], "", [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.labels += [attributes.get("aria-label")] if tag == "svg" else []
        self.is_head_of_row = attributes.get("scope") == "row"
        self.rows += [""] * self.is_head_of_row
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data
        if self.open and self.open[-1] == "th" and self.is_head_of_row:
            self.rows[-1] += data


def drawn(folder: Path, **settings) -> Page:
    """Return the page of an entry, without attention unless it is asked for."""
    text = entry_page(gather(folder, **({"has_attention": False} | settings)))
    (folder / "report.html").write_text(text, encoding="utf-8")
    return Page(text)


def hostile_attention(tokens: int = 6, layers: int = 1, heads: int = 2) -> Attention:
    random = np.random.default_rng(1)

    def weights() -> np.ndarray:
        return random.dirichlet(np.ones(tokens), (layers, heads, tokens)).astype(np.float32)

    side = ["</script>", "<img src=x onerror=alert(2)>", "\u2028", "<!--", "·שלום", "<eos>"] * (tokens // 6 + 1)
    return Attention(side[:tokens], side[:tokens], side[:tokens], weights(), weights(), weights())
