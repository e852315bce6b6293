"""How much memory the caches of a translating engine take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lingraft.server.engines.cache import Layout, in_blocks


class Blocks(NamedTuple):
    """By how much caches grow: slots, positions of the target, pieces of the source."""

    slots: int = 8
    positions: int = 32
    pieces: int = 16

    def whole(self, rows: int, pieces: int, positions: int) -> tuple[int, int, int]:
        """Slots, positions and pieces of whole blocks that hold so many."""
        return (
            in_blocks(rows, self.slots),
            in_blocks(positions, self.positions),
            in_blocks(pieces, self.pieces),
        )


@dataclass(frozen=True)
class Footprint:
    """Bytes of caches; any thread may ask, and another process too."""

    past: Layout
    keys: Layout
    values: Layout
    blocks: Blocks

    def __call__(self, rows: int, source_tokens: int, target_tokens: int) -> int:
        """Bytes that the caches take for `rows` rows of at most so many positions each.

        What stands between two steps, whole blocks counted. While one of the three caches gets new
        memory, its old one is there too.
        """
        slots, positions, pieces = self.blocks.whole(rows, source_tokens, target_tokens)
        cross = self.keys.bytes(slots, pieces) + self.values.bytes(slots, pieces)
        return self.past.bytes(slots, positions) + cross
