"""A small typed builder of ONNX graphs: every operator is one call that returns its value's name.

Built this way, not by tracing, a graph is a plain function of the weights: the same weights give
the same bytes, and no release of an exporter can change what a bundle computes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

# Known to ONNX Runtime 1.20 and later; Gelu needs opset 20.
_OPSET = 21
_IR_VERSION = 10
ROWS = "lingraft.rows"  # key of a node's metadata: see GraphBuilder.product
CONTRIB = "com.microsoft"  # ONNX Runtime's own operators, present in every build of it

# Bytes of weights that go into one file: protobuf reads less than 2^31, and nodes want room too.
LARGEST_MESSAGE = 2**31 - 2**26

Array = NDArray[Any]

_ELEMENT_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.int32): TensorProto.INT32,
}


class GraphBuilder:
    """Collects nodes, constants, inputs and outputs; `build` turns them into a checked model."""

    def __init__(self, name: str, opset: int = _OPSET) -> None:
        self._name, self._opset = name, opset
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        # Constants go right into the model: they may be gigabytes, and are there only once.
        self._model = onnx.ModelProto(ir_version=_IR_VERSION, producer_name="lingraft")
        self._constants: set[str] = set()

    def input(self, name: str, dtype: type[np.generic], shape: Sequence[str | int]) -> str:
        """Declare a graph input; a string in `shape` is a dimension known at run time."""
        self._inputs.append(_value_info(name, dtype, shape))
        return name

    def output(self, name: str, dtype: type[np.generic], shape: Sequence[str | int]) -> None:
        """Declare the value called `name` as a graph output."""
        self._outputs.append(_value_info(name, dtype, shape))

    def constant(self, name: str, value: Array) -> str:
        """Store an array in the file; the second call with one name gives the first array."""
        if name not in self._constants:
            self._constants.add(name)
            tensor = self._model.graph.initializer.add(name=name, dims=value.shape)
            tensor.data_type = helper.np_dtype_to_tensor_dtype(value.dtype)
            tensor.raw_data = value.tobytes()
        return name

    def floats(self, *values: float) -> str:
        """A float32 vector; one value gives a scalar."""
        array = np.array(values[0] if len(values) == 1 else values, np.float32)
        return self.constant("floats." + ",".join(map(repr, values)), array)

    def ints(self, *values: int) -> str:
        """An int64 vector, also for one value."""
        return self.constant("ints." + ",".join(map(str, values)), np.array(values, np.int64))

    def op(
        self, kind: str, *inputs: str, name: str = "", domain: str = "", **attributes: Any
    ) -> str:
        """Add a node with one output and return the output's name: `name`, or a numbered one.

        An empty string among `inputs` leaves an optional input out.
        """
        return self.ops(kind, *inputs, names=[name], domain=domain, **attributes)[0]

    def product(self, x: str, weight: str, rows: str = "") -> str:
        """MatMul of `x` [.., in] and the constant `weight` [in, out].

        `rows` says that `x` is a matrix [R, in]; all products of one graph with the same word have
        the same R. The quantiser makes faster integer products of those.
        """
        product = self.op("MatMul", x, weight)
        if rows:
            self._nodes[-1].metadata_props.add(key=ROWS, value=rows)
        return product

    def ops(
        self, kind: str, *inputs: str, names: Sequence[str], domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs; an empty string in `names` asks for a numbered name."""
        label = f"{kind}.{len(self._nodes)}"
        outputs = [name or f"{label}.{position}" for position, name in enumerate(names)]
        self._nodes.append(
            helper.make_node(kind, inputs, outputs, name=label, domain=domain, **attributes)
        )
        return outputs

    def build(self) -> onnx.ModelProto:
        """The finished model, checked against the ONNX specification. Once only."""
        model, graph = self._model, self._model.graph
        opsets = (("", self._opset), (CONTRIB, 1))
        model.opset_import.extend(helper.make_opsetid(*opset) for opset in opsets)
        graph.name = self._name
        graph.node.extend(self._nodes)
        graph.input.extend(self._inputs)
        graph.output.extend(self._outputs)
        check(model)
        return model


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` but for its constants, which may be gigabytes."""
    result = onnx.ModelProto(ir_version=model.ir_version, producer_name=model.producer_name)
    result.opset_import.extend(model.opset_import)
    result.graph.name = model.graph.name
    result.graph.node.extend(model.graph.node)
    result.graph.input.extend(model.graph.input)
    result.graph.output.extend(model.graph.output)
    return result


def check(model: onnx.ModelProto) -> None:
    """Check `model` against the ONNX specification.

    One too large for the checker is passed over: `storing.store` checks it as a file.
    """
    if weight_bytes(model) <= LARGEST_MESSAGE:
        onnx.checker.check_model(model)


def weight_bytes(model: onnx.ModelProto) -> int:
    """Bytes that the constants of `model` take, but for those that stand in another file."""
    return sum(
        math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        for tensor in model.graph.initializer
        if tensor.data_location != TensorProto.EXTERNAL
    )


def serialise(model: onnx.ModelProto) -> bytes:
    """The model as one file's content; the same model gives the same bytes."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _value_info(
    name: str, dtype: type[np.generic], shape: Sequence[str | int]
) -> onnx.ValueInfoProto:
    element_type = _ELEMENT_TYPES[np.dtype(dtype)]
    return helper.make_tensor_value_info(name, element_type, list(shape))
