"""The translator of the tiny league's entry, and what it translates."""

import pytest
from play import TINY

from league.data.corpora import load_split
from league.translate.translator import Translator

LONG = "Ein Mann geht mit seinem Hund, der klein ist, durch den Park. " * 12


@pytest.fixture(scope="module")
def sources():
    return list(load_split(TINY, TINY.pretrain.corpus, "test", None).sources)


@pytest.fixture(scope="module")
def translator(played):
    return Translator(played / "runs" / "one")
