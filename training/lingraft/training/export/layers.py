"""Pieces that encoder, decoder step and classifier are made of, all of them post-norm Marian."""

from __future__ import annotations

import numpy as np

from lingraft.training.export.graph import CONTRIB, GraphBuilder
from lingraft.training.export.weights import Architecture, Floats, Weights, position_table

_NORM_EPSILON = 1e-5  # PyTorch's nn.LayerNorm
# Added to the scores of padding. Finite, for a row of padding alone must not become NaN.
MASKED = float(np.finfo(np.float32).min)


def dense(
    g: GraphBuilder, x: str, weights: Weights, *names: str, rows: str = "", scale: float = 1.0
) -> str:
    """Linear layers of one input side by side: x [.., in] -> [.., out1 + out2 + ...].

    `rows` is that of `GraphBuilder.product`. The result is `scale` times that of the layers.
    """
    label = weights.prefix + "+".join(names)
    kernel, bias = (np.float32(scale) * of(*names) for of in (weights.kernel, weights.bias))
    product = g.product(x, g.constant(f"{label}.weight", kernel), rows)
    return g.op("Add", product, g.constant(f"{label}.bias", bias))


def add_and_norm(g: GraphBuilder, residual: str, x: str, weights: Weights, norm: str) -> str:
    """LayerNorm(residual + x); `norm` names the layer.

    In two operators: on the CPU, ONNX Runtime's `SkipLayerNormalization` takes eight times as long.
    """
    return layer_norm(g, g.op("Add", residual, x), weights, norm)


def layer_norm(g: GraphBuilder, x: str, weights: Weights, norm: str) -> str:
    """Layer normalisation over the last axis of x [.., d]."""
    return g.op(
        "LayerNormalization",
        x,
        g.constant(f"{weights.prefix}{norm}.weight", weights.get(f"{norm}.weight")),
        g.constant(f"{weights.prefix}{norm}.bias", weights.get(f"{norm}.bias")),
        epsilon=_NORM_EPSILON,
    )


def feed_forward(
    g: GraphBuilder, x: str, weights: Weights, architecture: Architecture, rows: str = ""
) -> str:
    """fc1, activation, fc2, residual and norm of one layer: [.., d] -> [.., d]."""
    hidden = activate(g, dense(g, x, weights, "fc1", rows=rows), architecture.activation)
    out = dense(g, hidden, weights, "fc2", rows=rows)
    return add_and_norm(g, x, out, weights, "final_layer_norm")


def activate(g: GraphBuilder, x: str, activation: str) -> str:
    """The activation of that name (`Architecture.activation`), element by element."""
    if activation == "relu":
        return g.op("Relu", x)
    if activation == "swish":
        return g.op("QuickGelu", x, domain=CONTRIB, alpha=1.0)
    return g.op("Gelu", x, approximate="tanh" if activation == "gelu_tanh" else "none")


def padding_bias(g: GraphBuilder, lengths: str, width: str) -> str:
    """[B,1,1,S] float: 0 at the first `lengths` [B] of `width` (scalar) positions, then lowest."""
    start, step = (g.constant(f"int.{n}", np.array(n, np.int64)) for n in (0, 1))
    positions = g.op("Range", start, width, step)
    real = g.op("Less", positions, g.op("Unsqueeze", lengths, g.ints(1)))
    bias = g.op("Where", real, g.floats(0.0), g.floats(MASKED))
    return g.op("Unsqueeze", bias, g.ints(1, 2))


def attend(g: GraphBuilder, query: str, key: str, value: str, bias: str) -> tuple[str, str]:
    """Dot-product attention of [B,H,Q,D], scaled already, over [B,H,D,S] and [B,H,S,D].

    Returns the context [B,H,Q,D] and the shares of attention [B,H,Q,S].
    """
    scores = g.op("MatMul", query, key)
    shares = g.op("Softmax", g.op("Add", scores, bias), axis=-1)
    return g.op("MatMul", shares, value), shares


def split_heads(g: GraphBuilder, x: str, heads: int, order: tuple[int, int, int, int]) -> str:
    """[B,S,H*D] -> [B,S,H,D], its axes then put in `order`."""
    return g.op("Transpose", g.op("Reshape", x, g.ints(0, 0, heads, -1)), perm=list(order))


def embed(g: GraphBuilder, ids: str, table: Floats, scale: float) -> str:
    """Embeddings of `ids` [..] -> [.., d]; the scale is folded into the stored table [V,d]."""
    return g.op("Gather", g.constant("embeddings", table * np.float32(scale)), ids)


def position_constant(g: GraphBuilder, weights: Weights, architecture: Architecture) -> str:
    """[P,d] table of sinusoidal positions."""
    table = position_table(weights, architecture.positions, architecture.d_model)
    return g.constant("positions", table)
