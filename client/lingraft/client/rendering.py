"""Results for people and for programs: tables, lines, JSON. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from lingraft.client.errors import ServiceError
from lingraft.client.results import (
    Calibration,
    Classification,
    LanguageDetection,
    LanguagePair,
    Metric,
    Model,
    Translation,
)
from lingraft.client.texts import Item

Answered: TypeAlias = Translation | Classification | LanguageDetection


def document(content: dict[str, Any]) -> str:
    """One JSON document, letters as they are."""
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def error_entry(error: ServiceError) -> dict[str, Any]:
    """An error as JSON."""
    return {
        "code": error.code.name,
        "reason": error.reason,
        "message": error.message,
        "violations": [asdict(each) for each in error.violations],
        "retry_delay_s": error.retry_delay_s,
    }


def item_entry(item: Item, answer: Answered | ServiceError) -> dict[str, Any]:
    """A text and what became of it, as JSON: the fields of the answer, or `error`."""
    entry = {"number": item.number, "source": item.text}
    if isinstance(answer, ServiceError):
        return entry | {"error": error_entry(answer)}
    return entry | asdict(answer)


def error_line(error: ServiceError) -> str:
    """An error as one sentence, with its reason and every faulty field it does not name itself."""
    unsaid = [
        f"{each.field}: {each.description}"
        for each in error.violations
        if each.description not in error.message
    ]
    reason = f" [{error.reason}]" if error.reason else ""
    return "; ".join([error.message, *unsaid]) + reason


def warnings(answer: Answered) -> tuple[str, ...]:
    """What the reader of an answer should know."""
    return () if isinstance(answer, LanguageDetection) else answer.warnings


def answer_line(answer: Answered) -> str:
    """An answer as one line, its parts separated by tabs.

    The translation and its alternatives; or the labels and their calibration; or each language with
    its probability.
    """
    if isinstance(answer, LanguageDetection):
        return "\t".join(f"{each.language} {each.confidence:.3f}" for each in answer.candidates)
    if isinstance(answer, Translation):
        return "\t".join([answer.text, *(each.text for each in answer.alternatives)])
    labels = ", ".join(f"{label.name} {label.score:.3f}" for label in answer.labels)
    return f"{labels}\t{_evidence(answer.calibration)}"


def model_table(models: Sequence[Model]) -> str:
    """One line for each model."""
    head = ("MODEL", "TASK", "STATE", "PRECISION", "DOES", "LICENCE")
    return _table(
        head,
        [
            (m.name, m.task.lower(), m.state.lower(), m.precision.lower(), _does(m), m.licence)
            for m in models
        ],
    )


def pair_table(pairs: Sequence[LanguagePair]) -> str:
    """One line for each pair, with its first metric, the gain over its controls and the verdict."""
    head = ("FROM", "TO", "STATUS", "QUALITY", "GAIN", "VERDICT", "MODEL")
    return _table(
        head,
        [
            (
                pair.source_language,
                pair.target_language,
                pair.status.lower(),
                _figure(pair.metrics[0] if pair.metrics else None),
                _figure(pair.transfer.gain if pair.transfer else None),
                pair.transfer.verdict.lower() if pair.transfer else "-",
                pair.model,
            )
            for pair in pairs
        ],
    )


def _does(model: Model) -> str:
    pairs = [f"{source}-{target}" for source, target, _ in model.pairs]
    return " ".join(pairs or model.labels)


def _evidence(calibration: Calibration) -> str:
    if not calibration.calibrated:
        return "not calibrated"
    language = calibration.language or "all languages"
    return f"calibrated for {language} on {calibration.size} texts, error {calibration.ece:.3f}"


def _figure(metric: Metric | None) -> str:
    if metric is None:
        return "not measured"
    interval = (
        f" [{metric.ci_low:.2f}, {metric.ci_high:.2f}]"
        if metric.ci_low is not None and metric.ci_high is not None
        else ""
    )
    return f"{metric.name} {metric.value:.2f}{interval} on {metric.test_set} ({metric.size})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [list(head), *([cell or "-" for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join(lines) + "\n"
