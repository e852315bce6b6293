"""Figures as the report takes them: rounded, and nothing that JSON cannot hold."""

from __future__ import annotations

import math


def figure(value: float | None, digits: int = 4) -> float | None:
    """`value` rounded; None for what is no number or has no end."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits)
