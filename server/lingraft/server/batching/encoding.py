"""How many newcomers are encoded between two steps, and how they are grouped."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lingraft.server.batching.work import SourceEntry

# Tensors of a pass stay in a core's second-level cache up to about so many pieces.
_PASS_TOKENS = 256
# What a pass of its own costs, in pieces: it reads all weights. So much padding is cheaper.
_PASS_PADDING = 32
# What one measured second still counts for after the next.
_MEMORY = 0.8


class Pace:
    """How fast sources are encoded, from passes that were measured; younger ones count more."""

    def __init__(self, bound_s: float) -> None:
        self._bound_s = bound_s
        self._seconds, self._tokens = 0.0, 0.0

    def measured(self, tokens: int, seconds: float) -> None:
        """Told of every pass: pieces, padding included, and the time it took."""
        self._tokens = self._tokens * _MEMORY + tokens
        self._seconds = self._seconds * _MEMORY + seconds

    @property
    def tokens(self) -> float:
        """Pieces that are encoded within the bound; one pass as long as nothing was measured."""
        if self._tokens == 0:
            return _PASS_TOKENS
        if self._seconds <= 0:
            return math.inf
        return self._bound_s * self._tokens / self._seconds


def passes(entries: Sequence[SourceEntry], pads: bool) -> list[list[SourceEntry]]:
    """Newcomers in groups, the shortest first; each is one encoder call.

    pads: whether a pass pads its sources to the longest (`TranslationEngine.pads`). They are of
    about equal length then.
    """
    groups: list[list[SourceEntry]] = []
    real = 0  # pieces of the last group, without padding
    for entry in sorted(entries, key=_length):
        length = entry.work.tokens
        computed = (len(groups[-1]) + 1) * length if groups and pads else real + length
        if groups and computed <= _PASS_TOKENS and computed - real - length <= _PASS_PADDING:
            groups[-1].append(entry)
            real += length
        else:
            groups.append([entry])
            real = length
    return groups


def positions(group: Sequence[SourceEntry], pads: bool) -> int:
    """Pieces that a pass computes, padding included; its last source is the longest."""
    return len(group) * group[-1].work.tokens if pads else sum(map(_length, group))


def _length(entry: SourceEntry) -> int:
    return entry.work.tokens
