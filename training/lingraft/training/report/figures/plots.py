"""The kinds of figures: each takes figures of the report and gives an SVG element."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes

from lingraft.training.report import words
from lingraft.training.report.figures.canvas import INK, MUTED, RULE, draw, legend, style

Series = tuple[str, Sequence[float], Sequence[Mapping[str, Any]]]  # arm, x, value (low, high)

_ROW = 30
_AXIS = 62


def forest(name: str, rows: Sequence[tuple[str, Mapping[str, Any]]], unit: str) -> Markup:
    """Gains with their intervals, one below another; hollow where chance explains them."""

    def paint(axes: Axes) -> None:
        axes.axvline(0, color=INK, linewidth=1.2)
        for y, (_, gain) in enumerate(rows):
            colour = style("graft")[0]
            axes.plot([gain["low"], gain["high"]], [y, y], color=colour, solid_capstyle="butt")
            fill = "none" if words.crosses_zero(gain) else colour
            axes.plot(gain["value"], y, "o", color=colour, markerfacecolor=fill, markersize=8)
            if fill == "none":
                axes.lines[-2].set_linestyle((0, (3, 2)))
        _rows(axes, [label for label, _ in rows])
        axes.set_xlabel(f"graft less the best alternative, {unit}")
        _around_zero(axes)

    return draw(name, paint, height=_AXIS + _ROW * len(rows))


def _around_zero(axes: Axes) -> None:
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -0.08 * (high - low)), max(high, 0.08 * (high - low)))


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def arms(name: str, results: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> Markup:
    """Each arm's seeds and their mean, by test set."""
    names = list(dict.fromkeys(arm["name"] for result in results for arm in result["arms"]))
    step = 0.72 / max(1, len(names))

    def paint(axes: Axes) -> None:
        for i, arm in enumerate(names):
            colour, marker = style(arm)
            shift = (i - (len(names) - 1) / 2) * step
            for y, result in enumerate(results):
                found = [a for a in result["arms"] if a["name"] == arm]
                for each in found:
                    seeds = each["scores"]
                    axes.plot(seeds, [y + shift] * len(seeds), "|", color=colour, markersize=9)
                    axes.plot(each["mean"], y + shift, marker, color=colour, markersize=7)
            axes.plot([], [], marker, color=colour, label=words.arm(arm))
        _rows(axes, labels)
        axes.set_xlabel(str(results[0]["metric"]))
        legend(axes)

    lines = -(-len(names) // 2)
    height = _AXIS + 20 * lines + max(34, 15 * len(names)) * len(results)
    return draw(name, paint, height=height)


def curves(
    name: str,
    series: Sequence[Series],
    labels: tuple[str, str],
    *,
    ticks: Sequence[tuple[float, str]] = (),
    log: bool = False,
    mark: tuple[float, str] | None = None,
) -> Markup:
    """Lines with bands, over a plain or a logarithmic axis; `mark` is a named place on it."""

    def paint(axes: Axes) -> None:
        for arm, xs, values in series:
            colour, marker = style(arm)
            ys = [math.nan if v["value"] is None else v["value"] for v in values]
            axes.plot(xs, ys, marker, ls="-", color=colour, label=words.arm(arm))
            if all("low" in v and "high" in v for v in values):
                lows, highs = [v["low"] for v in values], [v["high"] for v in values]
                axes.fill_between(xs, lows, highs, color=colour, alpha=0.18, linewidth=0)
        if log:
            axes.set_xscale("log")
            axes.minorticks_off()
        if ticks:
            axes.set_xticks([x for x, _ in ticks], [label for _, label in ticks])
        if mark:
            axes.axvline(mark[0], color=INK, linewidth=1.2, linestyle=(0, (3, 2)), label=mark[1])
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        axes.grid(axis="y")
        if len(series) > 1 or mark:
            legend(axes)

    return draw(name, paint)


def modules(name: str, layers: Sequence[Mapping[str, Any]]) -> Markup:
    """How much the loss rises when one module is rewound to the parent, or made afresh."""
    kinds = (("rewound", "set back to the parent", "graft"), ("reinitialised", "made afresh", ""))

    def paint(axes: Axes) -> None:
        for y, layer in enumerate(layers):
            ends = [layer[key] for key, *_ in kinds if layer.get(key) is not None]
            if len(ends) == 2:
                axes.plot(ends, [y, y], color=RULE, linewidth=2.5, zorder=1)
        for key, label, arm in kinds:
            points = [
                (layer[key], y) for y, layer in enumerate(layers) if layer.get(key) is not None
            ]
            colour, marker = style(arm) if arm else style("scratch")
            axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                marker,
                color=colour,
                label=label,
                ls="",
                zorder=2,
            )
        _rows(axes, [str(layer["module"]) for layer in layers])
        axes.set_xlabel("loss on dev, nats per piece (further right: needed more)")
        legend(axes)

    return draw(name, paint, height=_AXIS + 24 + 22 * len(layers))


def reliability(
    name: str, bins: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]] = ()
) -> Markup:
    """Stated confidence against how often it was right; the area of a mark tells how many."""
    full = max(b.get("count", 0) for b in bins) or 1

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 2)))
        old = [(b["confidence"], b["accuracy"]) for b in before if _full(b)]
        axes.plot(
            [x for x, _ in old], [y for _, y in old], "o", color=MUTED, markerfacecolor="none"
        )
        filled = [b for b in bins if _full(b)]
        xs, ys = [b["confidence"] for b in filled], [b["accuracy"] for b in filled]
        colour = style("graft")[0]
        axes.plot(xs, ys, color=colour, linewidth=1.2)
        sizes = [12 + 70 * b["count"] / full for b in filled]
        axes.scatter(xs, ys, s=sizes, color=colour, zorder=2)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.02)
        axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
        axes.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
        axes.set_xlabel("it said it was so sure")
        axes.set_ylabel("it was right")
        axes.set_aspect("equal")
        axes.grid()

    return draw(name, paint, height=200, width=200)


def _full(each: Mapping[str, Any]) -> bool:
    """Whether a bin holds answers."""
    return bool(each.get("count")) and {"confidence", "accuracy"} <= each.keys()
