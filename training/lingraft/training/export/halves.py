"""Half precision for a GPU: weights, caches and hidden states in float16.

What follows the language-model head stays in float32, since the logarithms of a large vocabulary
are no matter for 11 bits. `alignment` and a classifier's `logits` are float32 again, as the
interface has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lingraft.training.errors import ExportError
from lingraft.training.export.graph import CONTRIB, check

_LARGEST = float(np.finfo(np.float16).max)
_MASKED = 30_000.0  # so far a mask goes: with a score added it is a number still
_HEAD = "lm_head.weight"  # head.py
_ONE = "halves.int32.1"
_BIAS = 10  # which input of GroupQueryAttention is added to the scores
_RESULTS = ("top_logprobs", "alignment", "logits")  # float32 in every precision


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` in float16.

    Raises:
        ExportError: a weight is too large for float16.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    floats = {t.name for t in graph.initializer if t.data_type == TensorProto.FLOAT}
    plain = _after_head(graph)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if set(node.output) & plain and _HEAD not in node.input:
            nodes.append(node)
        else:
            nodes += _of_node(node, floats)
    _set_nodes(graph, nodes)
    _set_constants(graph)
    for value in (*graph.input, *graph.output):
        tensor = value.type.tensor_type
        if tensor.elem_type == TensorProto.FLOAT and value.name not in _RESULTS:
            tensor.elem_type = TensorProto.FLOAT16
    check(result)
    return result


def _after_head(graph: onnx.GraphProto) -> set[str]:
    """Values that are computed from the head's product, and so stay in float32."""
    found: set[str] = set()
    for node in graph.node:
        if _HEAD in node.input or found & set(node.input):
            found |= set(node.output)
    return found


def _of_node(node: onnx.NodeProto, floats: set[str]) -> Iterator[onnx.NodeProto]:
    """The node over constants in float16; what must be float32 behind it is cast."""
    half = onnx.NodeProto()
    half.CopyFrom(node)
    for index, name in enumerate(node.input):
        half.input[index] = _half(name) if name in floats else name
    for attribute in half.attribute:
        if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
    wide = [name for name in node.output if name in _RESULTS or _HEAD in node.input]
    for index, name in enumerate(node.output):
        half.output[index] = _half(name) if name in wide else name
    yield from _both_ways(half) if _looks_ahead(half) else [half]
    for name in wide:
        yield helper.make_node("Cast", [_half(name)], [name], f"{name}.cast", to=TensorProto.FLOAT)


def _half(name: str) -> str:
    return f"{name}.half"


def _looks_ahead(node: onnx.NodeProto) -> bool:
    """An encoder's attention by an operator that has no such kind on a GPU."""
    return any(each.name == "causal" and each.i == 0 for each in node.attribute)


def _both_ways(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """`MultiHeadAttention` in the place of a `GroupQueryAttention` with a packed product.

    It takes the three parts one by one, and lengths where the other takes last positions.
    """
    label, packed, last = node.name, node.input[0], node.input[5]
    bias = node.input[_BIAS] if len(node.input) > _BIAS else ""
    kept = {each.name: each for each in node.attribute if each.name in ("num_heads", "scale")}
    parts = [f"{label}.{part}" for part in ("query", "key", "value")]
    lengths = f"{label}.lengths"
    yield helper.make_node("Split", [packed], parts, f"{label}.split", axis=-1, num_outputs=3)
    yield helper.make_node("Add", [last, _ONE], [lengths], f"{label}.add")
    inputs = [*parts, "", lengths, bias] if bias else [*parts, "", lengths]
    result = helper.make_node("MultiHeadAttention", inputs, node.output[:1], label, domain=CONTRIB)
    result.attribute.extend(kept.values())
    yield result


def _set_nodes(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    graph.ClearField("node")
    graph.node.extend(nodes)


def _set_constants(graph: onnx.GraphProto) -> None:
    """Keeps the constants that nodes use, in the types that they use."""
    used = {name for node in graph.node for name in node.input}
    tensors = [tensor for tensor in graph.initializer if tensor.name in used]
    for tensor in graph.initializer:
        if (name := _half(tensor.name)) in used:
            tensors.append(numpy_helper.from_array(_rounded(tensor), name))
    if _ONE in used:
        tensors.append(numpy_helper.from_array(np.array(1, np.int32), _ONE))
    graph.ClearField("initializer")
    graph.initializer.extend(tensors)


def _rounded(tensor: onnx.TensorProto) -> NDArray[np.float16]:
    """A constant in float16; a number alone may be a mask, which is brought into range."""
    array: NDArray[np.float32] = numpy_helper.to_array(tensor)
    if array.ndim == 0:
        array = np.clip(array, -_MASKED, _MASKED)
    if np.abs(array).max(initial=0) > _LARGEST:
        raise ExportError(f"{tensor.name} has numbers beyond {_LARGEST:g}, the end of float16")
    return array.astype(np.float16)
