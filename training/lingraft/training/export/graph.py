"""A small typed builder of ONNX graphs: every operator is one call that returns its value's name.

Built this way, not by tracing, a graph is a plain function of the weights: the same weights give
the same bytes, and no release of an exporter can change what a bundle computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# Known to ONNX Runtime 1.20 and later; Gelu needs opset 20.
_OPSET = 21
_IR_VERSION = 10
CONTRIB = "com.microsoft"  # ONNX Runtime's own operators, present in every build of it

Array = NDArray[Any]

_ELEMENT_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.int32): TensorProto.INT32,
}


class GraphBuilder:
    """Collects nodes, constants, inputs and outputs; `build` turns them into a checked model."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

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
            array = np.ascontiguousarray(value).reshape(value.shape)
            self._constants[name] = numpy_helper.from_array(array, name)
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
        """The finished model, checked against the ONNX specification."""
        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, list(self._constants.values())
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="lingraft")
        model.ir_version = _IR_VERSION
        onnx.checker.check_model(model)
        return model


def serialise(model: onnx.ModelProto) -> bytes:
    """The model as one file's content; the same model gives the same bytes."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _value_info(
    name: str, dtype: type[np.generic], shape: Sequence[str | int]
) -> onnx.ValueInfoProto:
    element_type = _ELEMENT_TYPES[np.dtype(dtype)]
    return helper.make_tensor_value_info(name, element_type, list(shape))
