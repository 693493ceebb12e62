"""The table of texts is complete: both languages, the same values, every key used and every used key there."""

import re
import string

import pytest
from conftest import ROOT

from league.report.drawing import as_svg
from league.report.texts import PHRASES, joined, say, table

SOURCES = [path for part in ("league", "tools") for path in ROOT.glob(f"{part}/**/*.*")]
SOURCES = [path for path in SOURCES if path.suffix in (".py", ".html", ".js")]
CODE = {path: path.read_text(encoding="utf-8") for path in SOURCES}
# Keys that are put together: what stands before the variable part.
MADE = (
    "baselines.",
    "predictions.",
    "stage.",
    "short.",
    "state.",
    "about.",
    "number.",
    "notice.",
    "advice.",
    "picture.",
    "link.",
    "examples.",
)
MADE += ("att.does.", "att.to.", "live.", "app.title.", "g.")
MADE += ("tune.title.", "tune.state.", "tune.trial.", "tune.only.", "tune.curve.", "tune.head.")
ASKED = re.compile(r"""\b(?:say|said)\(\s*(?:"[\w-]+",\s*)?f?["'`]([\w.]+)["'`]""")


TEXTS = {key: forms for key, forms in table().items() if key != "said"}


def fields_of(text: str) -> set[str]:
    return {name for _, name, *_ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_say_it_with_the_same_values(key):
    english, korean = TEXTS[key]
    assert english.strip() and korean.strip()
    assert fields_of(english) == fields_of(korean)
    letters = re.sub(r"\{\w+\}", "", korean)
    assert re.search("[가-힣]", letters) or korean == english or not re.search("[a-z]{4}", letters), korean


@pytest.mark.parametrize("key", TEXTS)
def test_no_particle_depends_on_how_a_value_ends(key):
    """8은 and 9는: after a value Korean has a word of its own, except after a stage, which always ends alike."""
    particle = r"\{(?!stage)\w+\}(?:을|를|이|가|은|는|과|와|로|으로|이었\w*|였\w*)(?![가-힣])"
    assert not re.search(particle, TEXTS[key][1])


def test_every_key_that_is_asked_for_is_there():
    asked = {key for text in CODE.values() for key in ASKED.findall(text)}
    assert len(asked) > 100
    assert {key for key in asked if not key.endswith(".")} <= TEXTS.keys()


def test_every_key_is_used():
    everything = "\n".join(CODE.values())
    unused = [key for key in TEXTS if f'"{key}"' not in everything and not key.startswith(MADE)]
    assert [key for key in unused if not (key.endswith(".one") and f'"{key[:-4]}"' in everything)] == []


def test_a_text_carries_both_languages_and_stays_text():
    text = say("notice.cut", stage=say("stage.pretrain"), steps="<b>")
    assert text == "The clock cut stage A off after <b> steps."
    html = text.__html__()
    assert "<b>" not in html and 'lang="en"' in html and "A 단계" in html
    assert joined([text, "x"], "; ").ko.endswith("; x")
    assert say("board.refused", n=1) == "1 refused"
    assert say("live.trials", n=1, used="1", budget="2").startswith("1 trial;")


def test_what_is_said_is_remembered_only_while_a_picture_is_drawn():
    """A page that is drawn every second, for days, would fill the memory."""
    seen = []

    def draw(axes):
        axes.set_title(say("live.training", stage=say("stage.pretrain")))
        seen.append(dict(PHRASES.get()))

    picture = as_svg("one", "a picture", (3, 2), draw)
    say("live.training", stage="x")
    assert PHRASES.get() is None and len(seen[0]) >= 2 and 'lang="ko"' in picture
