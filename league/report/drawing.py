"""Pictures without a display: matplotlib panels as SVG in the page's own colours, or as PNG."""

import io
import re
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from league.report.look import LIGHT

VARIABLES = {color: f"var(--{name})" for name, color in LIGHT.items()}
STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LIGHT["faint"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "grid.color": LIGHT["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
    "text.color": LIGHT["ink"],
    "text.parse_math": False,  # a name with two dollars in it is not a formula
    "figure.facecolor": LIGHT["card"],
    "axes.facecolor": LIGHT["card"],
    "legend.fontsize": 7,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


@contextmanager
def styled(**more: Any):
    with matplotlib.rc_context({**STYLE, **more}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # texts may have letters that the pictures' font lacks
        yield


def as_svg(name: str, label: str, size: tuple[float, float], draw: Callable[..., None], *things: Any) -> Markup:
    """Return a panel as inline SVG whose colours are the page's own, with a text for those who cannot see it."""
    with styled(**{"svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot(), *things)
        file = io.StringIO()
        # Not savefig, which draws everything twice.
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]+"', text).group()
    tag = f'<svg {box} role="img" aria-label="{escape(label)}">'
    text = re.sub(r"<svg [^>]*>", lambda _: tag, text, count=1)
    used = set(re.findall(r'#(\w+)[")]', text))
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", text)
    text = re.sub(r'(xlink:href="|url\()#(?=\w+[")])', rf"\1#{name}-", text).replace("xlink:href", "href")
    return Markup(re.sub(r"#[0-9a-f]{6}\b", lambda color: VARIABLES.get(color.group(), color.group()), text))


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
