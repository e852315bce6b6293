"""Caches on a device: only ids and scores cross to the host.

A device's memory cannot be sliced from Python, so a small graph moves rows inside it:
`move_rows.fp32.onnx` and `move_rows.fp16.onnx`, which lie beside this file. `data` [P,W] gets the
rows `source` [K] of `values` [Q,V] in its rows `target` [K,1], cut or filled with zeros to W.
`moved` is bound to the memory of `data`, so that the last operator, `ScatterND`, writes those rows
and leaves all others where they are. On the device "cpu" the same calls run, which is how the
tests reach them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from lingraft.server.engines.cache import Cache, Layout, bind_array
from lingraft.server.engines.session import open_session

_GRAPHS = {np.dtype(np.float32): "move_rows.fp32.onnx", np.dtype(np.float16): "move_rows.fp16.onnx"}
Rows = NDArray[np.int64]


class DeviceMemory:
    """The memory of the device `provider`, "cuda" or "cpu"."""

    def __init__(self, provider: str) -> None:
        self.device = provider
        self._movers: dict[str, Any] = {}  # sessions by name of the graph

    def cache(self, layout: Layout) -> Cache:
        """An empty cache. Raises ProviderError."""
        name = _GRAPHS[layout.dtype]
        if name not in self._movers:
            path = Path(__file__).with_name(name)
            self._movers[name] = open_session(path, self.device, threads=1)
        return _DeviceCache(layout, self.device, self._movers[name])

    def run(self, session: Any, outputs: Sequence[str], feeds: Mapping[str, Any]) -> Sequence[Any]:
        """Outputs as values of ONNX Runtime on the device."""
        binding = session.io_binding()
        for name, array in feeds.items():
            bind_array(binding.bind_input, name, array)
        for name in outputs:
            binding.bind_output(name, self.device)
        session.run_with_iobinding(binding)
        values: Sequence[Any] = binding.get_outputs()
        return values


class _DeviceCache:
    """Zeros at first, which come from the host, but only when the cache grows."""

    def __init__(self, layout: Layout, device: str, mover: Any) -> None:
        self.layout, self.slots, self.length = layout, 0, 0
        self._device, self._mover = device, mover
        self._value: Any = None

    def resize(self, slots: int, length: int, rows: int, used: int) -> None:
        shape = self.layout.stored_shape(slots, length)
        # What no row has written could be NaN otherwise, which not every kernel masks.
        zeros = np.zeros(shape, self.layout.dtype)
        fresh = ort.OrtValue.ortvalue_from_numpy(zeros, self._device)
        if rows and used:
            source = self._lines(range(self.layout.parts), range(rows), self.slots)
            target = self._lines(range(self.layout.parts), range(rows), slots)
            self._move(fresh, source, target, self._value, shape[3], self._width)
        self._value, self.slots, self.length = fresh, slots, length

    def copy(self, moves: Sequence[tuple[int, int, int, int]]) -> None:
        if not moves:
            return
        first = np.arange(self.layout.parts)[:, None] * self.slots
        source, target, *_ = np.array(moves, np.int64).T
        width = self._outer * self._width
        read, written = (first + source).ravel(), (first + target).ravel()
        self._move(self._value, read, written, self._value, width, width)

    def write(self, part: int, slot: int, values: Any, widths: Sequence[int]) -> None:
        source = np.repeat(np.arange(len(widths)), widths)
        target = range(slot, slot + len(source))
        lines = self._lines([part], target, self.slots)
        width = math.prod(values.shape()) // (len(widths) * self._outer)
        chosen = (source[:, None] * self._outer + np.arange(self._outer)).ravel()
        self._move(self._value, chosen, lines, values, self._width, width)

    def address(self, part: int) -> int:
        stride = self.slots * self._outer * self._width * self.layout.dtype.itemsize
        return int(self._value.data_ptr()) + part * stride

    @property
    def _outer(self) -> int:
        return math.prod(self.layout.outer)

    @property
    def _width(self) -> int:
        """Numbers in one line: of one slot, part and place in the outer axes."""
        return self.length * self.layout.unit

    def _lines(self, parts: Sequence[int], rows: Sequence[int], slots: int) -> Rows:
        """Indices of lines in the whole cache of `slots` slots."""
        which = np.array(parts)[:, None] * slots + np.array(rows)
        lines: Rows = which.ravel()[:, None] * self._outer + np.arange(self._outer)
        return lines.ravel()

    def _move(
        self, data: Any, source: Rows, target: Rows, values: Any, width: int, value_width: int
    ) -> None:
        """Runs the graph over `data` and `values` as matrices of those widths."""
        binding = self._mover.io_binding()
        own = self._seen(data, width)
        binding.bind_input("data", *own)
        binding.bind_input("values", *self._seen(values, value_width))
        bind_array(binding.bind_input, "source", source)
        bind_array(binding.bind_input, "target", target[:, None])
        binding.bind_output("moved", *own)
        self._mover.run_with_iobinding(binding)

    def _seen(self, value: Any, width: int) -> tuple[Any, ...]:
        """A value as a matrix, in the words of a binding."""
        shape = (math.prod(value.shape()) // width, width)
        return self._device, 0, self.layout.dtype.type, shape, value.data_ptr()
