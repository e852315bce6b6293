"""4-bit weights in blocks, for the decoder: half the bytes of int8, hence fast at few rows.

`MatMulNBits` of ONNX Runtime with accuracy level 4: activations are quantised to 8 bits by row and
block, products are summed in integers, so rows stay independent. It reads half of what int8 reads,
which is what counts at one to four rows. At 32 rows it takes several times as long as int8, and so
would an encoder.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from lingraft.training.export.graph import CONTRIB, check, without_weights
from lingraft.training.export.quantize import float_products
from lingraft.training.export.weights import Floats

BLOCK = 64
_MIDDLE, _MOST = 8, 15  # the stored 0 and 15 mean -8 and 7 steps
_INTEGER_ACTIVATIONS = 4  # `accuracy_level`


def pack(model: onnx.ModelProto, block: int = BLOCK) -> onnx.ModelProto:
    """A copy of `model` in which constant weights of matrix products have 4 bits.

    `block` is the number of inputs, a power of two from 16 on, that share a scale.
    """
    result = without_weights(model)
    graph = result.graph
    products = {node.name for node in float_products(model) if node.op_type == "MatMul"}
    weights = {node.input[1] for node in graph.node if node.name in products}
    nodes: list[onnx.NodeProto] = []
    shapes = {t.name: (t.dims[0], t.dims[1]) for t in model.graph.initializer if t.name in weights}
    for node in graph.node:
        nodes.append(_packed(node, shapes[node.input[1]], block) if node.name in products else node)
    tensors: list[onnx.TensorProto] = []
    for tensor in model.graph.initializer:
        tensors += _tensors(tensor, block) if tensor.name in weights else [tensor]
    graph.ClearField("node")
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)
    check(result)
    return result


def quantise_blocks(weight: Floats, block: int) -> tuple[NDArray[np.uint8], Floats]:
    """Weights [in,out] as numbers 0 to 15 [out,in/block,block] and scales [out,in/block].

    A weight is (number - 8) * scale. The scale has the sign that puts the block's largest
    magnitude on -8, the end that reaches farther. What is missing to whole blocks is zeros.
    """
    columns = np.pad(weight.T, ((0, 0), (0, -weight.shape[0] % block)))
    blocks = columns.reshape(weight.shape[1], -1, block)
    place = np.abs(blocks).argmax(axis=-1, keepdims=True)
    scale = np.take_along_axis(blocks, place, axis=-1) / np.float32(-_MIDDLE)
    steps = np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale != 0)
    numbers = np.clip(np.rint(steps) + _MIDDLE, 0, _MOST).astype(np.uint8)
    return numbers, scale[..., 0].astype(np.float32)


def _tensors(tensor: onnx.TensorProto, block: int) -> Iterator[onnx.TensorProto]:
    numbers, scale = quantise_blocks(numpy_helper.to_array(tensor), block)
    pairs = numbers[..., 0::2] | (numbers[..., 1::2] << 4)  # the first is the lower half
    yield numpy_helper.from_array(pairs, f"{tensor.name}.int4")
    yield numpy_helper.from_array(scale, f"{tensor.name}.scale")


def _packed(node: onnx.NodeProto, shape: tuple[int, int], block: int) -> onnx.NodeProto:
    x, weight = node.input
    return helper.make_node(
        "MatMulNBits",
        [x, f"{weight}.int4", f"{weight}.scale"],
        node.output,
        node.name,
        domain=CONTRIB,
        K=shape[0],
        N=shape[1],
        bits=4,
        block_size=block,
        accuracy_level=_INTEGER_ACTIVATIONS,
    )
