"""Slots and caches: rows go on from any parents, and hold what a naive copy of everything holds."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lingraft.server.engines import DeviceMemory, HostMemory, device
from lingraft.server.engines.cache import Layout, Memory, in_blocks
from lingraft.server.engines.slots import Slots

_PARTS = 2
_PAST = Layout(_PARTS, (2,), 3, np.dtype(np.float32))
_KEYS = Layout(_PARTS, (2, 3), 1, np.dtype(np.float32))
_VALUES = Layout(_PARTS, (2,), 3, np.dtype(np.float32))


@pytest.fixture(scope="module", params=["host", "device"])
def memory(request: pytest.FixtureRequest) -> Memory:
    """Both kinds; the device is the CPU, by the calls that a GPU gets."""
    return HostMemory() if request.param == "host" else DeviceMemory("cpu")


class Bench:
    """The slots and caches of an engine, without graphs, and the rows as plain lists beside."""

    def __init__(self, memory: Memory) -> None:
        self.slots = Slots()
        self.past, self.keys, self.values = map(memory.cache, (_PAST, _KEYS, _VALUES))
        self.on_device = isinstance(memory, DeviceMemory)
        self.rows: list[tuple[list[int], list[int]]] = []  # source, past
        self.said = 0
        self.moved = 0  # positions of the past that were copied

    def fit(self, rows: int, source: int, past: int) -> None:
        """New memory for everything, in blocks of 2."""
        here = len(self.slots)
        for cache, length, used in (
            (self.past, past, self.slots.longest_past),
            (self.keys, source, self.slots.longest_source),
            (self.values, source, self.slots.longest_source),
        ):
            cache.resize(in_blocks(rows, 2), in_blocks(length, 2), here, used)
        self.slots.resize(in_blocks(rows, 2))

    def join(self, source: list[int], width: int) -> None:
        """A source of which every piece is its own number."""
        first = len(self.slots)
        longest = max(len(source), self.slots.longest_source)
        if first + width > self.past.slots or longest > self.keys.length:
            self.fit(first + width, longest, max(self.slots.longest_past, 1))
        for part in range(_PARTS):
            written = np.array(source, np.float32) + part / 2
            key = np.broadcast_to(written, (1, 2, 3, len(source)))
            value = np.broadcast_to(written[:, None], (1, 2, len(source), 3))
            self.keys.write(part, first, self._given(key), [width])
            self.values.write(part, first, self._given(value), [width])
        self.slots.add(len(source), width)
        self.rows += [(source, [])] * width

    def step(self) -> None:
        """Every row writes a number of its own at its next place, by address as the graphs do."""
        if self.slots.longest_past + 1 > self.past.length:
            self.fit(len(self.rows), self.slots.longest_source, self.slots.longest_past + 1)
        for row, slot in enumerate(self.slots.of_rows.tolist()):
            self.said += 1
            for part in range(_PARTS):
                self._seen(self.past, part)[slot, :, self.slots.past[slot]] = self.said + part / 2
            source, past = self.rows[row]
            self.rows[row] = (source, [*past, self.said])
        self.slots.advance()

    def select(self, parents: list[int]) -> None:
        """What the engine does, and what it means."""
        moves = self.slots.select(parents)
        self.past.copy(moves.pasts)
        self.keys.copy(moves.sources)
        self.values.copy(moves.sources)
        self.moved = sum(end - first for _, _, first, end in moves.pasts)
        self.rows = [self.rows[parent] for parent in parents]

    def check(self) -> None:
        """Every row finds its source and its past where the graphs will read them."""
        slots = self.slots.of_rows.tolist()
        assert sorted(slots) == list(range(len(self.rows)))
        for slot, (source, past) in zip(slots, self.rows, strict=True):
            lengths = (self.slots.source_lengths[slot], self.slots.past[slot])
            assert lengths == (len(source), len(past))
            for part in range(_PARTS):
                self._check_part(part, slot, source, past)

    def _check_part(self, part: int, slot: int, source: list[int], past: list[int]) -> None:
        keys, values = self._seen(self.keys, part)[slot], self._seen(self.values, part)[slot]
        own = self._seen(self.past, part)[slot]
        assert (own[:, : len(past)] == np.array(past)[:, None] + part / 2).all()
        assert (keys[:, :, : len(source)] == np.array(source) + part / 2).all()
        assert (values[:, : len(source)] == np.array(source)[:, None] + part / 2).all()
        assert np.isfinite(keys).all()
        assert np.isfinite(values).all()

    def _given(self, array: NDArray[np.float32]) -> Any:
        """As `Memory.run` would have given it."""
        array = np.ascontiguousarray(array)
        return onnxruntime.OrtValue.ortvalue_from_numpy(array) if self.on_device else array

    def _seen(self, cache: Any, part: int) -> NDArray[np.float32]:
        """A part by its address, in the shape that graphs declare."""
        shape = cache.layout.graph_shape(len(self.slots), cache.length)
        pointer = ctypes.cast(cache.address(part), ctypes.POINTER(ctypes.c_float))
        return np.ctypeslib.as_array(pointer, shape)


def test_a_cache_of_the_own_operators_keeps_each_rows_positions_in_one_stretch() -> None:
    """What is written, copied and kept is what its numbers say, part by part."""
    parts, width = 3, 6
    cache = HostMemory().cache(Layout(parts, (), width, np.dtype(np.float16), zeroed=False))
    cache.resize(4, 5, 0, 0)
    sources = np.arange(2 * 3 * width, dtype=np.float16).reshape(2, 3, width)
    for part in range(parts):
        cache.write(part, 1, sources + part, [1, 2])
    cache.copy([(1, 0, 0, 3), (3, 1, 1, 3)])
    expected = np.stack(
        [sources[0], np.vstack([sources[0][:1], sources[1][1:]]), *[sources[1]] * 2]
    )
    cache.resize(6, 9, 4, 3)
    for part in range(parts):
        pointer = ctypes.cast(cache.address(part), ctypes.POINTER(ctypes.c_uint16))
        shape = cache.layout.graph_shape(4, cache.length)
        assert shape == (4, 9, width)
        stored = np.ctypeslib.as_array(pointer, shape).view(np.float16)
        np.testing.assert_array_equal(stored[:, :3], expected + part)


@hypothesis_settings(max_examples=60)
@given(data=st.data())
def test_rows_go_on_from_any_parents(memory: Memory, data: st.DataObject) -> None:
    """Cycles, twins, rows that leave and join, caches that grow: nothing is lost or mixed up."""
    bench = Bench(memory)
    sources = 0
    for _ in range(data.draw(st.integers(1, 20))):
        action = data.draw(st.sampled_from(["join", "step", "step", "select", "select"]))
        if action == "join" and len(bench.rows) < 9:
            length, width = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
            sources += 10
            bench.join(list(range(sources, sources + length)), width)
        elif action == "step" and bench.rows:
            bench.step()
        elif bench.rows:
            row = st.integers(0, len(bench.rows) - 1)
            bench.select(data.draw(st.lists(row, max_size=bench.past.slots)))
        bench.check()


def test_new_memory_keeps_what_rows_hold(memory: Memory) -> None:
    """Longer pasts, longer sources, more slots, and a batch that needs less than there is."""
    bench = Bench(memory)
    bench.join([1, 2, 3], 2)
    for _ in range(5):
        bench.step()
    bench.join([4, 5, 6, 7, 8], 3)
    bench.step()
    bench.check()
    bench.select([4, 0])
    bench.fit(2, 5, 6)
    bench.check()


def test_a_new_order_alone_copies_nothing() -> None:
    """Rows are counted by the caller, slots are where they stand."""
    bench = Bench(HostMemory())
    for first in (10, 20, 30):
        bench.join([first], 1)
    bench.step()
    for parents in ([2, 0, 1], [1, 0, 2], [2, 1, 0]):
        bench.select(parents)
        assert bench.moved == 0
        bench.check()


def test_a_row_that_leaves_costs_one_copy_at_most() -> None:
    """However the caller closes the gap: the last slot fills it."""
    bench = Bench(HostMemory())
    for first in (10, 20, 30, 40):
        bench.join([first], 1)
    bench.step()
    bench.select([1, 2, 3])
    assert bench.moved == 1
    bench.check()
    bench.select([0, 1])
    assert bench.moved <= 1
    bench.check()


def test_a_beam_copies_only_what_its_slot_does_not_hold() -> None:
    """Twins that part for one step differ in one position, and that one is copied."""
    bench = Bench(HostMemory())
    bench.join([10, 11], 2)
    for _ in range(3):
        bench.step()
    bench.select([1, 1])
    assert bench.moved == 3
    bench.step()
    bench.select([0, 0])
    assert bench.moved == 1
    bench.step()
    bench.step()
    bench.select([1, 1])
    assert bench.moved == 2
    bench.check()


@pytest.mark.parametrize(("length", "blocks"), [(0, 0), (1, 32), (32, 32), (33, 64)])
def test_caches_grow_in_blocks(length: int, blocks: int) -> None:
    """No new memory at every step."""
    assert in_blocks(length, 32) == blocks


@pytest.mark.parametrize(
    ("kind", "element_type"), [("fp32", TensorProto.FLOAT), ("fp16", TensorProto.FLOAT16)]
)
def test_the_graph_that_moves_rows_is_this_one(kind: str, element_type: int) -> None:
    """The server has no ONNX to build it with, so it lies there as a file; this is its source.

    After a change here, write `_move_rows(...)` to that file.
    """
    path = Path(device.__file__).with_name(f"move_rows.{kind}.onnx")
    assert path.read_bytes() == _move_rows(element_type)


def _move_rows(element_type: int) -> bytes:
    """The graph of `device.py`."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Gather", ["values", "source"], ["taken"], axis=0),
        helper.make_node("Shape", ["data"], ["width"], start=1, end=2),
        helper.make_node("Slice", ["taken", "zero", "width", "one"], ["cut"]),
        helper.make_node("Shape", ["cut"], ["kept"], start=1, end=2),
        helper.make_node("Sub", ["width", "kept"], ["missing"]),
        helper.make_node("Concat", ["zeros", "missing"], ["pads"], axis=0),
        helper.make_node("Pad", ["cut", "pads"], ["fitted"]),
        helper.make_node("ScatterND", ["data", "target", "fitted"], ["moved"]),
    ]
    inputs = [
        value("data", element_type, ["P", "W"]),
        value("values", element_type, ["Q", "V"]),
        value("source", TensorProto.INT64, ["K"]),
        value("target", TensorProto.INT64, ["K", 1]),
    ]
    constants = {"zero": [0], "one": [1], "zeros": [0, 0, 0]}
    tensors = [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in constants.items()]
    outputs = [value("moved", element_type, ["P", "W"])]
    graph = helper.make_graph(nodes, "move_rows", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="lingraft")
    model.ir_version = 10
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content
