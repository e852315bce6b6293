"""What it cost, and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lingraft.training.report import words
from lingraft.training.report.blocks import (
    Block,
    Cell,
    Exhibit,
    Facts,
    Missing,
    Section,
    Table,
    Text,
)
from lingraft.training.report.schema import Cost, Document, Provenance


def cost(report: Document) -> Section | Missing:
    """Seconds, target tokens and energy, by arm."""
    title = "What did it cost?"
    found = report.get("cost") or Cost()
    arms = found.get("arms") or []
    if not arms and "seconds" not in found:
        return Missing(title, "Time and energy were not measured.")
    rows = [_cost_row(words.arm_cell(str(arm["name"])), arm) for arm in arms]
    if "seconds" in found:
        rows.append(_cost_row(Cell("all", strong=True), found))
    blocks: list[Block] = [Table(("arm", "runs", "time", "target tokens", "kWh"), rows)]
    facts: list[tuple[str, Text]] = []
    if device := found.get("device"):
        facts.append(("computed on", device))
    if watts := found.get("watts"):
        facts.append(("energy reckoned with", words.number(watts, 0, unit=" W")))
    if facts:
        blocks.append(Facts(facts))
    known = any(arm.get("kwh") is not None for arm in (*arms, found))
    exhibit = Exhibit(
        "Time and energy",
        blocks,
        "Time is what training took, without waiting. "
        + (
            "Energy is an estimate: time times the power stated; it was not measured at the plug."
            if known
            else "Energy was not estimated."
        ),
        "The graft alone is what you would pay again; the other arms are the price of knowing.",
    )
    return Section("cost", title, "Cost", [exhibit])


def _cost_row(head: Cell, arm: Mapping[str, Any]) -> list[Cell]:
    seconds = arm.get("seconds")
    return words.cells(
        head,
        words.optional(arm.get("runs"), 0),
        words.DASH if seconds is None else words.hours(seconds),
        words.optional(arm.get("target_tokens"), 0),
        words.optional(arm.get("kwh"), 3),
    )


def provenance(report: Document) -> Section | Missing:
    """Parent, data with licences, versions, seeds, identity."""
    title = "What is it made of?"
    found = report.get("provenance") or Provenance()
    parent = report.get("parent") or {}
    if not found and not parent:
        return Missing(title, "Parent and data were not written down.")
    exhibits = [_origin(report, parent, found)]
    if data := found.get("data"):
        exhibits.append(_licences(data, found.get("licence")))
    return Section("provenance", title, "Origin", exhibits)


def _origin(report: Document, parent: Mapping[str, Any], found: Provenance) -> Exhibit:
    rows: list[tuple[str, Text]] = [
        ("parent", str(parent.get("name", "not stated"))),
        ("parent's sha256", str(parent.get("sha256", "not stated"))),
    ]
    if languages := parent.get("languages"):
        rows.append(("parent's languages", ", ".join(map(words.language, languages))))
    if licence := parent.get("licence"):
        rows.append(("parent's licence", str(licence)))
    if "training_rows" in report:
        rows.append(("rows trained on", words.number(report["training_rows"], 0)))
    if seeds := found.get("seeds"):
        rows.append(("seeds", ", ".join(map(str, seeds))))
    if identity := found.get("identity"):
        rows.append(("identity of the run", identity))
    rows += [
        (f"sha256 of {t['name']}", str(t.get("sha256", "not stated")))
        for t in found.get("tests") or []
    ]
    rows += [(name, version) for name, version in (found.get("versions") or {}).items()]
    return Exhibit(
        "Parent, seeds and versions",
        [Facts(rows)],
        "The long numbers are fingerprints: the same file always has the same one, and a changed "
        "file never does.",
        "To repeat the experiment, compare the fingerprints first.",
    )


def _licences(data: list[dict[str, Any]], licence: str | None) -> Exhibit:
    rows = [
        words.cells(
            str(each["name"]),
            str(each.get("use", "–")),
            words.optional(each.get("rows"), 0),
            str(each.get("licence", "not stated")),
        )
        for each in data
    ]
    follows = f"Publish the graft under {licence}, or ask the owners." if licence else ""
    return Exhibit(
        "Text and its licences",
        [Table(("text", "used for", "rows", "licence"), rows)],
        f"What was trained on binds what came of it. The strictest licence is {licence}."
        if licence
        else "What was trained on binds what came of it. No licence was worked out.",
        follows or "Find out under which licence the text stands before you publish.",
    )
