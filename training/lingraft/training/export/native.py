"""Rewrites a graph for the server's own operators (server/native): fewer, larger, faster ones.

The domain is "lingraft"; `operators.cpp` says what each operator takes and gives. Weights become
8-bit integers exactly as in `quantize.py`, under the same names. A pattern that is not there stays
in standard operators.

In a bundle the rewritten graph is the twin of the standard one: a small file beside it, whose
weights are those in the standard graph's file. Its caches are float16, keys and values alike
[B,S,H*D] and [B,T,H*D], a row's in one stretch: reading them is most of what attention costs.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lingraft.training.export.graph import serialise
from lingraft.training.export.native_encoders import dense_attention, feed_forward, packed_attention
from lingraft.training.export.packing import NO_PADDING, PADDING, without_padding
from lingraft.training.export.rewriting import DOMAIN, Rewriting
from lingraft.training.export.storing import DATA_SUFFIX, share

# Of a decoder step, beside what standard graphs have (bundle.proto).
HIDDEN, UNSCORED, NORMALISERS, OWING = "hidden", "unscored", "normalisers", "owing"


def nativise(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of an fp32 `model` with fused 8-bit operators of the domain "lingraft"."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    if _Rewriter(result.graph).rewrite():
        helper.set_model_props(result, {PADDING: NO_PADDING})
    result.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return result


def store_twin(native: onnx.ModelProto, standard: Path, *others: Path) -> Path:
    """Write a rewritten graph beside the `standard` int8 graph; its path, `NAME.native.onnx`.

    Large constants are found in the standard graph's file, in its `.data`, or in the files that it
    refers to itself, `others`; and referred to.
    """
    twin = standard.with_suffix(".native.onnx")
    for file in (standard, Path(f"{standard}{DATA_SUFFIX}"), *others):
        if file.exists():
            share(native, file)
    twin.write_bytes(serialise(native))
    return twin


def native_operators(model: onnx.ModelProto) -> list[str]:
    """Names of the own operators of a graph, in its order."""
    return [node.op_type for node in model.graph.node if node.domain == DOMAIN]


class _Rewriter(Rewriting):
    """The patterns of one graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        super().__init__(graph)
        self._caches: set[str] = set()  # inputs and outputs that are caches of own operators

    def rewrite(self) -> bool:
        """Replaces every pattern, then drops what nothing uses; whether padding was left out."""
        for node in list(self.graph.node):
            if node.op_type == "GroupQueryAttention":
                self._attention(node)
            elif node.op_type == "Attention":
                dense_attention(self, node)
            elif node.op_type == "Softmax":
                self._cross_attention(node)
            elif node.op_type == "Split":
                self._cross_caches(node)
            elif node.op_type == "MatMul" and node.input[1] in self.constants:
                self._product(node)
        packed = without_padding(self)
        self.finish()
        for value in (*self.graph.input, *self.graph.output):
            if value.name in self._caches:
                _halve(value)
        return packed

    def _product(self, node: onnx.NodeProto) -> None:
        """Dense, DenseNorm, FeedForward or BestPieces for a product with constant weights."""
        if self._is_head(node):
            self._best_pieces(node)
            return
        last, bias = self.bias(node)
        inputs = [node.input[0], *self.packed(node.input[1]), bias]
        if (norm := self._norm(last)) is not None:
            residual, layer = norm
            inputs += [residual, *layer.input[1:3]]
            epsilon = next(a.f for a in layer.attribute if a.name == "epsilon")
            if feed_forward(self, layer, inputs, epsilon):
                return
            self.replace(layer, "DenseNorm", inputs, epsilon=epsilon)
            return
        last, activation = self.activation(last)
        self.replace(last, "Dense", inputs, activation=activation)

    def _norm(self, node: onnx.NodeProto) -> tuple[str, onnx.NodeProto] | None:
        """What is added to a node's result before a layer normalisation, and that."""
        add = self.only_user(node)
        if add is None or add.op_type != "Add":
            return None
        layer = self.only_user(add)
        if layer is None or layer.op_type != "LayerNormalization" or len(layer.input) < 3:
            return None
        residual = next(name for name in add.input if name != node.output[0])
        return None if residual in self.constants else (residual, layer)

    def _is_head(self, node: onnx.NodeProto) -> bool:
        return node.input[1] == "lm_head.weight" and "top_ids" in self.outputs

    def _best_pieces(self, node: onnx.NodeProto) -> None:
        """BestPieces; and what lets probabilities come later, the hidden states they are of.

        That takes steps of no rows, on which a standard `GroupQueryAttention` divides by zero.
        """
        _, bias = self.bias(node)
        weights, width = self.packed(node.input[1]), self.constants[node.input[1]].dims[0]
        for name in ("top_ids", "top_logprobs"):
            self.outputs_from(self.makers[name])
        made = ["top_ids", "top_logprobs", NORMALISERS, OWING]
        if any(self._is_standard_attention(each) for each in self.graph.node):
            nobody = self.constant("native.nobody", np.zeros((0, width), np.float32))
            inputs = [node.input[0], *weights, bias, "top_k", nobody]
        else:
            self.rename(node.input[0], HIDDEN)
            inputs = [HIDDEN, *weights, bias, "top_k", UNSCORED]
            self._declare_late(width)
        self.own(self.makers["top_logprobs"], "BestPieces", inputs, made)

    def _is_standard_attention(self, node: onnx.NodeProto) -> bool:
        return node.op_type == "GroupQueryAttention" and node.name not in self.replaced

    def _declare_late(self, width: int) -> None:
        declared, real = helper.make_tensor_value_info, TensorProto.FLOAT
        self.graph.input.append(declared(UNSCORED, real, ["P", width]))
        self.graph.output.append(declared(HIDDEN, real, ["B", width]))
        self.graph.output.append(declared(NORMALISERS, real, ["P"]))
        self.graph.output.append(declared(OWING, TensorProto.INT64, [1]))
        self.outputs |= {HIDDEN, NORMALISERS, OWING}

    def _attention(self, node: onnx.NodeProto) -> None:
        """SelfAttention or PackedAttention; plain heads without bias or scale only."""
        attributes = {attribute.name: attribute.i for attribute in node.attribute}
        if len(node.input) > 7 or attributes["num_heads"] != attributes["kv_num_heads"]:
            return
        if node.input[3] and set(attributes) == {"num_heads", "kv_num_heads"}:
            self._self_attention(node, attributes["num_heads"])
        elif not node.input[3] and attributes.get("causal") == 0 and len(attributes) == 3:
            packed_attention(self, node, attributes["num_heads"])

    def _self_attention(self, node: onnx.NodeProto, heads: int) -> None:
        """SelfAttention for one new piece per row."""
        packed, joined = self.makers.get(node.input[0]), self.only_user(node)
        if packed is None or packed.op_type != "Unsqueeze":
            return
        if joined is None or joined.op_type != "Reshape":
            return
        inputs, outputs = [packed.input[0], *node.input[3:6]], [joined.output[0], *node.output[1:]]
        self.own(node, "SelfAttention", inputs, outputs, heads=heads)
        self.outputs_from(joined)
        self._caches |= {*inputs[1:3], *outputs[1:]}

    def _cross_attention(self, shares: onnx.NodeProto) -> None:
        """CrossAttention of one query per row over keys and values that are graph inputs."""
        masked = self.makers.get(shares.input[0])
        scores = None if masked is None else self.makers.get(masked.input[0])
        if scores is None or scores.op_type != "MatMul" or not scores.input[1].startswith("cross_"):
            return
        query = self.makers[scores.input[0]]
        users = self.users[shares.output[0]]
        context = next(user for user in users if user.op_type == "MatMul")
        joined = self.only_user(context)
        means = [user for user in users if user.op_type == "ReduceMean"]
        if joined is None or query.op_type != "Reshape" or len(users) != 1 + len(means):
            return
        inputs = [query.input[0], scores.input[1], context.input[1], "source_lengths"]
        mean = means[0].output[0] if means else f"{shares.name}.mean"
        for node in means:
            self.outputs_from(node)
        heads = int(numpy_helper.to_array(self.constants[query.input[1]])[1])  # of [-1,H,1,D]
        self.own(joined, "CrossAttention", inputs, [joined.output[0], mean], heads=heads)
        self._caches |= set(inputs[1:3])

    def _cross_caches(self, split: onnx.NodeProto) -> None:
        """DenseHalves for the product of which a layer's cross keys and values are the halves."""
        made = [self._cache_from(name) for name in split.output]
        if [node and node.output[0].split(".")[0] for node in made] != ["cross_key", "cross_value"]:
            return
        product = self.makers[split.input[0]]
        if product.op_type == "Add":
            product = next(self.makers[name] for name in product.input if name in self.makers)
        _, bias = self.bias(product)
        inputs = [product.input[0], *self.packed(product.input[1]), bias, "input_ids", "lengths"]
        outputs = [node.output[0] for node in made if node is not None]
        self.own(split, "DenseHalves", inputs, outputs)
        for node in made:
            if node is not None:
                self.outputs_from(node)
        self._caches |= set(outputs)

    def _cache_from(self, part: str) -> onnx.NodeProto | None:
        """The Transpose that makes a graph output of a product's half, by way of a Reshape."""
        shaped = [user for user in self.users[part] if user.op_type == "Reshape"]
        turned = [user for each in shaped for user in self.users[each.output[0]]]
        last = turned[0] if len(turned) == 1 else None
        return last if last is not None and last.output[0] in self.outputs else None


def _halve(value: onnx.ValueInfoProto) -> None:
    """Makes a cache [B,H,D,S] or [B,H,S,D] of floats one [B,S,H*D] of halves."""
    sizes = value.type.tensor_type.shape.dim
    width = math.prod(size.dim_value for size in sizes if size.dim_value)
    length = next(size.dim_param for size in sizes[1:] if size.dim_param)
    shape: list[str | int | None] = [sizes[0].dim_param, length, width]
    value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT16, shape))
