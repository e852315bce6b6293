"""Was anybody still learning when training ended?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lingraft.training.report import words
from lingraft.training.report.blocks import Block, Cell, Exhibit, Figure, Missing, Section, Table
from lingraft.training.report.figures import plots
from lingraft.training.report.schema import Document, Pursuit

_FEWEST = 2  # points of a curve


def learning(report: Document) -> Section | Missing:
    """Dev scores on the way, and how each control was still rising."""
    title = "Was anybody still learning at the end?"
    metric = next((result["metric"] for result in report.get("results") or []), "score")
    curves = _curves(report.get("arms") or {})
    pursuits = report.get("pursuits") or []
    if not curves and not pursuits:
        return Missing(title, "The arms were not scored often enough on their way to tell.")
    blocks: list[Block] = []
    if curves:
        svg = plots.curves("learning", curves, ("training steps", f"{metric} on dev"))
        blocks.append(Figure(svg, "Scores of the first run of each arm while it trained."))
    if pursuits:
        blocks.append(_table(pursuits, words.digits(metric)))
    exhibit = Exhibit(
        "The arms on their way",
        blocks,
        "All arms had leave for as many steps. An alternative that still rises at the end has not "
        "shown what it can: the gap may be a head start and no knowledge.",
        _do(pursuits),
    )
    return Section("learning", title, "Still learning", [exhibit])


def _curves(arms: Mapping[str, Any]) -> list[plots.Series]:
    found: list[plots.Series] = []
    for name, arm in arms.items():
        points = arm.get("dev_scores") or []
        if len(points) >= _FEWEST:
            steps = [step for step, _ in points]
            found.append((name, steps, [{"value": score} for _, score in points]))
    return found


def _table(pursuits: Sequence[Pursuit], decimals: int) -> Table:
    columns = ("arm", "behind the graft", "as many steps again would add", "enough to be there")
    return Table(columns, [_row(each, decimals) for each in pursuits])


def _row(found: Pursuit, decimals: int) -> list[Cell]:
    return words.cells(
        words.arm_cell(found["arm"]),
        words.number(found["gap"], decimals),
        words.number(found["again"], decimals, sign=True),
        "yes" if found["catches_up"] else "no",
    )


def _do(pursuits: Sequence[Pursuit]) -> str:
    if not pursuits:
        return "Look whether an alternative still rises at the end: then train all arms longer."
    if any(each["catches_up"] for each in pursuits):
        return "Train all arms longer before you believe the gap; until then the graft is held."
    return "Nothing to do: as many steps again would not bring it to where the graft is."
