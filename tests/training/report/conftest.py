"""A report with everything in it; its figures are invented and its sentences written for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

_FULL = Path(__file__).parent / "full.json"


@pytest.fixture
def full_report() -> dict[str, Any]:
    """Every section."""
    content: dict[str, Any] = json.loads(_FULL.read_text("utf-8"))
    return content
