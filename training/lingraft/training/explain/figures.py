"""Figures as the report takes them: rounded, and nothing that JSON cannot hold."""

from __future__ import annotations

import math

from lingraft.training.explain.resampling import Interval


def figure(value: float | None, digits: int = 4) -> float | None:
    """`value` rounded; None for what is no number or has no end."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits)


def interval(found: Interval, digits: int = 4) -> dict[str, float | None]:
    """A figure with both its bounds."""
    return {name: figure(getattr(found, name), digits) for name in ("value", "low", "high")}
