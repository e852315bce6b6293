"""How much of a model's batch is taken, and what still fits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from lingraft.server.batching.work import Source
from lingraft.server.bundle import Limits
from lingraft.server.errors import MemoryCeilingError

_RESERVED_SHARE = 4  # interactive work has a quarter of the rows for itself
_NO_LIMITS = Limits(sys.maxsize, sys.maxsize)
_SOURCE_SHARE = 3  # of a row's positions a third is source: targets may grow to twice as long


class Shape(NamedTuple):
    """Rows, and the positions of the longest source and of the longest target among them."""

    rows: int
    source: int
    target: int

    def joined(self, other: Shape) -> Shape:
        """Both side by side."""
        longest = max(self.source, other.source), max(self.target, other.target)
        return Shape(self.rows + other.rows, *longest)

    def within(self, other: Shape) -> bool:
        """Whether it is no larger in anything."""
        return all(mine <= yours for mine, yours in zip(self, other, strict=True))


NOTHING = Shape(0, 0, 0)


def shape_of(source: Source) -> Shape:
    """What one sentence takes."""
    return Shape(source.width, len(source.ids), source.max_length)


def shape_of_all(sources: Iterable[Source]) -> Shape:
    """What sentences take together."""
    rows, longest_source, longest_target = NOTHING
    for source in sources:
        rows += source.width
        longest_source = max(longest_source, len(source.ids))
        longest_target = max(longest_target, source.max_length)
    return Shape(rows, longest_source, longest_target)


@dataclass(frozen=True)
class Capacity:
    """What a batch may take: rows, rows times longest row (positions), and bytes of its caches.

    `footprint` gives the bytes of a shape, as `TranslationEngine.footprint`; any thread calls it.
    `limits` are those of the model's sentences, if it has any.
    """

    max_rows: int
    max_tokens: int
    max_bytes: int
    footprint: Callable[[int, int, int], int]
    retry_after_s: float = 1.0
    limits: Limits = _NO_LIMITS

    def holds(self, shape: Shape) -> bool:
        """Whether a batch of this shape stays within everything."""
        tokens = shape.rows * (shape.source + shape.target)
        return tokens <= self.max_tokens and self.is_possible(shape)

    def is_possible(self, shape: Shape) -> bool:
        """Whether one sentence of this shape may have the batch for itself.

        It may pass `max_tokens` then, since it could never be decoded otherwise.
        """
        return shape.rows <= self.max_rows and self.footprint(*shape) <= self.max_bytes

    def holds_beside(self, bulk: Shape, interactive: Shape) -> bool:
        """Whether the whole batch fits even if interactive work takes all of its reserve."""
        rows = max(interactive.rows, self.reserve.rows)
        return self.holds(
            bulk.joined(interactive).joined(self.reserve)._replace(rows=bulk.rows + rows)
        )

    @cached_property
    def reserve(self) -> Shape:
        """What bulk work leaves free for interactive work, whatever there is of either.

        A quarter of the rows, each with an even share of the tokens, but no more than the model's
        limits, and with less where a full batch of such rows would pass the bytes. With a single
        row there is no reserve.
        """
        rows = min(max(1, self.max_rows // _RESERVED_SHARE), self.max_rows - 1)
        tokens = self.max_tokens // self.max_rows
        while rows and tokens > 1:
            target = min(tokens - tokens // _SOURCE_SHARE, self.limits.max_target_tokens)
            source = min(tokens - target, self.limits.max_source_tokens)
            if self.is_possible(Shape(self.max_rows, source, target)):
                return Shape(rows, source, target)
            tokens = tokens * 3 // 4
        return NOTHING

    def screen(self, sources: Sequence[Source], bulk: bool) -> list[bool]:
        """Before a call is queued: for each sentence, whether it waits in the bulk lane.

        One that is too large to run beside the reserve waits with interactive work, as it would
        starve otherwise. Raises MemoryCeilingError if one could never be run.
        """
        largest = shape_of_all(sources)._replace(
            rows=max((source.width for source in sources), default=0)
        )
        if self.holds_beside(largest, NOTHING):
            return [bulk] * len(sources)
        shapes = [shape_of(source) for source in sources]
        for shape in shapes:
            if not self.is_possible(shape):
                raise self._refusal(shape)
        return [bulk and self.holds_beside(shape, NOTHING) for shape in shapes]

    def _refusal(self, shape: Shape) -> MemoryCeilingError:
        needed = self.footprint(*shape)
        metadata = {
            "rows": str(shape.rows),
            "max_rows": str(self.max_rows),
            "bytes": str(needed),
            "max_bytes": str(self.max_bytes),
        }
        return MemoryCeilingError(
            f"a sentence needs {shape.rows} rows and {needed} bytes of cache; this model may take "
            f"{self.max_rows} rows and {self.max_bytes} bytes",
            self.retry_after_s,
            metadata,
        )
