"""Embeddings in 8 bits: a quarter of the bytes, each row near what it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from lingraft.training.export.graph import GraphBuilder, serialise
from lingraft.training.export.runtime import open_session
from lingraft.training.export.tables import pack_tables, tie_transposed

ROWS, WIDTH = 4096, 16


@pytest.fixture(scope="module")
def table() -> NDArray[np.float32]:
    """Rows of very different size, and one of zeros."""
    random = np.random.RandomState(0)
    rows = random.standard_normal((ROWS, WIDTH)) * 10.0 ** random.randint(-4, 4, (ROWS, 1))
    rows[7] = 0
    return rows.astype(np.float32)


def _graph(table: NDArray[np.float32], *, multiplied: bool = False) -> onnx.ModelProto:
    g = GraphBuilder("table")
    g.input("ids", np.int64, ["B", "S"])
    looked_up = g.op("Gather", g.constant("table", table), "ids")
    if multiplied:
        looked_up = g.op("MatMul", looked_up, g.op("Transpose", "table", perm=[1, 0]))
    g.op("Identity", looked_up, name="rows")
    g.output("rows", np.float32, ["B", "S", ROWS if multiplied else table.shape[1]])
    return g.build()


def _run(model: onnx.ModelProto, ids: list[list[int]]) -> Any:
    return open_session(serialise(model)).run(None, {"ids": np.array(ids, np.int64)})[0]


def test_every_row_is_near_what_it_was(table: NDArray[np.float32]) -> None:
    """Within half a step of 1/127 of its largest value; a row of zeros stays one."""
    packed = pack_tables(_graph(table))
    onnx.checker.check_model(packed)
    got = _run(packed, [[7, 0], [4095, 3]])
    want = table[[[7, 0], [4095, 3]]]
    step = np.abs(want).max(axis=-1, keepdims=True) / 127
    assert (np.abs(got - want) <= 0.51 * step).all()
    assert len(serialise(packed)) < 0.4 * len(serialise(_graph(table)))


def test_rows_of_a_narrow_table_share_their_scales(table: NDArray[np.float32]) -> None:
    """A byte a value and hardly more: half a step of the column's largest value is lost at most."""
    logits = np.ascontiguousarray(np.vstack([table, table])[:, :7])
    graph = _graph(np.tile(logits, (2, 1)))
    packed = pack_tables(graph)
    onnx.checker.check_model(packed)
    got = _run(packed, [[7, 0], [4095, 3]])
    step = np.abs(logits).max(axis=0) / 127
    assert (np.abs(got - logits[[[7, 0], [4095, 3]]]) <= 0.51 * step).all()
    assert len(serialise(packed)) < 0.26 * len(serialise(graph))


def test_a_small_table_stays_as_it_is(table: NDArray[np.float32]) -> None:
    """Positions are few, and their bytes do not matter."""
    graph = _graph(table[:64])
    assert serialise(pack_tables(graph)) == serialise(graph)


def test_a_table_that_is_used_otherwise_stays_as_it_is(table: NDArray[np.float32]) -> None:
    """An output layer that shares the embeddings keeps them in fp32."""
    graph = _graph(table, multiplied=True)
    assert serialise(pack_tables(graph)) == serialise(graph)


def _both_ways(table: NDArray[np.int8], weights: NDArray[np.int8]) -> onnx.ModelProto:
    """8-bit rows of a table, multiplied with 8-bit `weights`."""
    g = GraphBuilder("tied")
    g.input("ids", np.int64, ["B"])
    rows = g.op("Gather", g.constant("table", table), "ids")
    middle = g.constant("middle", np.array(128, np.uint8))
    up = g.constant("up", np.array(128, np.int32))
    moved = g.op("Add", g.op("Cast", rows, to=onnx.TensorProto.INT32), up)
    moved = g.op("Cast", moved, to=onnx.TensorProto.UINT8)
    g.op("MatMulInteger", moved, g.constant("weights", weights), middle, name="products")
    g.output("products", np.int32, ["B", weights.shape[1]])
    return g.build()


def _tied(plain: onnx.ModelProto) -> onnx.ModelProto:
    tied = onnx.ModelProto()
    tied.CopyFrom(plain)
    tie_transposed(tied)
    return tied


@pytest.fixture(scope="module")
def eights() -> NDArray[np.int8]:
    """A table in 8 bits."""
    return np.random.RandomState(1).randint(-126, 127, (ROWS, WIDTH)).astype(np.int8)


@pytest.mark.parametrize("padding", [0, 7])
def test_weights_that_are_the_table_turned_round_are_not_stored_twice(
    eights: NDArray[np.int8], padding: int
) -> None:
    """The graph turns it, and gives the same products; empty pieces at the end are no matter."""
    plain = _both_ways(eights, np.pad(eights.T, ((0, 0), (0, padding))))
    tied = _tied(plain)
    assert len(serialise(tied)) < len(serialise(plain)) - eights.size / 2
    feeds = {"ids": np.array([5, 0, 77])}
    answers = [open_session(serialise(each)).run(None, feeds)[0] for each in (plain, tied)]
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize(
    ("moved", "step", "stays"),
    [(50, 1, False), (1, 2, True), (500, 1, True)],
    ids=["rounded", "another value", "not by rounding"],
)
def test_rounding_may_have_moved_a_value_in_a_thousand_and_no_more(
    eights: NDArray[np.int8], moved: int, step: int, stays: bool
) -> None:
    """65,536 values: fifty of them by one step are the same table, one by two is another."""
    weights = eights.T.copy()
    weights.ravel()[: moved * 100 : 100] += step
    plain = _both_ways(eights, weights)
    assert (len(serialise(_tied(plain))) > eights.size * 2) == stays
