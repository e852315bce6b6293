"""A text classifier as an ONNX graph: Marian encoder, mean over real positions, linear head.

Beside them there may be a table of hashed piece n-grams, whose rows the graph finds by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from lingraft.training.export.graph import GraphBuilder
from lingraft.training.export.hashing import HashedTable, summed_rows
from lingraft.training.export.layers import padding_bias
from lingraft.training.export.marian import encode
from lingraft.training.export.weights import Architecture, Floats, StateDict, Weights


def classifier_graph(
    config: Any,
    encoder_state: StateDict,
    head_weight: Floats,
    head_bias: Floats,
    wide: HashedTable | None = None,
) -> onnx.ModelProto:
    """Graph `classifier` of bundle.proto's interface.

    Args:
        config: the encoder's `MarianConfig`.
        encoder_state: state dict of a `MarianEncoder` as arrays.
        head_weight: [C,d].
        head_bias: [C].
        wide: the table [buckets,C] of the wide part, if there is one.

    Raises:
        ExportError: the configuration or the weights do not make a Marian encoder.
    """
    architecture, weights = Architecture.of(config), Weights(encoder_state)
    g = GraphBuilder("classifier")
    hidden = encode(g, weights, weights.get("embed_tokens.weight"), architecture)
    pooled = _mean_of_real_positions(g, hidden, architecture.d_model)
    product = g.product(pooled, g.constant("head.weight", head_weight.T), rows="texts")
    bias = g.constant("head.bias", head_bias)
    if wide is None:
        g.op("Add", product, bias, name="logits")
    else:
        g.op("Add", g.op("Add", product, bias), _counted(g, wide), name="logits")
    g.output("logits", np.float32, ["B", head_bias.shape[0]])
    return g.build()


def _counted(g: GraphBuilder, wide: HashedTable) -> str:
    """Logits [B,C] of the wide part, as `models/wide.py` computes them."""
    pieces = g.op("Sub", "lengths", g.ints(1))  # the end is in no n-gram

    def root(count: str) -> str:
        return g.op("Sqrt", g.op("Max", count, g.floats(1.0)))  # a text of no piece has none

    return summed_rows(g, "input_ids", pieces, wide, divisor=root)


def _mean_of_real_positions(g: GraphBuilder, hidden: str, d_model: int) -> str:
    """[B*S,d] -> [B,d]: a product with each row's shares, 1/length at real positions, 0 beyond."""
    shape = g.op("Concat", g.op("Shape", "input_ids"), g.ints(d_model), axis=0)
    width = g.op("Squeeze", g.op("Shape", "input_ids", start=1, end=2))
    bias = padding_bias(g, "lengths", width)
    shares = g.op("Squeeze", g.op("Softmax", bias, axis=-1), g.ints(1))  # [B,1,S]
    return g.op("Squeeze", g.op("MatMul", shares, g.op("Reshape", hidden, shape)), g.ints(1))
