"""A graph that is being rewritten: who makes and who uses a value, and what stands in its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from lingraft.training.export.graph import Array
from lingraft.training.export.quantize import integer_weights

DOMAIN = "lingraft"
_NONE, _RELU, _SWISH, _GELU, _GELU_TANH = range(5)  # Activation of kernels.h


class Rewriting:
    """One graph, its nodes by what they make and by what they use."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.outputs = {output.name for output in graph.output}
        self.makers = {name: node for node in graph.node for name in node.output}
        self.users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self.users[name].append(node)
        self.before: list[onnx.NodeProto] = []  # new nodes that stand before all others
        self.replaced: dict[str, onnx.NodeProto] = {}  # by the name of the last node replaced
        self.weights: dict[str, Array] = {}

    def finish(self) -> None:
        """Puts the replacements in place, then drops what nothing uses any more."""
        replaced = [self.replaced.get(node.name, node) for node in self.graph.node]
        nodes = [*self.before, *replaced]
        self.graph.ClearField("node")
        self.graph.node.extend(_living(nodes, self.outputs))
        self.graph.initializer.extend(integer_weights(self.weights))
        used = {name for node in self.graph.node for name in node.input}
        kept = [tensor for tensor in self.graph.initializer if tensor.name in used]
        self.graph.ClearField("initializer")
        self.graph.initializer.extend(kept)

    def bias(self, product: onnx.NodeProto) -> tuple[onnx.NodeProto, str]:
        """The node that adds a constant bias to a product, or the product; and the bias."""
        user = self.only_user(product)
        if user is not None and user.op_type == "Add":
            for name in user.input:
                if name in self.constants and len(self.constants[name].dims) == 1:
                    return user, name
        return product, self.zeros(self.constants[product.input[1]].dims[1])

    def zeros(self, count: int) -> str:
        """A constant of so many zeros."""
        return self.constant(f"native.zeros.{count}", np.zeros(count, np.float32))

    def constant(self, name: str, value: Array) -> str:
        """A constant by name; the second call gives the first array."""
        if name not in self.constants:
            tensor = numpy_helper.from_array(value, name)
            self.constants[name] = tensor
            self.graph.initializer.append(tensor)
        return name

    def activation(self, node: onnx.NodeProto) -> tuple[onnx.NodeProto, int]:
        """The node that applies an activation to a result, or the node; and its number."""
        user = self.only_user(node)
        kind = _NONE if user is None else _activation_of(user)
        return (node, _NONE) if user is None or kind == _NONE else (user, kind)

    def outputs_from(self, node: onnx.NodeProto) -> None:
        """A node whose output another one makes from now on; `_living` then drops it."""
        replaced = onnx.NodeProto()
        replaced.CopyFrom(node)
        del replaced.output[:]
        replaced.output.append(f"{node.output[0]}.standard")
        self.replaced[node.name] = replaced

    def packed(self, weight: str) -> list[str]:
        """8-bit weights and scales by name, from a constant in fp32."""
        self.weights[weight] = numpy_helper.to_array(self.constants[weight])
        return [f"{weight}.int8", f"{weight}.scale"]

    def rename(self, value: str, name: str) -> None:
        """Another name for what a node makes, wherever it is used."""
        nodes = {id(node): node for node in (self.makers[value], *self.users[value])}
        for node in (*nodes.values(), *self.replaced.values()):
            for names in (node.input, node.output):
                for place, each in enumerate(names):
                    if each == value:
                        names[place] = name
        self.makers[name], self.users[name] = self.makers.pop(value), self.users.pop(value)

    def only_user(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """What alone uses a node's result; None where there is more, or it is an output."""
        users = self.users[node.output[0]]
        alone = len(users) == 1 and node.output[0] not in self.outputs
        return users[0] if alone else None

    def replace(
        self, last: onnx.NodeProto, kind: str, inputs: list[str], **attributes: Any
    ) -> None:
        """An operator of our own that makes what `last` makes."""
        self.own(last, kind, inputs, [last.output[0]], **attributes)

    def stand_in(
        self, node: onnx.NodeProto, kind: str, inputs: list[str], **attributes: Any
    ) -> None:
        """A standard operator that makes what `node` makes."""
        self.replaced[node.name] = helper.make_node(
            kind, inputs, node.output, node.name, **attributes
        )

    def own(
        self,
        place: onnx.NodeProto,
        kind: str,
        inputs: list[str],
        outputs: list[str],
        **attributes: Any,
    ) -> None:
        """An operator of our own where `place` stands."""
        self.replaced[place.name] = helper.make_node(
            kind, inputs, outputs, place.name, domain=DOMAIN, **attributes
        )


def _activation_of(node: onnx.NodeProto) -> int:
    if node.op_type == "QuickGelu":
        return _SWISH if next(a.f for a in node.attribute if a.name == "alpha") == 1 else _NONE
    if node.op_type == "Gelu":
        exact = next(a.s for a in node.attribute if a.name == "approximate") == b"none"
        return _GELU if exact else _GELU_TANH
    return _RELU if node.op_type == "Relu" else _NONE


def _living(nodes: list[onnx.NodeProto], outputs: set[str]) -> Iterator[onnx.NodeProto]:
    """The nodes that lead to `outputs`, in order."""
    wanted, living = set(outputs), []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input)
            living.append(node)
    return reversed(living)
