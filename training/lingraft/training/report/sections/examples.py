"""Sentences side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lingraft.training.report import words
from lingraft.training.report.blocks import Exhibit, Missing, Section, Sentences, Text
from lingraft.training.report.schema import Document

_MOST = 20  # of a kind: a page is to be read
_LONGEST = 700  # characters
_KINDS = (
    ("worst", "The worst sentences", "These pull the score down: see what they have in common."),
    ("best", "The best sentences", "This is as good as it gets: would it be good enough for you?"),
    ("", "A sample", "Drawn evenly from the test text, neither the best nor the worst."),
)


def examples(report: Document) -> Section | Missing:
    """Source, right answer and each arm's answer."""
    title = "What does it look like?"
    found = report.get("examples") or []
    if not found:
        return Missing(title, "Sentences are left out of this report.")
    exhibits = [
        Exhibit(
            heading,
            [_sentences(example) for example in chosen[:_MOST]],
            meaning,
            "Read some aloud to somebody who speaks the language; no score replaces that.",
        )
        for kind, heading, meaning in _KINDS
        if (chosen := [e for e in found if e.get("kind", "") == kind])
    ]
    return Section("examples", title, "Sentences", exhibits)


def _sentences(example: Mapping[str, Any]) -> Sentences:
    source, target = words.sides(str(example.get("direction", "")))
    source = str(example.get("source_language", source or example.get("language", "")))
    target = str(example.get("target_language", target))
    rows = [
        (label, code, shortened(str(example[key])), "")
        for key, label, code in (
            ("source", "source", source),
            ("text", "text", source),
            ("reference", "right answer", target),
            ("label", "right label", ""),
        )
        if example.get(key) is not None
    ]
    rows += [
        (words.arm(arm), target, shortened(str(example[arm])), arm)
        for arm in words.ARMS
        if example.get(arm) is not None
    ]
    return Sentences(_head(example), rows)


def _head(example: Mapping[str, Any]) -> Text:
    where = words.direction(str(example.get("direction") or example.get("language") or ""))
    if (score := example.get("score")) is None:
        return where
    return words.join(f"{where}, score " if where else "score ", words.number(float(score)))


def shortened(text: str) -> str:
    """The beginning of a text that would fill a page."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()} …"
