"""Texts one behind the other, without padding, where a rewritten graph allows it.

Products, norms and residuals take each row for itself; only attention, the choice of first
positions and a translator's `DenseHalves` know of texts. Where no other node sees them, matrices
[B*S,d] may become [T,d], T the sum of the lengths. Of a batch of mixed lengths 1 to 6 positions in
a hundred are padding; and texts of any lengths may then share one, of which the graph's metadata
tells the server.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

from lingraft.training.export.native_encoders import is_first
from lingraft.training.export.rewriting import Rewriting

# Metadata of a graph to which a text costs the same in any company.
PADDING, NO_PADDING = "lingraft.padding", "none"
_ATTENTION = ("Attention", "GroupQueryAttention")
_OWN_ATTENTION = ("DenseAttention", "PackedAttention")
_PLACES, _STARTS, _LENGTHS = "native.places", "native.starts", "native.lengths"


def without_padding(graph: Rewriting) -> bool:
    """Leaves padding out behind the embeddings; a graph that looks at padding stays as it is."""
    nodes, own = graph.graph.node, list(graph.replaced.values())
    attention = [node for node in nodes if node.op_type in _ATTENTION]
    shaped = [node for node in nodes if _is_shaped_as_texts(graph, node)]
    users = [user for node in shaped for user in graph.users[node.output[0]]]
    firsts = [user for user in users if is_first(graph, user)]
    embedded = [node for node in nodes if _is_matrix(graph, node)]
    found = sum(node.op_type in _OWN_ATTENTION for node in own)
    if not found or found < len(attention) or len(embedded) != 1:
        return False
    # What was replaced knows of lengths, or is the end of what was.
    known = [*attention, *firsts]
    if any(user not in known and user.name not in graph.replaced for user in users):
        return False
    _count(graph)
    graph.stand_in(embedded[0], "GatherND", [embedded[0].input[0], _PLACES])
    for node in firsts:
        matrix = graph.makers[node.input[0]].input[0]
        graph.stand_in(node, "Gather", [matrix, _STARTS], axis=0)
    for node in own:
        if node.op_type in (*_OWN_ATTENTION, "DenseHalves"):
            node.input[len(node.input) - 1] = _LENGTHS
    return True


def _is_shaped_as_texts(graph: Rewriting, node: onnx.NodeProto) -> bool:
    """Whether a node is `Batch.texts`: [B*S,d] -> [B,S,d]."""
    shape = graph.makers.get(node.input[1]) if node.op_type == "Reshape" else None
    sizes = graph.makers.get(shape.input[0]) if shape is not None else None
    return sizes is not None and sizes.op_type == "Shape" and sizes.input[0] == "input_ids"


def _is_matrix(graph: Rewriting, node: onnx.NodeProto) -> bool:
    """Whether a node is `Batch.tokens`, [B,S,d] -> [B*S,d], and stays one."""
    constant = node.op_type == "Reshape" and node.input[1] in graph.constants
    return constant and node.name not in graph.replaced


def _count(graph: Rewriting) -> None:
    """Row and place of every real position [T,2], and the number of each text's first one [B].

    A text of no positions counts as one of padding, as the standard graph has it.
    """
    zero, one = (graph.constant(f"native.int.{n}", np.array(n, np.int64)) for n in (0, 1))
    axis = graph.constant("native.ints.1", np.array([1], np.int64))
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Max", ["lengths", one], _LENGTHS, {}),
        ("CumSum", [_LENGTHS, zero], _STARTS, {"exclusive": 1}),
        ("Shape", ["input_ids"], "native.sizes", {"start": 1, "end": 2}),
        ("Squeeze", ["native.sizes"], "native.width", {}),
        ("Range", [zero, "native.width", one], "native.range", {}),
        ("Unsqueeze", [_LENGTHS, axis], "native.column", {}),
        ("Less", ["native.range", "native.column"], "native.real", {}),
        ("NonZero", ["native.real"], "native.found", {}),
        ("Transpose", ["native.found"], _PLACES, {}),
    ]
    for kind, inputs, output, attributes in steps:
        graph.before.append(helper.make_node(kind, inputs, [output], output, **attributes))
