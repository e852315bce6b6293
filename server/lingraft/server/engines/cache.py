"""Tensors with one slot for each row, of which one axis grows in blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def in_blocks(length: int, block: int, most: int) -> int:
    """`length` rounded up to whole blocks, but no more than `most`."""
    return min(-(-length // block) * block, most)


class Slots:
    """One tensor [slots, ...]; the first B slots are one stretch of memory, so B rows need no copy.

    Slots begin as zeros: what stands behind a row's end is masked by the graphs, and only finite
    numbers can be masked.
    """

    def __init__(self, slots: int, shape: tuple[int, ...], axis: int) -> None:
        """`shape` is that of one slot; its `axis` is the one that grows, from the size given."""
        self._axis = axis + 1
        self.array: NDArray[np.float32] = np.zeros((slots, *shape), dtype=np.float32)

    @property
    def length(self) -> int:
        """Size of the axis that grows."""
        return int(self.array.shape[self._axis])

    def resize(self, length: int, used: int) -> None:
        """Gives the growing axis the size `length`; keeps what fits of the first `used` slots."""
        shape = list(self.array.shape)
        kept = min(self.length, length)
        shape[self._axis] = length
        fresh = np.zeros(shape, dtype=np.float32)
        part = self._up_to(kept)
        for slot in range(used):
            fresh[slot][part] = self.array[slot][part]
        self.array = fresh

    def write(self, slot: int, value: NDArray[np.float32]) -> None:
        """Puts `value` at the beginning of a slot; it may be shorter than the slot."""
        kept = value.shape[self._axis - 1]
        self.array[slot][self._up_to(kept)] = value

    def move(self, source: int, target: int) -> None:
        """Copies one slot over another."""
        self.array[target] = self.array[source]

    def shape(self, rows: int) -> tuple[int, ...]:
        """Shape of the first `rows` slots."""
        return (rows, *self.array.shape[1:])

    def _up_to(self, length: int) -> tuple[slice[None, int | None, None], ...]:
        """The growing axis up to `length`, the axes before it whole."""
        return (*(slice(None) for _ in range(self._axis - 1)), slice(length))
