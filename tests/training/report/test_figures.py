"""Figures: the same bytes, the page's colours, no arm told by colour alone."""

from __future__ import annotations

import re
from typing import Any

from lingraft.training.report.figures import canvas, plots

_GAIN = {"value": 1.0, "low": 0.5, "high": 1.5}
_NONE = {"value": 0.2, "low": -0.5, "high": 0.9}


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _themes() -> list[dict[str, str]]:
    """The colours of light and dark."""
    from lingraft.training.report.page import _TEMPLATES

    css = (_TEMPLATES / "page.css").read_text("utf-8")
    roots = re.findall(r":root \{(.*?)\n\s*\}", css, re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", root)) for root in roots]


def test_the_same_figures_give_the_same_bytes() -> None:
    """And other names other identifiers, so that many can stand in one page."""
    rows = [("en-yo", _GAIN), ("en-sd", _NONE)]
    one, two = (plots.forest("gain", rows, "chrF++") for _ in range(2))
    assert one == two
    other = plots.forest("other", rows, "chrF++")
    ids = [set(re.findall(r' id="([^"]*)"', svg)) for svg in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_figures_take_their_colours_from_the_page() -> None:
    """Nothing but variables, or dark mode would hide it; and no date, maker or address."""
    svg = plots.forest("gain", [("en-yo", _GAIN)], "chrF++")
    assert re.findall(r"#[0-9a-f]{6}\b", svg) == []
    variables = set(re.findall(r"var\(--([\w-]+)\)", svg))
    assert {"graft", "ink", "muted"} <= variables <= set(_themes()[0])
    assert not re.search(r"matplotlib|metadata|://|font-family", svg)
    assert "<text" in svg


def test_a_difference_that_chance_explains_is_hollow_and_dashed() -> None:
    """And one that it does not is neither."""
    shown = plots.forest("gain", [("a", _GAIN)], "x")
    unshown = plots.forest("gain", [("a", _NONE)], "x")
    assert "stroke-dasharray" not in shown
    assert "stroke-dasharray" in unshown


def test_arms_differ_in_shape_as_well_as_colour() -> None:
    """From scratch has two names, and one style."""
    styles = {arm: canvas.style(arm) for arm in canvas.STYLES if arm != "control"}
    colours, markers = zip(*styles.values(), strict=True)
    assert len(set(colours)) == len(set(markers)) == len(styles)
    assert canvas.style("control") == canvas.style("scratch")


def test_text_and_marks_can_be_told_from_the_ground() -> None:
    """WCAG 2.2 AA: text 4.5 to 1, marks 3 to 1, on light and dark, page and panel."""
    themes: list[dict[str, Any]] = list(_themes())
    assert len(themes) == 2
    arms = [arm.replace("_", "-") for arm in canvas.STYLES if arm != "control"]
    for theme in themes:
        badge = theme.get("on-badge", "#ffffff")
        for name in ("ink", "muted", "link", "pass", "refuse"):
            assert _contrast(theme[name], theme["paper"]) >= 4.5, name
        for name in ("ink", "muted"):
            assert _contrast(theme[name], theme["panel"]) >= 4.5, name
        for name in ("pass", "hold", "refuse"):
            assert _contrast(theme[name], badge) >= 4.5, name
        for name in arms:
            assert _contrast(theme[name], theme["paper"]) >= 3, name
