"""The app's models: which are held, and what may be asked of them."""

import os

import pytest

from league.errors import UserError
from tools.app.folder import Folder
from tools.app.models import MOST_MODELS, NO_OTHER, Models

pytest_plugins = "app_site"
pytest.importorskip("gradio", reason="pip install -r requirements-app.txt")


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
        models.beside(asked[0], NO_OTHER, *asked[1:])


@pytest.mark.parametrize("name", ["runs/one", "../runs/one", "/etc/passwd", "one"])
def test_a_hub_id_never_leads_to_a_folder_here(runs, monkeypatch, name):
    monkeypatch.chdir(runs.parent)
    asked = []

    def fetch(repo_id, most_bytes, anonymous):
        assert anonymous and most_bytes < 1e9
        asked.append(repo_id)
        raise UserError("the Hub has none")

    monkeypatch.setattr("league.hub.transfer.fetch", fetch)
    with pytest.raises(UserError, match="the Hub has none"):
        Models(Folder(runs), allows_hub=True).beside(None, NO_OTHER, name, "Hund", 1)
    assert asked == [name]


def test_few_models_are_held_and_one_that_was_replaced_is_read_anew(models, runs):
    for name in ("one", "two", "one"):
        assert len(models.beside(name, NO_OTHER, "", "Ein Hund läuft.", 99).lines[0].hypotheses) == 8
    assert len(models._held) == MOST_MODELS
    os.utime(runs / "two" / "finetune" / "model.safetensors")
    models.beside("two", NO_OTHER, "", "Ein Hund läuft.", 1)
    assert len(models._held) == MOST_MODELS


def test_an_entry_stands_beside_a_model_of_the_hub_whatever_the_first_list_shows(runs, monkeypatch):
    models = Models(Folder(runs), allows_hub=True)
    monkeypatch.setattr("league.hub.transfer.fetch", lambda repo_id, **_: runs / "two" / "finetune")
    answer = models.beside("one", "one", "club/two", "Ein Hund läuft.", 1)
    assert [side.name for side in answer.lines[0].sides] == ["club/two", "one"]


def test_what_no_page_shows_is_asked_for_with_nothing_in_it(models, runs):
    """An unseen field of Gradio sends what it was made with; a program may send nothing."""
    from tools.app.pages import pages

    assert models.beside("one", NO_OTHER, None, "Hund", 1).lines
    fields = [part["props"] for part in pages(Folder(runs), models).config["components"] if part["type"] == "textbox"]
    hidden = [props["value"] for props in fields if not props.get("visible", True)]
    assert hidden and all(value == "" for value in hidden)


def test_a_model_of_the_hub_that_cannot_be_used_costs_no_other_its_place_and_tells_no_path(runs, monkeypatch, tmp_path):
    models = Models(Folder(runs), allows_hub=True)
    for name in ("one", "two"):
        models.beside(name, NO_OTHER, "", "Hund", 1)
    held = list(models._held)
    monkeypatch.setattr("league.hub.transfer.fetch", lambda repo_id, **_: tmp_path)
    with pytest.raises(UserError) as error:
        models.beside(None, NO_OTHER, "club/empty", "Hund", 1)
    assert str(tmp_path) not in str(error.value) and list(models._held) == held


def test_the_same_question_is_answered_once_until_the_model_is_another(models, runs, monkeypatch):
    from league.translate.translator import Translator

    asked, best = [], Translator.best
    monkeypatch.setattr(Translator, "best", lambda self, *words: asked.append(words) or best(self, *words))
    answers = [models.beside("one", NO_OTHER, "", "Ein Hund läuft.", 4) for _ in range(3)]
    assert len(asked) == 1 and answers[0] is answers[2]
    models.beside("one", NO_OTHER, "", "Ein Hund läuft.", 2)
    os.utime(runs / "one" / "finetune" / "model.safetensors")
    models.beside("one", NO_OTHER, "", "Ein Hund läuft.", 4)
    assert len(asked) == 3
