"""A text classifier as an ONNX graph: Marian encoder, mean over real positions, linear head."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from lingraft.training.export.graph import GraphBuilder
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
    hidden, bias = encode(g, weights, weights.get("embed_tokens.weight"), architecture)
    pooled = _mean_of_real_positions(g, hidden, bias)
    product = g.op("MatMul", pooled, g.constant("head.weight", head_weight.T))
    g.op("Add", product, g.constant("head.bias", head_bias), name="logits")
    g.output("logits", np.float32, ["B", head_bias.shape[0]])
    return g.build()


def _mean_of_real_positions(g: GraphBuilder, hidden: str, bias: str) -> str:
    """[B,S,d] -> [B,d]: a product with each row's shares, 1/length at real positions, 0 beyond."""
    shares = g.op("Squeeze", g.op("Softmax", bias, axis=-1), g.ints(1))  # [B,1,S]
    return g.op("Squeeze", g.op("MatMul", shares, hidden), g.ints(1))
