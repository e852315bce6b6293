"""Was the test fair, and which of the parent's sentences were taken along?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from lingraft.training.report.schema import Contamination, Document, Instances
from lingraft.training.report.sections.examples import shortened

_MOST = 10


def contamination(report: Document) -> Section | Missing:
    """What stood in training and in a test, and was dropped."""
    title = "Was the test fair?"
    found = report.get("contamination") or Contamination()
    dropped = found.get("dropped", report.get("rows_dropped_for_overlap"))
    if dropped is None:
        return Missing(title, "Training text was not compared with the test text.")
    facts: list[tuple[str, Text]] = [("rows left out of training", words.number(dropped, 0))]
    for key, label in (("exact", "of these the same"), ("near", "of these nearly the same")):
        if key in found:
            facts.append((label, words.number(found[key], 0)))  # type: ignore[literal-required]
    if (openings := report.get("test_openings")) is not None:
        facts.append(("test text opened", words.times(openings)))
    blocks: list[Block] = [Facts(facts)]
    if files := found.get("files"):
        blocks.append(_overlaps(files))
    exhibit = Exhibit(
        "Training text that was also test text",
        blocks,
        "A model that has seen the exam gets marks it does not deserve. Rows of the training text "
        "that stand in a test, on either side, were left out before training.",
        "Nothing to do, unless a large share of your text was left out: then choose another test.",
    )
    return Section("contamination", title, "Fair test", [exhibit])


def _overlaps(files: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        words.cells(
            str(each.get("train", "–")),
            str(each.get("test", "–")),
            words.optional(each.get("exact"), 0),
            words.optional(each.get("near"), 0),
        )
        for each in files
    ]
    return Table(("training text", "test text", "same", "nearly the same"), rows)


def instances(report: Document) -> Section | Missing:
    """The most helpful and the most harmful of the parent's sentences."""
    title = "Which of the parent's sentences helped?"
    found = report.get("instances") or Instances()
    if not found:
        return Missing(title, "The parent's own sentences were not chosen or weighed one by one.")
    facts = [("method", str(found["method"]))] if "method" in found else []
    if "kept" in found:
        facts.append(("kept", words.number(found["kept"], 0)))
    if "of" in found:
        facts.append(("out of", words.number(found["of"], 0)))
    blocks: list[Block] = [Facts(facts)] if facts else []
    for heading, rows in (
        ("Most helpful: most like the new language's text", found.get("helpful")),
        ("Most harmful: least like it", found.get("harmful")),
    ):
        if rows:
            table = [_instance(row) for row in rows[:_MOST]]
            blocks.append(Table(("score", "source", "target"), table, heading=heading))
    exhibit = Exhibit(
        "Sentences taken along",
        blocks,
        "Each of the parent's sentences was scored by how much it is like the text that the graft "
        "is for. High scores were used more, low scores less or not at all.",
        "Read both lists. If good sentences stand among the least like, keep more of them.",
    )
    return Section("instances", title, "Parent's sentences", [exhibit])


def _instance(row: Mapping[str, Any]) -> list[Cell]:
    score = row.get("score", row.get("weight"))
    source, target = words.sides(str(row.get("direction", "")))
    return [
        *words.cells(words.optional(score, 2)),
        Cell(
            shortened(str(row.get("source", row.get("text", "–")))),
            language=str(row.get("source_language", source or row.get("language", ""))),
        ),
        Cell(
            shortened(str(row.get("target", "–"))),
            language=str(row.get("target_language", target)),
        ),
    ]
