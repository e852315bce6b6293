"""Pieces that encoder, decoder step and classifier are made of, all of them post-norm Marian."""

from __future__ import annotations

import numpy as np

from lingraft.training.export.graph import CONTRIB, GraphBuilder
from lingraft.training.export.weights import Architecture, Floats, Weights, position_table

_NORM_EPSILON = 1e-5  # PyTorch's nn.LayerNorm
# Added to the scores of padding. Finite, for a row of padding alone must not become NaN.
_MASKED = float(np.finfo(np.float32).min)


def dense(g: GraphBuilder, x: str, weights: Weights, *names: str, biased: bool = True) -> str:
    """Linear layers of one input side by side: x [.., in] -> [.., out1 + out2 + ...].

    Without the bias when `biased` is false: the caller adds it in a fused operator.
    """
    label = weights.prefix + "+".join(names)
    product = g.op("MatMul", x, g.constant(f"{label}.weight", weights.kernel(*names)))
    if not biased:
        return product
    return g.op("Add", product, g.constant(f"{label}.bias", weights.bias(*names)))


def add_and_norm(
    g: GraphBuilder, residual: str, x: str, weights: Weights, bias: str, norm: str
) -> str:
    """LayerNorm(residual + x + bias) in one operator; `bias` and `norm` name layers."""
    prefix = weights.prefix
    return g.op(
        "SkipLayerNormalization",
        x,
        residual,
        g.constant(f"{prefix}{norm}.weight", weights.get(f"{norm}.weight")),
        g.constant(f"{prefix}{norm}.bias", weights.get(f"{norm}.bias")),
        g.constant(f"{prefix}{bias}.bias", weights.bias(bias)),
        domain=CONTRIB,
        epsilon=_NORM_EPSILON,
    )


def feed_forward(g: GraphBuilder, x: str, weights: Weights, architecture: Architecture) -> str:
    """fc1, activation, fc2, residual and norm of one layer: [B,S,d] -> [B,S,d]."""
    hidden = _activate(g, dense(g, x, weights, "fc1"), architecture.activation)
    out = dense(g, hidden, weights, "fc2", biased=False)
    return add_and_norm(g, x, out, weights, "fc2", "final_layer_norm")


def _activate(g: GraphBuilder, x: str, activation: str) -> str:
    if activation == "relu":
        return g.op("Relu", x)
    if activation == "swish":
        return g.op("Mul", x, g.op("Sigmoid", x))
    return g.op("Gelu", x, approximate="tanh" if activation == "gelu_tanh" else "none")


def padding_bias(g: GraphBuilder, lengths: str, width: str) -> str:
    """[B,1,1,S] float: 0 at the first `lengths` [B] of `width` (scalar) positions, then lowest."""
    start, step = (g.constant(f"int.{n}", np.array(n, np.int64)) for n in (0, 1))
    positions = g.op("Range", start, width, step)
    real = g.op("Less", positions, g.op("Unsqueeze", lengths, g.ints(1)))
    bias = g.op("Where", real, g.floats(0.0), g.floats(_MASKED))
    return g.op("Unsqueeze", bias, g.ints(1, 2))


def attend(g: GraphBuilder, query: str, key: str, value: str, bias: str, head_size: int) -> str:
    """Scaled dot-product attention of [B,H,Q,D] over [B,H,D,S] and [B,H,S,D] -> [B,H,Q,D]."""
    scores = g.op("MatMul", g.op("Mul", query, g.floats(head_size**-0.5)), key)
    shares = g.op("Softmax", g.op("Add", scores, bias), axis=-1)
    return g.op("MatMul", shares, value)


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
