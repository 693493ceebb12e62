"""Splits of a few pairs: written as files, read, and with a tokenizer of their words."""

from dataclasses import replace

import pytest
from hypothesis import strategies as st

from league.data import corpora
from league.data.corpora import load_split
from league.errors import UserError
from league_config import AING
from modeling.tokenization_aing import train_tokenizer

CAPTIONS, TALKS = AING.pretrain.corpus, AING.finetune.corpus
PAIRS = [
    (f"Hund Nummer {i} läuft{' sehr weit' * (i % 7)}.", f"Dog {i} runs{' very far' * (i % 5)}.") for i in range(200)
]
ODD = [
    "",
    "a\u00a0b",
    "a\x1cb\x85c\rd",
    "\ufeff",
    "\0",
    "\ufffd",
    "👩‍🚀 e\u0301",
    "  a \t b ",
    "<eos>",
    "日本語",
    "x" * 3000,
]
LETTERS = st.characters(exclude_categories=["Cs"]) | st.sampled_from(" \t\r\x1c\u00a0\u0301'")
TEXTS = st.text(LETTERS, max_size=20) | st.sampled_from(ODD)


def write_split(folder, pairs, corpus=CAPTIONS, split="train", end="\n"):
    (folder / corpus.name).mkdir(exist_ok=True)
    for side, language in enumerate(("de", "en")):
        text = "".join(pair[side] + end for pair in pairs)
        (folder / corpus.name / f"{split}.{language}").write_bytes(text.encode())


def load(folder, corpus=CAPTIONS, split="train", league=AING):
    return load_split(league, corpus, split, str(folder))


def refused(folder, *arguments, **keywords) -> str:
    with pytest.raises(UserError) as caught:
        load(folder, *arguments, **keywords)
    return str(caught.value)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([text for pair in PAIRS for text in pair], 300, 128)


@pytest.fixture
def split(tmp_path):
    write_split(tmp_path, PAIRS)
    return load(tmp_path)


def read_pairs(monkeypatch, rows, split="train", corpus=CAPTIONS):
    monkeypatch.setattr(corpora, "_read", lambda *_: ("files", iter(rows)))
    return load_split(replace(AING, batch_size=1), corpus, split, "anywhere")
