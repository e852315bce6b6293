"""A text classifier as an ONNX graph: Marian encoder, mean over real positions, linear head."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from lingraft.training.export.graph import GraphBuilder
from lingraft.training.export.layers import padding_bias
from lingraft.training.export.marian import encode
from lingraft.training.export.weights import Architecture, Floats, StateDict, Weights


def classifier_graph(
    config: Any, encoder_state: StateDict, head_weight: Floats, head_bias: Floats
) -> onnx.ModelProto:
    """Graph `classifier` of bundle.proto's interface.

    Args:
        config: the encoder's `MarianConfig`.
        encoder_state: state dict of a `MarianEncoder` as arrays.
        head_weight: [C,d].
        head_bias: [C].

    Raises:
        ExportError: the configuration or the weights do not make a Marian encoder.
    """
    architecture, weights = Architecture.of(config), Weights(encoder_state)
    g = GraphBuilder("classifier")
    hidden = encode(g, weights, weights.get("embed_tokens.weight"), architecture)
    pooled = _mean_of_real_positions(g, hidden, architecture.d_model)
    product = g.product(pooled, g.constant("head.weight", head_weight.T), rows="texts")
    g.op("Add", product, g.constant("head.bias", head_bias), name="logits")
    g.output("logits", np.float32, ["B", head_bias.shape[0]])
    return g.build()


def _mean_of_real_positions(g: GraphBuilder, hidden: str, d_model: int) -> str:
    """[B*S,d] -> [B,d]: a product with each row's shares, 1/length at real positions, 0 beyond."""
    shape = g.op("Concat", g.op("Shape", "input_ids"), g.ints(d_model), axis=0)
    width = g.op("Squeeze", g.op("Shape", "input_ids", start=1, end=2))
    bias = padding_bias(g, "lengths", width)
    shares = g.op("Squeeze", g.op("Softmax", bias, axis=-1), g.ints(1))  # [B,1,S]
    return g.op("Squeeze", g.op("MatMul", shares, g.op("Reshape", hidden, shape)), g.ints(1))
