"""Log lines on standard error, plain or as JSON, each with the id of the request it belongs to.

A log never holds the texts of callers.
"""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="-")

_FIELDS = "fields"


def configure(level: str, style: str) -> None:
    """Sends everything of at least `level` to standard error; `style` is "plain" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else PlainLines())
    root = logging.getLogger("lingraft")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False


def fields(**values: object) -> dict[str, object]:
    """Values for `extra=` of a log call: columns of JSON, `name=value` in plain lines."""
    return {_FIELDS: values}


class PlainLines(logging.Formatter):
    """`time level request message name=value ...`, then the traceback where there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(request)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line."""
        record.request = request_id.get()
        values: dict[str, object] = getattr(record, _FIELDS, {})
        tail = "".join(f" {name}={value}" for name, value in values.items())
        first, separator, rest = super().format(record).partition("\n")
        return first + tail + separator + rest


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line."""
        line: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "request": request_id.get(),
            "message": record.getMessage(),
        }
        line.update(getattr(record, _FIELDS, {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
