"""Whatever is filled into a template stays text: between tags, in attributes, and in the data of a script."""

import json
import re
from types import SimpleNamespace

import jinja2
import pytest

from league.report.drawing import as_svg
from league.report.look import ROOT, TEMPLATES, breakable, render, with_flags
from league.report.pictures import PICTURES
from league.report.texts import both
from league_config import DEMO_READERS

HOSTILE = "</script><img src=x onerror=alert(1)>'\"`&amp;<!--{{ 7 * 7 }}{% raw %}\u2028$x$"
EVERYWHERE = """{% from "league/report/templates/macros.html" import isolated, panel, tiles %}
<p title="{{ text }}" class='{{ text }}'>{{ text }}</p>{{ isolated(text) }}{{ tiles([(text, text)]) }}
{% call panel(text, text) %}{{ text }}{% endcall %}
<script type="application/json">{{ {text: text}|tojson }}</script>"""


def test_whatever_is_filled_in_stays_text():
    page = TEMPLATES.from_string(EVERYWHERE).render(text=HOSTILE)
    assert "<img" not in page and "<!--" not in page and page.count("</script>") == 1
    assert re.findall("<(\\w+)", page).count("p") == 1 and "49" not in page
    assert json.loads(re.search(r"json\">(.*?)</script>", page)[1]) == {HOSTILE: HOSTILE}


def test_a_name_breaks_after_its_underscores_alone_and_stays_text():
    assert breakable("adamw_<b>") == "adamw_<wbr>&lt;b&gt;"


def test_a_table_of_many_labels_can_be_read_on_a_phone():
    """Where a picture is 1.2 times as wide as it is drawn."""
    sentences = SimpleNamespace(hypotheses=["farm", "school"] * 70, references=["farm", "harbor"] * 70)
    confusion = PICTURES["confusion"]
    facts = SimpleNamespace(rules=DEMO_READERS, sentences=sentences)
    picture = as_svg("confusion", "", confusion.size, confusion.draw, facts)
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: ([\d.]+)px", picture)]
    assert len(sizes) > 25 and min(sizes) >= 8.5


def test_a_name_that_a_template_misses_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        render("league/report/templates/base.html", title="x")


HTML = sorted(path for part in ("league", "tools") for path in ROOT.glob(f"{part}/*/templates/*.html"))


@pytest.mark.parametrize("path", HTML, ids=lambda path: path.name)
def test_no_template_lets_text_pass_unescaped(path):
    text = path.read_text(encoding="utf-8")
    assert "|safe" not in text.replace(" ", "") and "autoescape" not in text
    TEMPLATES.get_template(str(path.relative_to(ROOT)))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_lacks_is_an_error(number):
    with pytest.raises(ValueError, match="JSON"):
        TEMPLATES.from_string("{{ number|tojson }}").render(number=number)


def test_a_number_on_an_axis_keeps_its_digits():
    picture = as_svg("picture", "label", (3, 2), lambda axes: axes.set_xticks([0, 1], ["0.0001", "0.025"]))
    assert ">0.0001<" in picture and ">0.025<" in picture
    assert not re.search(r'="[^"]*\.\d{3}', picture), "coordinates are short"


def test_flags_of_an_advice_are_code_that_stays_in_one_line():
    text = both("try --learning_rate 1e-5. <b>", "--d_model 192입니다")
    html = with_flags(text)
    assert "try <code>--learning_rate 1e-5</code>. &lt;b&gt;" in html and "<code>--d_model 192</code>입니다" in html
