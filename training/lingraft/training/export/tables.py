"""8-bit embeddings: a multilingual vocabulary is most of a small encoder's bytes.

Every row has its own scale, its largest magnitude over 127; in a narrow table every column has, for
scales of rows would be a third of its bytes or more. No product is involved: rows are looked up as
integers and brought back to float.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lingraft.training.export.graph import Array

_LEVELS = 127
_WORTHWHILE = 1 << 16  # values; smaller tables stay as they are
_NARROW = 16  # columns: fewer, and a scale of four bytes for each row weighs too much
_ROUNDED = 2e-3  # share of values that rounding may have moved by a step
_MOST_PADDING = 1 << 12  # empty pieces at the end of an output layer (`head.py`)


def pack_tables(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` whose large constant tables are stored in 8 bits."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    tables = {t.name: t for t in graph.initializer if _is_large_table(t)}
    looked_up = {n.input[0] for n in graph.node if n.op_type == "Gather"}
    used = [name for n in graph.node if n.op_type != "Gather" for name in n.input]
    packed = {name: tables[name] for name in looked_up & set(tables) - set(used)}
    narrow = {name: _is_narrow(tensor) for name, tensor in packed.items()}
    nodes = [made for node in graph.node for made in _looked_up(node, narrow)]
    kept = [tensor for tensor in graph.initializer if tensor.name not in packed]
    made = [tensor for name in sorted(packed) for tensor in _packed(packed[name])]
    graph.ClearField("node")
    graph.ClearField("initializer")
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *made])
    return result


def tie_transposed(model: onnx.ModelProto) -> None:
    """Leave 8-bit weights out of `model` that are a table of it turned round.

    Where embeddings are tied, the weights [d,V] of the output layer are the table [V,d] but for
    empty pieces at the end and for rounding: the table was multiplied before it was brought to 8
    bits, which moves a value in a thousand by a step, at a half. The graph turns the table; ONNX
    Runtime does so once, when it loads it.
    """
    graph = model.graph
    looked_up = {n.input[0] for n in graph.node if n.op_type == "Gather"}
    large = [t for t in graph.initializer if _is_large(t, TensorProto.INT8)]
    tables = [t for t in large if t.name in looked_up]
    made: list[onnx.NodeProto] = []
    left_out: set[str] = set()
    for weights in large:
        table = next((t for t in tables if _turns_into(t, weights)), None)
        if table is not None:
            left_out.add(weights.name)
            made += _turned(table, weights)
            graph.initializer.append(_padding(table, weights))
    nodes, kept = list(graph.node), [t for t in graph.initializer if t.name not in left_out]
    graph.ClearField("node")
    graph.ClearField("initializer")
    graph.node.extend([*made, *nodes])
    graph.initializer.extend(kept)


def _turns_into(table: onnx.TensorProto, weights: onnx.TensorProto) -> bool:
    pieces, width = table.dims
    if weights.dims[0] != width or not pieces <= weights.dims[1] < pieces + _MOST_PADDING:
        return False
    wanted = numpy_helper.to_array(weights).astype(np.int16)
    turned = np.pad(numpy_helper.to_array(table).T, ((0, 0), (0, wanted.shape[1] - pieces)))
    apart = np.abs(wanted - turned)
    return int(apart.max()) <= 1 and float(apart.mean()) < _ROUNDED


def _padding(table: onnx.TensorProto, weights: onnx.TensorProto) -> onnx.TensorProto:
    ends = np.array([0, 0, 0, weights.dims[1] - table.dims[0]], np.int64)
    return numpy_helper.from_array(ends, f"{weights.name}.padding")


def _turned(table: onnx.TensorProto, weights: onnx.TensorProto) -> Iterator[onnx.NodeProto]:
    name = weights.name
    yield helper.make_node(
        "Transpose", [table.name], [f"{name}.turned"], f"{name}.turn", perm=[1, 0]
    )
    yield helper.make_node("Pad", [f"{name}.turned", f"{name}.padding"], [name], f"{name}.pad")


def _is_large_table(tensor: onnx.TensorProto) -> bool:
    return _is_large(tensor, TensorProto.FLOAT)


def _is_large(tensor: onnx.TensorProto, kind: int) -> bool:
    large = len(tensor.dims) == 2 and tensor.dims[0] * tensor.dims[1] >= _WORTHWHILE
    return large and tensor.data_type == kind


def _is_narrow(tensor: onnx.TensorProto) -> bool:
    return int(tensor.dims[1]) < _NARROW


def _packed(tensor: onnx.TensorProto) -> Iterator[onnx.TensorProto]:
    table: Array = numpy_helper.to_array(tensor)
    each = 0 if _is_narrow(tensor) else 1
    scale = np.abs(table).max(axis=each, keepdims=True) / np.float32(_LEVELS)
    scale[scale == 0] = 1  # a row or column of zeros
    yield numpy_helper.from_array(np.rint(table / scale).astype(np.int8), f"{tensor.name}.int8")
    yield numpy_helper.from_array(scale, f"{tensor.name}.scale")


def _looked_up(node: onnx.NodeProto, narrow: Mapping[str, bool]) -> Iterator[onnx.NodeProto]:
    """The node as it is, or what looks up rows of an 8-bit table in its place.

    Args:
        node: any node.
        narrow: of every packed table, whether its scales are those of columns.
    """
    if node.op_type != "Gather" or node.input[0] not in narrow:
        yield node
        return
    table, ids = node.input
    parts = {kind: f"{node.name}.{kind}" for kind in ("int8", "scale", "float")}
    for kind in ("int8",) if narrow[table] else ("int8", "scale"):
        inputs = [f"{table}.{kind}", ids]
        yield helper.make_node("Gather", inputs, [parts[kind]], parts[kind])
    yield helper.make_node(
        "Cast", [parts["int8"]], [parts["float"]], parts["float"], to=TensorProto.FLOAT
    )
    scale = f"{table}.scale" if narrow[table] else parts["scale"]
    yield helper.make_node("Mul", [parts["float"], scale], node.output, node.name)
