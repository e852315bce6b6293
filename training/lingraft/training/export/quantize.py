"""8-bit integer matrix products: weights per output channel, activations per row at run time.

ONNX Runtime's own `quantize_dynamic` gives a whole batch one activation scale, so a row's answer
would change with its company and with its padding. Here every row (every position, in an encoder)
has its own scale, its largest magnitude over 127. Where the graph says that x is a matrix
(`GraphBuilder.product`), `QuantizeLinear` takes the scales as they are, one for each row. Elsewhere
x is first divided by them. `MatMulIntegerToFloat` multiplies the result by any scale that can be
broadcast to it, so [R,1] does (without its bias, which it would multiply too).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper

from lingraft.training.errors import ExportError
from lingraft.training.export.graph import CONTRIB, ROWS, Array, check, without_weights

_LEVELS = 127  # symmetric: -127 to 127
_STEP, _ONE, _ZERO, _LAST_AXIS = "int8.step", "int8.one", "int8.zero", "int8.last_axis"


def quantise(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` in which every matrix product with constant weights is an integer product.

    Raises:
        ExportError: a product was left in floating point (a `Gemm`, for instance).
    """
    result = without_weights(model)
    graph = result.graph
    products = [node for node in float_products(model) if node.op_type == "MatMul"]
    weights = {node.input[1]: _constant(model, node.input[1]) for node in products}
    rows = _Rows()
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in weights:
            nodes += rows.quantise(node.input[0], _rows_of(node))
            nodes.append(_integer_product(node))
        else:
            nodes.append(node)
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in weights]
    tensors = [*kept, *_shared_constants(), *integer_weights(weights)]
    graph.ClearField("node")
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)
    if left := [node.name for node in float_products(result)]:
        raise ExportError(f"the quantiser left these products in fp32: {', '.join(left)}")
    check(result)
    return result


def float_products(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The floating-point matrix products with constant weights."""
    constants = {tensor.name for tensor in model.graph.initializer}
    kinds = {"MatMul", "Gemm"}
    return [n for n in model.graph.node if n.op_type in kinds and n.input[1] in constants]


def integer_products(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The integer matrix products."""
    return [node for node in model.graph.node if node.op_type == "MatMulIntegerToFloat"]


def _constant(model: onnx.ModelProto, name: str) -> Array:
    found = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    array: Array = numpy_helper.to_array(found)
    return array


def _shared_constants() -> Iterator[onnx.TensorProto]:
    yield numpy_helper.from_array(np.array(1 / _LEVELS, np.float32), _STEP)
    yield numpy_helper.from_array(np.array(1, np.float32), _ONE)
    yield numpy_helper.from_array(np.array(128, np.uint8), _ZERO)
    yield numpy_helper.from_array(np.array([-1], np.int64), _LAST_AXIS)


def integer_weights(weights: dict[str, Array]) -> Iterator[onnx.TensorProto]:
    for name, weight in weights.items():
        scale = np.abs(weight).max(axis=0) / np.float32(_LEVELS)
        scale[scale == 0] = 1  # a column of zeros
        yield numpy_helper.from_array(np.rint(weight / scale).astype(np.int8), f"{name}.int8")
        yield numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale")


def _rows_of(node: onnx.NodeProto) -> str:
    return next((entry.value for entry in node.metadata_props if entry.key == ROWS), "")


def _integer_product(node: onnx.NodeProto) -> onnx.NodeProto:
    x, weight = node.input
    inputs = [f"{x}.uint8", f"{weight}.int8", f"{x}.scale", f"{weight}.scale", _ZERO]
    return helper.make_node("MatMulIntegerToFloat", inputs, node.output, node.name, domain=CONTRIB)


class _Rows:
    """Quantises what is multiplied, each value once: `x.uint8`, and `x.scale` [..,1].

    A row of zeros has the scale 0 and becomes arbitrary integers, which the scale then multiplies
    back to 0.
    """

    def __init__(self) -> None:
        self._done: set[str] = set()
        self._zeros: set[str] = set()

    def quantise(self, x: str, rows: str) -> Iterator[onnx.NodeProto]:
        """Nodes for one value, none if it was quantised before; `rows` as `_rows_of` says."""
        if x in self._done:
            return
        self._done.add(x)
        yield helper.make_node("Abs", [x], [f"{x}.magnitude"], f"{x}.abs")
        largest = [f"{x}.magnitude", _LAST_AXIS]
        yield helper.make_node("ReduceMax", largest, [f"{x}.largest"], f"{x}.max", keepdims=1)
        yield helper.make_node("Mul", [f"{x}.largest", _STEP], [f"{x}.scale"], f"{x}.step")
        yield from self._matrix(x, rows) if rows else self._any_rank(x)

    def _matrix(self, x: str, rows: str) -> Iterator[onnx.NodeProto]:
        scales, zeros = f"{x}.scales", f"int8.zeros.{rows}"
        yield helper.make_node("Squeeze", [f"{x}.scale", _LAST_AXIS], [scales], f"{x}.squeeze")
        if rows not in self._zeros:
            self._zeros.add(rows)
            zero = numpy_helper.from_array(np.array([128], np.uint8))
            yield helper.make_node("Shape", [scales], [f"{zeros}.shape"], f"{zeros}.shape")
            yield helper.make_node(
                "ConstantOfShape", [f"{zeros}.shape"], [zeros], zeros, value=zero
            )
        inputs = [x, scales, zeros]
        yield helper.make_node("QuantizeLinear", inputs, [f"{x}.uint8"], f"{x}.quantise", axis=0)

    def _any_rank(self, x: str) -> Iterator[onnx.NodeProto]:
        yield helper.make_node("Div", [x, f"{x}.scale"], [f"{x}.steps"], f"{x}.divide")
        inputs = [f"{x}.steps", _ONE, _ZERO]
        yield helper.make_node("QuantizeLinear", inputs, [f"{x}.uint8"], f"{x}.quantise")
