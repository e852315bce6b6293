"""Log lines: for people or for machines, with the id of the request."""

from __future__ import annotations

import json
import logging
from typing import Any

from lingraft.server import logs


def _record(**extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("lingraft", logging.INFO, __file__, 1, "call %d", (3,), None)
    record.__dict__.update(logs.fields(**extra))
    return record


def test_plain_lines_end_with_their_values() -> None:
    """`name=value`, so that they can be searched."""
    logs.request_id.set("r-7")
    line = logs.PlainLines().format(_record(code="OK"))
    assert line.endswith("INFO r-7 call 3 code=OK")


def test_json_lines_hold_values_as_columns_and_the_traceback() -> None:
    """One object, whatever is in it."""
    record = _record(code="INTERNAL")
    try:
        raise ValueError("ẹ")
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    line = json.loads(logs.JsonLines().format(record))
    assert (line["code"], line["message"], line["level"]) == ("INTERNAL", "call 3", "info")
    assert "ValueError: ẹ" in line["traceback"]
