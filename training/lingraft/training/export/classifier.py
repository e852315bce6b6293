"""A text classifier as an ONNX graph: Marian encoder, mean over real positions, linear head.

Beside them there may be a table of hashed n-grams of letters, whose rows the graph finds by itself;
the head then counts by the share of pieces that are no bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from lingraft.training.export.graph import GraphBuilder
from lingraft.training.export.hashing import HashedTable, ngram_rows, summed_rows
from lingraft.training.export.layers import padding_bias
from lingraft.training.export.marian import encode
from lingraft.training.export.spelling import known, spelled
from lingraft.training.export.weights import Architecture, Floats, StateDict, Weights
from lingraft.training.vocabulary.spelling import SPACE, Spelling


@dataclass(frozen=True)
class WidePart:
    """The table [buckets,C] of a wide part, and how pieces spell the letters that it counts."""

    hashed: HashedTable
    spelling: Spelling


def classifier_graph(
    config: Any,
    encoder_state: StateDict,
    head_weight: Floats,
    head_bias: Floats,
    wide: WidePart | None = None,
) -> onnx.ModelProto:
    """Graph `classifier` of bundle.proto's interface.

    Args:
        config: the encoder's `MarianConfig`.
        encoder_state: state dict of a `MarianEncoder` as arrays.
        head_weight: [C,d].
        head_bias: [C].
        wide: the wide part, if there is one. Beside it a head of zeros says nothing, and the graph
            then has neither head nor encoder.

    Raises:
        ExportError: the configuration or the weights do not make a Marian encoder.
    """
    g = GraphBuilder("classifier")
    if wide is not None and not (head_weight.any() or head_bias.any()):
        g.input("input_ids", np.int64, ["B", "S"])
        g.input("lengths", np.int64, ["B"])
        g.op("Identity", _counted(g, wide), name="logits")
        g.output("logits", np.float32, ["B", head_bias.shape[0]])
        return g.build()
    architecture, weights = Architecture.of(config), Weights(encoder_state)
    hidden = encode(g, weights, weights.get("embed_tokens.weight"), architecture)
    pooled = _mean_of_real_positions(g, hidden, architecture.d_model)
    product = g.product(pooled, g.constant("head.weight", head_weight.T), rows="texts")
    bias = g.constant("head.bias", head_bias)
    if wide is None:
        g.op("Add", product, bias, name="logits")
    else:
        read = g.op("Mul", g.op("Add", product, bias), known(g, wide.spelling))
        g.op("Add", read, _counted(g, wide), name="logits")
    g.output("logits", np.float32, ["B", head_bias.shape[0]])
    return g.build()


def _counted(g: GraphBuilder, wide: WidePart) -> str:
    """Logits [B,C] of the wide part, as `vocabulary/words.py` counts."""
    letters, lengths = spelled(g, wide.spelling)
    rows, real = ngram_rows(g, letters, lengths, wide.hashed.ngrams, stop=SPACE)
    met = g.op("Cast", real, to=TensorProto.INT32)
    texts = g.op("Shape", "input_ids", start=0, end=1)
    room = g.op("Concat", texts, g.ints(wide.hashed.ngrams.buckets), axis=0)
    none = g.constant("int32.none", np.zeros(1, np.int32))
    totals = g.op("ScatterElements", g.op("Expand", none, room), rows, met, axis=1, reduction="add")
    # A bucket met n times counts 1 + ln n, in n equal parts.
    found = g.op("Cast", g.op("GatherElements", totals, rows, axis=1), to=TensorProto.FLOAT)
    times = g.op("Max", found, g.floats(1.0))
    part = g.op("Div", g.op("Add", g.op("Log", times), g.floats(1.0)), times)
    weights = g.op("Mul", part, g.op("Cast", real, to=TensorProto.FLOAT))
    total = g.op("ReduceSum", weights, g.ints(1), keepdims=1)
    length = g.op("Sqrt", g.op("Max", total, g.floats(1.0)))
    return summed_rows(g, rows, g.op("Div", weights, length), wide.hashed)


def _mean_of_real_positions(g: GraphBuilder, hidden: str, d_model: int) -> str:
    """[B*S,d] -> [B,d]: a product with each row's shares, 1/length at real positions, 0 beyond."""
    shape = g.op("Concat", g.op("Shape", "input_ids"), g.ints(d_model), axis=0)
    width = g.op("Squeeze", g.op("Shape", "input_ids", start=1, end=2))
    bias = padding_bias(g, "lengths", width)
    shares = g.op("Squeeze", g.op("Softmax", bias, axis=-1), g.ints(1))  # [B,1,S]
    return g.op("Squeeze", g.op("MatMul", shares, g.op("Reshape", hidden, shape)), g.ints(1))
