"""When two sentences count as the same."""

from __future__ import annotations


def key(text: str) -> str:
    """What two sentences share when only case, spacing or closing punctuation tells them apart."""
    return " ".join(text.lower().split()).rstrip(" .!?…")
