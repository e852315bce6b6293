"""A whole decoder step in one of the server's own operators (server/native/decoder.h).

ONNX Runtime takes time for every node, and Python and the session for every step; a row that is
alone can take many steps in one call of `Decoder`. Decoders of post-norm layers with nothing
between them fit, as Marian's do; of any other the twin stays as `native.py` made it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper

from lingraft.training.export.rewriting import DOMAIN

# What such a twin has beside the others (bundle.proto).
PLAN, HALT, MADE = "plan", "halt", "made"

_LAYER = (
    *("Dense", "SelfAttention", "DenseNorm"),
    *("Dense", "CrossAttention", "DenseNorm", "FeedForward"),
)
_TURNED = {"Transpose", "Pad"}  # what makes an output layer of embeddings (`tables.py`)
_GIVEN = ("input_ids", "past_lengths", "source_lengths", "top_k", "unscored", PLAN, HALT)
_CACHES = ("past", "cross")
_MADE = ("top_ids", "top_logprobs", "hidden", "normalisers", "owing", MADE)


def whole_decoder(model: onnx.ModelProto) -> bool:
    """Puts one `Decoder` in place of a twin's nodes where it does the same; says whether it did.

    The graph gets the inputs `plan` and `halt` and the output `made`.
    """
    graph = model.graph
    node = _decoder(graph)
    if node is None:
        return False
    turned = [each for each in graph.node if each.op_type in _TURNED]
    graph.ClearField("node")
    graph.node.extend([*turned, node])
    declared = helper.make_tensor_value_info
    graph.input.append(declared(PLAN, TensorProto.INT64, ["N"]))
    graph.input.append(declared(HALT, TensorProto.INT32, [2]))
    graph.output.append(declared(MADE, TensorProto.INT64, [1]))
    return True


def _decoder(graph: onnx.GraphProto) -> onnx.NodeProto | None:
    """The operator; None where anything in the graph is not as it must be."""
    own = [node for node in graph.node if node.domain == DOMAIN]
    tables = [_Table.looked_up(graph, ids) for ids in ("input_ids", "past_lengths")]
    layers = [_Layer(own[at : at + len(_LAYER)]) for at in range(0, len(own) - 1, len(_LAYER))]
    pieces, positions = tables
    if not layers or pieces is None or positions is None or not _is_all(graph, pieces, positions):
        return None
    sums = (n for n in graph.node if n.op_type == "Add")
    x = next((n.output[0] for n in sums if set(n.input) == {pieces.made, positions.made}), "")
    for index, layer in enumerate(layers):
        if not layer.follows(x, index):
            return None
        x = layer.made
    head, settings = own[-1], {layer.settings for layer in layers}
    if [head.op_type, head.input[0], *head.input[4:]] != ["BestPieces", x, "top_k", "unscored"]:
        return None
    if len(settings) > 1 or (setting := settings.pop()) is None:
        return None
    heads, epsilon, activation = setting
    aligned = _aligned(layers, {output.name for output in graph.output})
    constants = [name for layer in layers for name in layer.constants]
    caches = [name for layer in layers for name in layer.caches]
    return helper.make_node(
        "Decoder",
        [*_GIVEN, *pieces.names, *positions.names, *head.input[1:4], *constants, *caches],
        [*_MADE, layers[aligned].shares, *(name for layer in layers for name in layer.presents)],
        "decoder",
        domain=DOMAIN,
        layers=len(layers),
        heads=heads,
        epsilon=epsilon,
        activation=activation,
        aligned=aligned,
        piece_bits=pieces.bits,
        position_bits=positions.bits,
    )


def _is_all(graph: onnx.GraphProto, *tables: _Table) -> bool:
    """Whether the nodes are the layers, the output layer, and what looks up and adds the tables."""
    others = [n for n in graph.node if n.domain != DOMAIN and n.op_type not in _TURNED]
    return len(others) == sum(table.nodes for table in tables) + 1


def _aligned(layers: Sequence[_Layer], outputs: set[str]) -> int:
    """The layer whose shares of attention are the alignment; the last one where there is none."""
    told = [index for index, layer in enumerate(layers) if layer.shares in outputs]
    return told[0] if told else len(layers) - 1


@dataclass(frozen=True)
class _Table:
    """A table and the `nodes` that look up its rows: values, scales (themselves in fp32), bits."""

    names: tuple[str, str]
    bits: int
    made: str
    nodes: int

    @classmethod
    def looked_up(cls, graph: onnx.GraphProto, ids: str) -> _Table | None:
        tensors = {tensor.name: tensor for tensor in graph.initializer}
        types = {name: tensor.data_type for name, tensor in tensors.items()}
        found = [n for n in graph.node if n.op_type == "Gather" and n.input[1] == ids]
        kinds = [types.get(node.input[0]) for node in found]
        if kinds == [TensorProto.FLOAT]:
            return cls((found[0].input[0],) * 2, 32, found[0].output[0], 1)
        if kinds != [TensorProto.INT8, TensorProto.FLOAT]:
            return None
        values, scales = found
        if list(tensors[scales.input[0]].dims) != [tensors[values.input[0]].dims[0], 1]:
            return None  # scales of columns
        cast = _user(graph, values.output[0], "Cast")
        scaled = cast and _user(graph, cast.output[0], "Mul")
        if not scaled or scaled.input[1] != scales.output[0]:
            return None
        return cls((values.input[0], scales.input[0]), 8, scaled.output[0], 4)


def _user(graph: onnx.GraphProto, name: str, kind: str) -> onnx.NodeProto | None:
    return next((n for n in graph.node if n.op_type == kind and n.input[0] == name), None)


class _Layer:
    """The nodes of one layer."""

    def __init__(self, nodes: Sequence[onnx.NodeProto]) -> None:
        self._nodes = nodes

    def follows(self, x: str, index: int) -> bool:
        """Whether these are the nodes of layer `index`, which is given `x`."""
        if [node.op_type for node in self._nodes] != list(_LAYER):
            return False
        packed, own, first, query, cross, second, feed = self._nodes
        past, source = ([f"{kind}_{part}.{index}" for part in ("key", "value")] for kind in _CACHES)
        made = [node.output[0] for node in self._nodes]
        wanted = (
            (packed, [x]),
            (own, [made[0], *past, "past_lengths"]),
            (first, [made[1], *first.input[1:4], x]),
            (query, [made[2]]),
            (cross, [made[3], *source, "source_lengths"]),
            (second, [made[4], *second.input[1:4], made[2]]),
            (feed, [made[5]]),
        )
        plain = all(_attribute(node, "activation") == 0 for node in (packed, query))
        return plain and all(list(node.input[: len(names)]) == names for node, names in wanted)

    @property
    def settings(self) -> tuple[int, float, int] | None:
        """Heads, epsilon, activation; None where the parts of the layer differ."""
        _, own, first, _, cross, second, feed = self._nodes
        heads = {_attribute(node, "heads") for node in (own, cross)}
        epsilons = {_attribute(node, "epsilon") for node in (first, second, feed)}
        if len(heads) > 1 or len(epsilons) > 1:
            return None
        return int(heads.pop()), float(epsilons.pop()), int(_attribute(feed, "activation"))

    @property
    def constants(self) -> Iterator[str]:
        """Names, in the order of the operator's inputs."""
        packed, _, first, query, _, second, feed = self._nodes
        for product, norm in ((packed, first), (query, second)):
            yield from (*product.input[1:4], *norm.input[1:4], *norm.input[5:7])
        yield from feed.input[1:9]

    @property
    def caches(self) -> Iterator[str]:
        """Keys and values of the past, and of the source."""
        yield from (*self._nodes[1].input[1:3], *self._nodes[4].input[1:3])

    @property
    def presents(self) -> Sequence[str]:
        """Keys and values of the past after the step."""
        return self._nodes[1].output[1:]

    @property
    def shares(self) -> str:
        """Shares of attention to the source."""
        return self._nodes[4].output[1]

    @property
    def made(self) -> str:
        """The layer's result."""
        return self._nodes[-1].output[0]


def _attribute(node: onnx.NodeProto, name: str) -> float:
    found = next(each for each in node.attribute if each.name == name)
    return found.f if found.type == onnx.AttributeProto.FLOAT else found.i
