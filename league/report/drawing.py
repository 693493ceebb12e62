"""Pictures without a display: matplotlib panels as SVG in the page's own colours, or as PNG."""

import io
import re
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from html import unescape
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from league.report.look import LIGHT, attribute
from league.report.texts import remembered

SHADES = LinearSegmentedColormap.from_list("ink", [LIGHT["card"], LIGHT["ink"]])  # of what has more and less
VARIABLES = {color: f"var(--{name})" for name, color in LIGHT.items()}
STYLE_OF_PART = re.compile(' style="[^"]*"')
STYLE = {
    "font.size": 9,  # on a phone a picture is 1.2 times as wide as here: 10 pixels and more
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LIGHT["faint"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "grid.color": LIGHT["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
    "text.color": LIGHT["ink"],
    "text.parse_math": False,  # a name with two dollars in it is not a formula
    "figure.facecolor": LIGHT["card"],
    "axes.facecolor": LIGHT["card"],
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


@contextmanager
def styled(**more: Any):
    with matplotlib.rc_context({**STYLE, **more}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # texts may have letters that the pictures' font lacks
        yield


def as_svg(name: str, label: str, size: tuple[float, float], draw: Callable[..., None], *things: Any) -> Markup:
    """Return a panel as inline SVG whose colours are the page's own, with a text for those who cannot see it.

    What is said while it is drawn is there in both languages; what was given marks answers when one points at it.
    """
    with remembered() as phrases, styled(**{"svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        # The page's font may be a little wider than the one that the layout is made with.
        figure.get_layout_engine().set(w_pad=0.08)
        draw(figure.add_subplot(), *things)
        file = io.StringIO()
        # Not savefig, which draws everything twice.
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    # No eye sees more of a coordinate; the numbers between the tags stay as they are.
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), text)
    text, has_marks = _with_marks(_in_both_languages(text, phrases))
    box = re.search(r'viewBox="[^"]+"', text).group()
    tag = f'<svg {box} role="{"group" if has_marks else "img"}" {attribute("aria-label", label)}>'
    text = re.sub(r"<svg [^>]*>", lambda _: tag, text, count=1)
    used = set(re.findall(r'#(\w+)[")]', text))
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", text)
    text = re.sub(r'(xlink:href="|url\()#(?=\w+[")])', rf"\1#{name}-", text).replace("xlink:href", "href")
    return Markup(re.sub(r"#[0-9a-f]{6}\b", lambda color: VARIABLES.get(color.group(), color.group()), text))


def marked(artist: Artist, *keys: str) -> None:
    """Let the parts of an artist, or the whole of it where there is one key, answer by these keys."""
    artist.set_gid(f"marks:{','.join(keys)}")


def _with_marks(text: str) -> tuple[str, bool]:
    # matplotlib draws the parts of a collection in order: the i-th <use> or <path> outside of <defs> is the i-th part.
    def answer(found: re.Match) -> str:
        keys, inside = found[1].split(","), found[2]
        if len(keys) == 1:
            return f'<g data-mark="{keys[0]}">{inside}'
        left = iter(keys)
        defs, end, parts = inside.rpartition("</defs>")
        give = lambda part: f'<{part[1]} data-mark="{next(left)}"'  # noqa: E731
        marked = re.sub("<(use|path)(?= )", give, parts, count=len(keys))
        styles = set(STYLE_OF_PART.findall(marked))
        if len(styles) == 1:  # said once, of hundreds of dots
            return f"<g>{defs}{end}<g{styles.pop()}>{STYLE_OF_PART.sub('', marked)}</g>"
        return f"<g>{defs}{end}{marked}"

    has_marks = 'id="marks:' in text
    # A group ends where its indentation does.
    return re.sub(r'<g id="marks:([^"]*)">(.*?)(?=\n   </g>)', answer, text, flags=re.DOTALL), has_marks


def _in_both_languages(text: str, phrases: dict[str, str]) -> str:
    def translated(found: re.Match) -> str:
        english = unescape(found[2])
        korean = phrases.get(english, english)
        if korean == english:
            return found[0]
        tspans = f'<tspan lang="en">{found[2]}</tspan><tspan lang="ko">{escape(korean)}</tspan>'
        return f"{found[1]}{tspans}</text>"

    return re.sub(r"(<text [^>]*>)([^<]+)</text>", translated, text)


def as_png(size: tuple[float, float], draw: Callable[[Figure], None], dpi: int = 100) -> bytes:
    """Return a whole figure as a picture."""
    with styled():
        figure = Figure(figsize=size, dpi=dpi, layout="constrained")
        draw(figure)
        file = io.BytesIO()
        FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()


def say_empty(axes: Axes, words: str) -> None:
    """Say in place of a picture why there is none."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes, color=LIGHT["muted"])
