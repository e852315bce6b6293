"""Held-out sentences with their references."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TestSet:
    """Sentences of one direction with their references."""

    name: str
    source_language: str
    target_language: str
    sources: tuple[str, ...]
    references: tuple[str, ...]

    @property
    def direction(self) -> str:
        """For people: "en-yo"."""
        return f"{self.source_language}-{self.target_language}"
