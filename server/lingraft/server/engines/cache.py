"""Caches: the keys and values of all layers in one piece of memory, on the host or on a device.

A cache is [parts, R, outer, G, unit]: P parts (layers, keys and values), R slots for rows, an axis
of G positions that grows in blocks. The first B slots of a part are one stretch, so that graphs
read and write B rows by address and no step copies anything. A graph sees part p, B rows, as
[B, outer.., G, unit] at `address(p)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


def in_blocks(length: int, block: int) -> int:
    """`length` rounded up to whole blocks."""
    return -(-length // block) * block


def bind_array(bind: Callable[..., None], name: str, array: NDArray[Any]) -> None:
    """Binds an array on the host; `bind` is bind_input or bind_output of an IOBinding.

    The binding keeps the address only: the caller keeps the array.
    """
    bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)


@dataclass(frozen=True)
class Layout:
    """What never changes of a cache: its parts, the axes before the one that grows, those after.

    In standard graphs, keys for attention over a source are [heads, size, G]: outer (heads, size),
    unit 1; all others are [heads, G, size]: outer (heads,), unit `size`. Graphs of the server's own
    operators have [G, heads * size]: outer (), unit `heads * size`. `zeroed`: whether places that
    no row has written must be numbers, since graphs read them before they mask them.
    """

    parts: int
    outer: tuple[int, ...]
    unit: int
    dtype: np.dtype[Any]
    zeroed: bool = True

    def bytes(self, slots: int, length: int) -> int:
        """Memory of so many slots of so many positions."""
        floats = self.parts * slots * math.prod(self.outer) * length * self.unit
        return floats * self.dtype.itemsize

    def graph_shape(self, rows: int, length: int) -> tuple[int, ...]:
        """Shape of a part as the graphs declare it."""
        inner = () if len(self.outer) == 2 else (self.unit,)
        return (rows, *self.outer, length, *inner)

    def stored_shape(self, slots: int, length: int) -> tuple[int, int, int, int]:
        """[P, R, product of outer, G times unit]."""
        return (self.parts, slots, math.prod(self.outer), length * self.unit)


class Cache(Protocol):
    """A cache with `slots` slots of `length` positions; both 0 at first."""

    layout: Layout
    slots: int
    length: int

    def resize(self, slots: int, length: int, rows: int, used: int) -> None:
        """New memory; keeps the first `used` positions of the first `rows` slots."""

    def copy(self, moves: Sequence[tuple[int, int, int, int]]) -> None:
        """Moves of (slot, to slot, first position, last position + 1), in all parts.

        No slot that is written is read.
        """

    def write(self, part: int, slot: int, values: Any, widths: Sequence[int]) -> None:
        """Puts `values` [N, outer.., G', unit], G' at most G, into slots from `slot` on.

        Each of the N goes into as many slots as its width says. `values` are what `Memory.run`
        gave.
        """

    def address(self, part: int) -> int:
        """Where the part begins; another place after a resize."""


class Memory(Protocol):
    """Where caches live. `device` is ONNX Runtime's name of it."""

    device: str

    def cache(self, layout: Layout) -> Cache:
        """An empty cache."""

    def run(self, session: Any, outputs: Sequence[str], feeds: Mapping[str, Any]) -> Sequence[Any]:
        """Outputs of a graph for inputs on the host; they stay in this memory."""


class HostMemory:
    """The memory of the CPU."""

    device = "cpu"

    def cache(self, layout: Layout) -> Cache:
        """An empty cache."""
        return _HostCache(layout)

    def run(self, session: Any, outputs: Sequence[str], feeds: Mapping[str, Any]) -> Sequence[Any]:
        """Outputs as arrays."""
        values: Sequence[Any] = session.run(list(outputs), dict(feeds))
        return values


class _HostCache:
    """On the host.

    Where a row's positions are one stretch, its bytes are copied by way of memoryviews. NumPy would
    let go of the interpreter's lock for each piece, and the thread that runs the model would have
    to wait for whoever took it: with 32 callers, for a sixth of its time.
    """

    _array: NDArray[Any]
    _bytes: memoryview

    def __init__(self, layout: Layout) -> None:
        self.layout, self.slots, self.length = layout, 0, 0
        self._one_stretch = not layout.outer
        self.resize(0, 0, 0, 0)

    def resize(self, slots: int, length: int, rows: int, used: int) -> None:
        make = np.zeros if self.layout.zeroed else np.empty
        fresh: NDArray[Any] = make(self.layout.stored_shape(slots, length), self.layout.dtype)
        if rows and used:
            end = used * self.layout.unit
            fresh[:, :rows, :, :end] = self._array[:, :rows, :, :end]
        self._array, self.slots, self.length = fresh, slots, length
        self._bytes = _bytes_of(fresh)

    def copy(self, moves: Sequence[tuple[int, int, int, int]]) -> None:
        for source, target, first, end in moves:
            if self._one_stretch:
                self._copy_bytes(source, target, first, end)
            else:
                # One by one: indexing with lists copies twice, and takes 1.1 to 1.7 times as long.
                part = slice(first * self.layout.unit, end * self.layout.unit)
                self._array[:, target, :, part] = self._array[:, source, :, part]

    def write(self, part: int, slot: int, values: Any, widths: Sequence[int]) -> None:
        if self._one_stretch:
            self._write_bytes(part, slot, values, widths)
            return
        flat = values.reshape(len(widths), self._array.shape[2], -1)
        for value, width in zip(flat, widths, strict=True):
            self._array[part, slot : slot + width, :, : flat.shape[2]] = value
            slot += width

    def address(self, part: int) -> int:
        return int(self._array.ctypes.data) + part * int(self._array.strides[0])

    def _copy_bytes(self, source: int, target: int, first: int, end: int) -> None:
        row, position = self._row_bytes, self.layout.unit * self.layout.dtype.itemsize
        here, there = source * row + first * position, target * row + first * position
        size, stored = (end - first) * position, self._bytes
        for _ in range(self.layout.parts):
            stored[there : there + size] = stored[here : here + size]
            here, there = here + self.slots * row, there + self.slots * row

    def _write_bytes(self, part: int, slot: int, values: Any, widths: Sequence[int]) -> None:
        given, stored = _bytes_of(values), self._bytes
        size, row = len(given) // len(widths), self._row_bytes
        place = (part * self.slots + slot) * row
        for index, width in enumerate(widths):
            value = given[index * size : (index + 1) * size]
            for _ in range(width):
                stored[place : place + size] = value
                place += row

    @property
    def _row_bytes(self) -> int:
        return self.length * self.layout.unit * self.layout.dtype.itemsize


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
