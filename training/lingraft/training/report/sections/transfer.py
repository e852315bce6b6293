"""What kind of transfer it was, and what moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

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
from lingraft.training.report.schema import Document, Stage, Transfer, VocabularyPreview

_KINDS = {
    "inductive": "inductive: there were labelled examples in the new language",
    "transductive": "transductive: labels in the old language only, plain text in the new",
    "unsupervised": "unsupervised: no labelled examples at all, plain text only",
}
_MOVES = {
    "parameters": "parameters (the weights of the parent)",
    "instances": "instances (some of the parent's sentences)",
}


def transfer(report: Document) -> Section | Missing:
    """Kind, stages, settings and vocabulary."""
    title = "What was moved, and how?"
    found = report.get("transfer") or Transfer()
    exhibits = [
        exhibit
        for exhibit in (
            _kind(found),
            _stages(found.get("stages") or []),
            _settings(report.get("arms") or {}),
            _spared(report.get("arms") or {}),
            _vocabulary(found.get("vocabulary") or VocabularyPreview()),
        )
        if exhibit
    ]
    if not exhibits:
        return Missing(title, "The kind of transfer and its stages were not written down.")
    return Section("transfer", title, "Method", exhibits)


def _kind(found: Transfer) -> Exhibit | None:
    if not (kind := found.get("kind")):
        return None
    moves = ", ".join(_MOVES.get(each, each) for each in found.get("moves", [])) or "not stated"
    return Exhibit(
        "The kind of transfer",
        [Facts((("kind", _KINDS.get(kind, kind)), ("what moved", moves)))],
        "The kind says what the new language had to offer; the tool checked that the data fits.",
        "Compare this report only with others of the same kind.",
    )


def _stages(stages: Sequence[Stage]) -> Exhibit | None:
    if not stages:
        return None
    rows = [
        words.cells(
            str(stage["name"]),
            str(stage.get("method", "–")),
            words.optional(stage.get("steps"), 0),
            _rate(stage.get("learning_rate")),
            ", ".join(stage.get("frozen") or []) or "nothing",
            str(stage.get("optimiser", "–")),
            ", ".join(stage.get("data") or []) or "–",
        )
        for stage in stages
    ]
    columns = ("stage", "method", "steps", "learning rate", "held still", "optimiser", "text")
    return Exhibit(
        "Stage by stage",
        [Table(columns, rows)],
        "Training goes through these stages from top to bottom. What is held still keeps the "
        "parent's values; the optimiser's memory of earlier steps is either kept or reset.",
        "To repeat the experiment, take these values; the learning rate matters most.",
    )


def _rate(rate: float | None) -> Text:
    return words.DASH if rate is None else words.exact(rate)


def _spared(arms: Mapping[str, Any]) -> Exhibit | None:
    notes = [(words.arm(name), note) for name, arm in arms.items() for note in arm.get("notes", [])]
    if not notes:
        return None
    return Exhibit(
        "What an arm could not do",
        [Facts(tuple(notes))],
        "A control that is too weak for a stage goes on without it; the graft never does.",
        "Read its scores as those of a control that had less training than the graft.",
    )


def _settings(arms: Mapping[str, Any]) -> Exhibit | None:
    rows = [_chosen(name, arm) for name, arm in arms.items() if arm.get("chosen")]
    if not rows:
        return None
    columns = ("arm", "learning rate", "dropout", "tried", "at an edge", "steps", "best at step")
    return Exhibit(
        "The settings of each arm",
        [Table(columns, rows)],
        "Every arm could choose from the same settings. An alternative that was tuned less would "
        "make the graft look better than it is.",
        "Where a choice stands at an edge of what was tried, a wider grid may hold a better one. "
        "It matters most for the alternatives: widen the grid in the recipe.",
    )


def _chosen(name: str, arm: Mapping[str, Any]) -> list[Cell]:
    chosen = arm["chosen"]
    return words.cells(
        words.arm_cell(name),
        _rate(chosen.get("learning_rate")),
        _rate(chosen.get("dropout")),
        Markup(max(1, len(arm.get("grid") or []))),
        _edge(chosen, arm.get("grid") or []),
        words.optional(arm.get("steps"), 0),
        words.optional(arm.get("best_step"), 0),
    )


def _edge(chosen: Mapping[str, Any], grid: Sequence[Mapping[str, Any]]) -> str:
    """At which ends of the tried values the choice stands."""
    ends = []
    for key, label in (("learning_rate", "rate"), ("dropout", "dropout")):
        tried = sorted({point[key] for point in grid if key in point})
        if len(tried) > 1 and (value := chosen.get(key)) in (tried[0], tried[-1]):
            ends.append(f"{'lowest' if value == tried[0] else 'highest'} {label}")
    return ", ".join(ends) or "–"


def _vocabulary(found: VocabularyPreview) -> Exhibit | None:
    coverage, fertility = found.get("coverage") or {}, found.get("fertility") or {}
    facts = [
        (label, _piece(value))
        for label, key in (
            ("method", "method"),
            ("new rows begin as", "initialisation"),
            ("pieces", "pieces"),
            ("new pieces", "new_pieces"),
        )
        if (value := found.get(key)) is not None
    ]
    rows = [
        words.cells(
            words.language(code),
            "–" if code not in coverage else words.percent(coverage[code]),
            words.optional(fertility.get(code), 2),
        )
        for code in dict.fromkeys((*coverage, *fertility))
    ]
    blocks: list[Block] = [Facts(facts)] if facts else []
    if rows:
        blocks.append(Table(("language", "pieces that the parent knew", "pieces per word"), rows))
    if not blocks:
        return None
    return Exhibit(
        "The vocabulary",
        blocks,
        "A model reads words in pieces. Pieces that the parent knew bring meaning along. Where a "
        "word takes three pieces or more, the language is read in scraps of a few letters.",
        "With many pieces per word, or few known ones, extend the vocabulary before training.",
    )


def _piece(value: object) -> Text:
    return words.number(value, 0) if isinstance(value, int) else str(value)
