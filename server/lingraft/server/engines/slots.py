"""Which row stands in which slot, and the least copying that turns one batch into the next.

Callers count rows; memory has slots. Keeping them apart makes reordering cheap: of the rows that
go on from one parent, one stays in the parent's slot, and the others go to slots whose rows nobody
goes on from. So no slot that is written is ever read, whatever the order, cycles included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


@dataclass
class Moves:
    """What must be copied: (slot, to slot, first position, last position + 1)."""

    pasts: list[tuple[int, int, int, int]] = field(default_factory=list)
    sources: list[tuple[int, int, int, int]] = field(default_factory=list)


class Slots:
    """B rows in slots 0 to B-1, in any order.

    `of_rows` [B] is the slot of each row. `past` and `source_lengths`, by slot, are the positions
    in its two caches; graphs read them by address.
    """

    def __init__(self) -> None:
        self.of_rows: NDArray[np.intp] = np.zeros(0, np.intp)
        self.past: NDArray[np.int32] = np.zeros(0, np.int32)
        self.source_lengths: NDArray[np.int64] = np.zeros(0, np.int64)
        # [R,R]: 0 for rows of different sources, else 1 + the leading positions known to be equal.
        self._kinship: NDArray[np.int32] = np.zeros((0, 0), np.int32)
        self._longest_past, self._in_order = 0, True

    def __len__(self) -> int:
        return len(self.of_rows)

    @property
    def longest_past(self) -> int:
        """Most positions of any row."""
        return self._longest_past

    @property
    def longest_source(self) -> int:
        """Positions of the longest source."""
        return int(self.source_lengths[: len(self)].max(initial=0))

    def by_row(self, array: NDArray[Number]) -> NDArray[Number]:
        """An array that is ordered by slot, [B,..], ordered by row: itself or a copy."""
        return array if self._in_order else array[self.of_rows]

    def resize(self, slots: int) -> None:
        """Room for so many rows, at least B."""
        rows = len(self)
        past, lengths, kinship = self.past[:rows], self.source_lengths[:rows], self._kinship
        self.past, self.source_lengths = np.zeros(slots, np.int32), np.zeros(slots, np.int64)
        self._kinship = np.zeros((slots, slots), np.int32)
        self.past[:rows], self.source_lengths[:rows] = past, lengths
        self._kinship[:rows, :rows] = kinship[:rows, :rows]

    def add(self, source_length: int, width: int) -> None:
        """`width` rows of one source, at position 0, behind all others."""
        new = slice(len(self), len(self) + width)
        self.past[new], self.source_lengths[new] = 0, source_length
        self._kinship[new], self._kinship[:, new] = 0, 0
        self._kinship[new, new] = 1
        self.of_rows = np.append(self.of_rows, np.arange(new.start, new.stop))

    def clear(self) -> None:
        """No rows."""
        self.of_rows = np.zeros(0, np.intp)
        self._longest_past, self._in_order = 0, True

    def advance(self, steps: int = 1) -> None:
        """Every row has so many positions more."""
        self.past[: len(self)] += steps
        self._longest_past += steps

    def select(self, parents: Sequence[int]) -> Moves:
        """Row i goes on from row parents[i]; says what must be copied for that."""
        slots = self.of_rows[np.asarray(parents, np.intp)].tolist()
        free = np.ones(len(slots), bool)
        late: list[int] = []
        for row, slot in enumerate(slots):
            if slot < len(slots) and free[slot]:
                free[slot] = False
            else:
                late.append(row)
        moves = Moves()
        for row in late:
            slots[row] = self._move(slots[row], free, moves)
        self.of_rows, self._in_order = np.array(slots, np.intp), slots == list(range(len(slots)))
        self._longest_past = int(self.past[: len(slots)].max(initial=0))
        return moves

    def _move(self, source: int, free: NDArray[np.bool_], moves: Moves) -> int:
        """Puts a copy of a slot into the free one that has most in common with it."""
        target = int(np.where(free, self._kinship[source, : len(free)], -1).argmax())
        free[target] = False
        known, past = int(self._kinship[source, target]), int(self.past[source])
        if known == 0:
            moves.sources.append((source, target, 0, int(self.source_lengths[source])))
        if past >= max(known, 1):
            moves.pasts.append((source, target, max(known - 1, 0), past))
        self._kinship[target] = self._kinship[source]
        self._kinship[:, target] = self._kinship[:, source]
        self._kinship[source, target] = self._kinship[target, source] = past + 1
        self.past[target] = past
        self.source_lengths[target] = self.source_lengths[source]
        return target
