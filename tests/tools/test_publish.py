"""Publishing the rule books as they are."""

import json

import pytest

from league_config import QUESTIONS_KO
from tools import publish


@pytest.mark.parametrize(("flags", "told"), [([], False), (["--hub"], True)])
def test_a_corpus_without_a_place_on_the_hub_stops_nothing(tmp_path, monkeypatch, capsys, flags, told):
    monkeypatch.setattr(publish, "LEAGUES", {"questions-ko": QUESTIONS_KO})
    monkeypatch.setattr(publish, "PUBLISHED", tmp_path / "rulebooks.json")
    publish.PUBLISHED.write_text("{}")
    publish.main(flags)
    (book,) = json.loads(publish.PUBLISHED.read_text()).values()
    assert book == {"fixed": QUESTIONS_KO.fixed(), "data": {}}
    printed = capsys.readouterr().out
    assert ("not pinned: chatbot_ko of questions-ko has no place on the Hub" in printed) == told
