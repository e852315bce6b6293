"""Patterns of encoders: attention of all positions with its products, and feed-forward layers."""

from __future__ import annotations

import onnx

from lingraft.training.export.rewriting import Rewriting


def dense_attention(graph: Rewriting, node: onnx.NodeProto) -> None:
    """DenseAttention for an `Attention` of which the lengths of the texts are all the bias.

    Its queries, keys and values are products of one matrix with constant weights, the queries those
    of all positions or of first ones; anything else stays as it is.
    """
    found = [product for name in node.input[:3] if (product := _product(graph, name)) is not None]
    behind = graph.only_user(node)
    if len(found) < len("qkv") or behind is None or behind.op_type != "Reshape":
        return
    asking, keys, values = (each.input[0] for each in found)
    firsts = graph.makers.get(asking)
    first = firsts is not None and is_first(graph, firsts)
    source = graph.makers[firsts.input[0]].input[0] if firsts is not None and first else asking
    settings = {attribute.name: attribute.i for attribute in node.attribute}
    heads = settings.pop("q_num_heads")
    alike = settings == {"kv_num_heads": heads} and source == keys == values
    if not alike or not _is_padding(graph, node.input[3]):
        return
    inputs = [source]
    for each in found:
        inputs += [*graph.packed(each.input[1]), graph.bias(each)[1]]
    inputs.append("lengths")
    graph.replace(behind, "DenseAttention", inputs, heads=heads, first=int(first))


def packed_attention(graph: Rewriting, node: onnx.NodeProto, heads: int) -> None:
    """PackedAttention for a `GroupQueryAttention` of all positions, and the product that it takes.

    The product has constant weights, and its result is shaped as texts; what is attended to is made
    a matrix again, and the last positions are those of the graph's input `lengths`.
    """
    product, behind = _product(graph, node.input[0]), graph.only_user(node)
    if product is None or behind is None or behind.op_type != "Reshape":
        return
    if not _are_last(graph, node.input[5]):
        return
    weights, bias = graph.packed(product.input[1]), graph.bias(product)[1]
    inputs = [product.input[0], *weights, bias, "lengths"]
    graph.own(node, "PackedAttention", inputs, [behind.output[0]], heads=heads, first=0)
    graph.outputs_from(behind)


def _are_last(graph: Rewriting, name: str) -> bool:
    """Whether a value is the last positions of all texts, `lengths` - 1."""
    node = graph.makers.get(name)
    for kind in ("Sub", "Cast"):
        if node is None or node.op_type != kind:
            return False
        before, node = node.input[0], graph.makers.get(node.input[0])
    return before == "lengths"


def feed_forward(
    graph: Rewriting, layer: onnx.NodeProto, inputs: list[str], epsilon: float
) -> bool:
    """FeedForward for a norm `layer` over two products, of which the first reads the residual.

    `inputs` are those of DenseNorm; its product is the second. False: there is no such pattern.
    """
    hidden, *down, residual, gamma, beta = inputs
    maker = graph.makers.get(hidden)
    while maker is not None and maker.op_type != "MatMul":
        if len(graph.users[maker.output[0]]) > 1:
            return False
        maker = _before(graph, maker)
    if maker is None or maker.input[1] not in graph.constants or maker.input[0] != residual:
        return False
    biased, bias = graph.bias(maker)
    last, activation = graph.activation(biased)
    if last.output[0] != hidden:
        return False
    up = [*graph.packed(maker.input[1]), bias]
    inputs = [residual, *up, *down, gamma, beta]
    graph.replace(layer, "FeedForward", inputs, activation=activation, epsilon=epsilon)
    return True


def _before(graph: Rewriting, node: onnx.NodeProto) -> onnx.NodeProto | None:
    """The node that makes the one input that is no constant."""
    made = [name for name in node.input if name not in graph.constants]
    return graph.makers.get(made[0]) if len(made) == 1 else None


def is_first(graph: Rewriting, node: onnx.NodeProto) -> bool:
    """Whether a node is `Batch.first`: [B,d], the first positions of all texts."""
    shaped = graph.makers.get(node.input[0])
    axis = next((attribute.i for attribute in node.attribute), 0)
    is_zero = node.op_type == "Gather" and axis == 1 and node.input[1] == "int.0"
    return is_zero and shaped is not None and shaped.op_type == "Reshape"


def _product(graph: Rewriting, name: str) -> onnx.NodeProto | None:
    """The product with constant weights that `name` shows in the shape of texts."""
    node = graph.makers.get(name)
    if node is None or node.op_type not in ("Reshape", "Unsqueeze"):
        return None
    made = graph.makers.get(node.input[0])
    product = _before(graph, made) if made is not None and made.op_type == "Add" else made
    if product is None or product.op_type != "MatMul":
        return None
    return product if product.input[1] in graph.constants else None


def _is_padding(graph: Rewriting, bias: str) -> bool:
    """Whether a bias is `Batch.bias`: it hides what stands beyond the lengths, and nothing else."""
    node = graph.makers.get(bias)
    if node is not None and node.op_type == "Expand":
        node = graph.makers.get(node.input[0])
    for kind in ("Unsqueeze", "Where"):
        if node is None or node.op_type != kind:
            return False
        node = graph.makers.get(node.input[0])
    if node is None or node.op_type != "Less":
        return False
    places, lengths = (graph.makers.get(name) for name in node.input)
    counted = lengths is not None and lengths.input[0] == "lengths"
    return counted and places is not None and places.op_type == "Range"
