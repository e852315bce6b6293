"""The transfer report: a page, JSON with the same content, and Markdown."""

from __future__ import annotations

import json
from pathlib import Path

from lingraft.training.report.classification import classification_report
from lingraft.training.report.markdown import as_markdown
from lingraft.training.report.measured import Report
from lingraft.training.report.page import as_html
from lingraft.training.report.schema import Document, complete
from lingraft.training.report.translation import translation_report

__all__ = [
    "Report",
    "as_html",
    "as_json",
    "as_markdown",
    "classification_report",
    "translation_report",
    "write_report",
]


def as_json(report: Document | Report) -> bytes:
    """The report as UTF-8 JSON, with all that follows from the rest (`schema.complete`)."""
    return (json.dumps(complete(report), ensure_ascii=False, indent=1) + "\n").encode()


def write_report(report: Document | Report, folder: Path) -> None:
    """`report.html`, `report.json` and `report.md` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(as_json(report))
    (folder / "report.md").write_text(as_markdown(report), encoding="utf-8")
    (folder / "report.html").write_text(as_html(report), encoding="utf-8")
