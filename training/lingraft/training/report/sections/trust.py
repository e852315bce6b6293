"""Can its confidence be believed?"""

from __future__ import annotations

from collections.abc import Sequence

from lingraft.training.report import words
from lingraft.training.report.blocks import (
    Block,
    Cell,
    Exhibit,
    Figure,
    Figures,
    Missing,
    Section,
    Table,
)
from lingraft.training.report.figures import plots
from lingraft.training.report.schema import Calibration, Document

_GOOD = 0.05


def calibration(report: Document) -> Section | Missing:
    """Reliability plots, ECE and Brier score by language."""
    title = "Can its confidence be believed?"
    found = report.get("calibration") or []
    if not found:
        return Missing(title, "Not calibrated: do not use its confidence for decisions.")
    blocks: list[Block] = []
    if drawn := [each for each in found if each.get("bins")]:
        blocks.append(Figures([_reliability(each) for each in drawn]))
    columns = (
        *("", "method", "examples", "ECE before", "after", "on test"),
        *("Brier before", "after"),
    )
    blocks.append(Table(columns, [_row(each) for each in found]))
    exhibit = Exhibit(
        "Stated and real certainty",
        blocks,
        "When it says “80 % sure”, it should be right in 80 of 100 cases: then the dots lie on the "
        "dashed line. Below it, the model boasts. Hollow dots are "
        "from before the correction. ECE is the mean distance from that line; the "
        "Brier score also counts how bold the answers are. Less is better for both.",
        _advice(found),
    )
    return Section("calibration", title, "Confidence", [exhibit])


def _reliability(each: Calibration) -> Figure:
    name = words.direction(each["language"])
    svg = plots.reliability(
        f"reliability-{each['language']}", each["bins"], each.get("bins_before", ())
    )
    return Figure(svg, name)


def _row(each: Calibration) -> list[Cell]:
    calibrated = each.get("calibrated", "ece_after" in each)
    return words.cells(
        words.direction(each["language"]),
        str(each.get("method", "–")) if calibrated else "not calibrated",
        words.optional(each.get("size"), 0),
        words.optional(each.get("ece_before"), 3),
        words.optional(each.get("ece_after"), 3),
        words.optional(each.get("ece_on_test"), 3),
        words.optional(each.get("brier_before"), 3),
        words.optional(each.get("brier_after"), 3),
    )


def _advice(found: Sequence[Calibration]) -> str:
    names = {key: words.direction(key) for key in (each["language"] for each in found)}
    bare = [names[e["language"]] for e in found if not e.get("calibrated", "ece_after" in e)]
    poor = [
        names[e["language"]]
        for e in found
        if e.get("calibrated", True) and e.get("ece_after", 0.0) > _GOOD
    ]
    says = []
    if bare:
        says.append(f"Do not use the confidence in {', '.join(bare)}: it is not calibrated.")
    if poor:
        says.append(f"In {', '.join(poor)} take it as a rough guide only: ECE is above {_GOOD}.")
    return " ".join(says) or f"The confidence may be used: ECE is at most {_GOOD} everywhere."
