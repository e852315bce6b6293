"""Drawing: matplotlib to SVG that stands inside a page, without ids, fonts or colours of its own.

Colours are written as the page's variables, so that a figure follows it into dark mode and onto
paper; text stays text, in the page's font. The same figures give the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

WIDTH = 390  # about as wide as a phone: there, text keeps its size

# By arm: stand-in colour, marker. Colours differ for every kind of colour vision (after Okabe and
# Ito 2008), and no arm is told by colour alone.
STYLES = {
    "graft": ("#0072b2", "o"),
    "control": ("#c44f00", "s"),
    "scratch": ("#c44f00", "s"),
    "random-parent": ("#a0488b", "^"),
    "shuffled-parent": ("#00805e", "D"),
    "random-rows": ("#3a3a8c", "P"),
    "tfidf": ("#7a6a00", "v"),
    "parent": ("#6b6b6b", "X"),
}
INK, MUTED, RULE = "#111111", "#5f5f5f", "#d9d9d9"

_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    **{colour: name.replace("_", "-") for name, (colour, _) in STYLES.items() if name != "control"},
}
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 12,
    "axes.labelsize": 12,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.linewidth": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 11.5,
    "ytick.labelsize": 11.5,
    "lines.linewidth": 2,
    "lines.markersize": 6,
    "legend.frameon": False,
    "legend.fontsize": 11.5,
    "legend.labelcolor": INK,
    "axes.formatter.useoffset": False,
}


def style(arm: str) -> tuple[str, str]:
    """Colour and marker of an arm."""
    return STYLES.get(arm, (MUTED, "P"))


def draw(
    name: str, paint: Callable[[Axes], None], *, height: float = 250, width: float = WIDTH
) -> Markup:
    """An SVG element.

    Args:
        name: of the figure, unlike all others on the page: identifiers inside begin with it.
        paint: draws on the axes.
        height: in units of which the figure is `width` wide.
    """
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        # The page's font is not ours: whether the one that text is measured with has a letter or
        # not is of no interest.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        drawing = Drawing(figsize=(width / 72, height / 72), layout="constrained")
        drawing.patch.set_alpha(0)
        paint(drawing.subplots())
        out = io.StringIO()
        canvas: Any = FigureCanvasSVG(drawing)
        canvas.print_svg(out, metadata={"Date": None})
    return Markup(_inline(out.getvalue(), name))


def legend(axes: Axes, columns: int = 2) -> None:
    """A legend above the axes, where it hides no data."""
    handles, labels = axes.get_legend_handles_labels()
    axes.get_figure(root=True).legend(  # type: ignore[union-attr]
        handles, labels, loc="outside upper left", ncols=columns, handlelength=1.6, borderpad=0.1
    )


def _inline(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:xmlns(?::\w+)?|version)="[^"]*"', "", svg)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg)
    svg = re.sub(r' id="(?![mp][0-9a-f]{10}")[^"]*"', "", svg)
    key = re.sub(r"\W+", "-", name)
    svg = re.sub(r' id="', f' id="{key}-', svg)
    svg = svg.replace("url(#", f"url(#{key}-").replace('xlink:href="#', f'href="#{key}-')
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    svg = re.sub(r"(\d+\.\d{2})\d+", r"\1", svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    # The caption beside it says what it shows; a screen reader need not spell out the axes.
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(key)}"', 1).strip()
