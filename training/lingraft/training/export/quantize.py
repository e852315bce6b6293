"""8-bit integer matrix products: weights per output channel, activations per row at run time.

ONNX Runtime's own `quantize_dynamic` gives a whole batch one activation scale, so a row's answer
would change with its company and with its padding. Here every row (every position, in an encoder)
has its own scale: x is divided by its largest magnitude m, quantised with the constant step 1/127,
multiplied in integers, and the product is multiplied by m. It costs about a tenth of the speed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper

from lingraft.training.errors import ExportError
from lingraft.training.export.graph import CONTRIB, Array

_LEVELS = 127  # symmetric: -127 to 127
_STEP, _ZERO, _LAST_AXIS = "int8.step", "int8.zero", "int8.last_axis"


def quantise(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` in which every matrix product with constant weights is an integer product.

    Raises:
        ExportError: a product was left in floating point (a `Gemm`, for instance).
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    products = [node for node in float_products(model) if node.op_type == "MatMul"]
    weights = {node.input[1]: _constant(model, node.input[1]) for node in products}
    row_scales: dict[str, tuple[str, str]] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in weights:
            nodes += _integer_product(node, row_scales)
        else:
            nodes.append(node)
    kept = [tensor for tensor in graph.initializer if tensor.name not in weights]
    tensors = [*kept, *_shared_constants(), *_integer_weights(weights)]
    graph.ClearField("node")
    graph.ClearField("initializer")
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)
    if left := [node.name for node in float_products(result)]:
        raise ExportError(f"the quantiser left these products in fp32: {', '.join(left)}")
    onnx.checker.check_model(result)
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
    yield numpy_helper.from_array(np.array(128, np.uint8), _ZERO)
    yield numpy_helper.from_array(np.array([-1], np.int64), _LAST_AXIS)


def _integer_weights(weights: dict[str, Array]) -> Iterator[onnx.TensorProto]:
    for name, weight in weights.items():
        scale = np.abs(weight).max(axis=0) / np.float32(_LEVELS)
        scale[scale == 0] = 1  # a column of zeros
        yield numpy_helper.from_array(np.rint(weight / scale).astype(np.int8), f"{name}.int8")
        yield numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale")


def _integer_product(
    node: onnx.NodeProto, row_scales: dict[str, tuple[str, str]]
) -> Iterator[onnx.NodeProto]:
    x, weight = node.input
    if x not in row_scales:
        yield from _quantise_rows(x)
        row_scales[x] = (f"{x}.uint8", f"{x}.largest")
    integers, largest = row_scales[x]
    inputs = [integers, f"{weight}.int8", _STEP, f"{weight}.scale", _ZERO]
    unit = f"{node.output[0]}.unit"
    yield helper.make_node("MatMulIntegerToFloat", inputs, [unit], node.name, domain=CONTRIB)
    yield helper.make_node("Mul", [unit, largest], node.output, f"{node.name}.scale")


def _quantise_rows(x: str) -> Iterator[onnx.NodeProto]:
    """Nodes for `x.largest`, the largest magnitude of each row, and `x.uint8`.

    A row of zeros gives 0/0, hence an arbitrary integer, which its largest magnitude, 0, then
    multiplies back to 0.
    """
    magnitude, largest, unit = f"{x}.magnitude", f"{x}.largest", f"{x}.unit"
    yield helper.make_node("Abs", [x], [magnitude], f"{x}.abs")
    yield helper.make_node("ReduceMax", [magnitude, _LAST_AXIS], [largest], f"{x}.max", keepdims=1)
    yield helper.make_node("Div", [x, largest], [unit], f"{x}.divide")
    inputs = [unit, _STEP, _ZERO]
    yield helper.make_node("QuantizeLinear", inputs, [f"{x}.uint8"], f"{x}.quantise")
