"""Which parts of the parent were used: layers, barrier, shuffled blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lingraft.training.report import words
from lingraft.training.report.blocks import Block, Exhibit, Figure, Missing, Section, Table
from lingraft.training.report.figures import plots
from lingraft.training.report.schema import Document

_LAYER_COLUMNS = (
    ("cka", "likeness (CKA)", 2),
    ("distance", "distance moved", 2),
    ("relative_distance", "moved, relative", 3),
    ("rewound", "loss, set back", 3),
    ("reinitialised", "loss, made afresh", 3),
)
_MOST_DRAWN = 40  # modules in one figure


def reuse(report: Document) -> Section | Missing:
    """Layer table, straight-line barrier, shuffled inputs."""
    title = "Which parts of the parent were used?"
    found = report.get("explanation") or {}
    exhibits = [
        exhibit
        for exhibit in (
            _layers(found.get("layers") or []),
            _barrier(found.get("barrier") or {}),
            _shuffled(found.get("shuffled") or []),
        )
        if exhibit
    ]
    if not exhibits:
        return Missing(title, "The layers of parent and graft were not compared.")
    return Section("reuse", title, "What was reused", exhibits)


def _layers(layers: Sequence[Mapping[str, Any]]) -> Exhibit | None:
    if not layers:
        return None
    used = [
        column for column in _LAYER_COLUMNS if any(e.get(column[0]) is not None for e in layers)
    ]
    rows = [
        words.cells(
            str(each["module"]),
            *(words.optional(each.get(key), decimals) for key, _, decimals in used),
        )
        for each in layers
    ]
    table = Table(("part of the model", *(name for _, name, _ in used)), rows)
    drawable = any(each.get("reinitialised") is not None for each in layers)
    blocks: list[Block] = [table]
    if drawable and len(layers) <= _MOST_DRAWN:
        caption = (
            "The loss when one part is taken from the parent again, and when it is made afresh. "
            "The further right the square, the more the model rests on that part."
        )
        blocks.insert(0, Figure(plots.modules("layers", layers), caption))
    return Exhibit(
        "Part by part",
        blocks,
        "A part that is like the parent's (CKA near 1), has hardly moved and cannot be made afresh "
        "without harm is knowledge that came over. A part that can be made afresh at no cost "
        "brought nothing.",
        _layer_advice(layers),
    )


def _layer_advice(layers: Sequence[Mapping[str, Any]]) -> str:
    gaps = {
        str(each["module"]): each["reinitialised"] - each["rewound"]
        for each in layers
        if each.get("reinitialised") is not None and each.get("rewound") is not None
    }
    if not gaps:
        return "Parts that hardly moved may be held still next time, which saves time."
    most = max(gaps, key=lambda module: gaps[module])
    return (
        f"Most rests on {most}: keep it from the parent. Parts whose two marks lie together may "
        "be trained afresh, or left out of the parent."
    )


def _barrier(barrier: Mapping[str, Any]) -> Exhibit | None:
    points, losses = barrier.get("points"), barrier.get("losses")
    if not points or not losses:
        return None
    series = [("graft", points, [{"value": loss} for loss in losses])]
    ends = [(0, "parent"), (0.5, "half way"), (1, "graft")]
    svg = plots.curves("barrier", series, ("mix of the weights", "loss on dev"), ticks=ends)
    height = barrier.get("height")
    caption = words.join(
        "Loss of models that lie between parent and graft",
        "." if height is None else ". Height of the barrier: ",
        "" if height is None else words.number(height, 3),
        "" if height is None else ".",
    )
    return Exhibit(
        "The way from parent to graft",
        [Figure(svg, caption)],
        "If the loss falls without a hill between them, the graft grew out of the parent. A hill "
        "says that training left the parent's valley and began anew.",
        "With a hill, try a smaller learning rate: knowledge may have been thrown away at the "
        "start.",
    )


def _shuffled(rows: Sequence[Mapping[str, Any]]) -> Exhibit | None:
    if not rows:
        return None
    arms = [arm for arm in ("graft", "control") if all(row.get(arm) is not None for row in rows)]
    columns = range(len(rows))
    series = [(arm, list(columns), [{"value": row[arm]} for row in rows]) for arm in arms]
    ticks = [(i, str(row["block"])) for i, row in enumerate(rows)]
    blocks: list[Block] = []
    if series:
        label = "words that stay together"
        svg = plots.curves("shuffled", series, (label, "score or loss"), ticks=ticks)
        blocks.append(Figure(svg, "What is left when the source is cut into blocks and mixed."))
    table_rows = [
        words.cells(str(row["block"]), *(words.optional(row[arm], 2) for arm in arms))
        for row in rows
    ]
    blocks.append(Table(("words in a block", *map(words.arm, arms)), table_rows))
    return Exhibit(
        "With the words out of order",
        blocks,
        "Where order is destroyed, only knowledge of single words helps. If the graft keeps its "
        "lead there, what came over is mostly words; if it loses it, it is grammar too.",
        "A lead in single words only can be had more cheaply, through the vocabulary alone.",
    )
