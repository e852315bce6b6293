"""Attention of any encoder-decoder, without the residual sums and norms around it.

Hidden states are matrices, [B*S,d] in the encoder and [B,d] in the decoder, so that integer
products can give each row a scale of its own in one operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from lingraft.training.export.graph import CONTRIB, GraphBuilder
from lingraft.training.export.layers import attend, dense, padding_bias
from lingraft.training.export.weights import Weights

TOKENS = "tokens"  # rows of the encoder's products: B*S
ROWS = "rows"  # rows of the decoder's: B


@dataclass(frozen=True)
class Attention:
    """Sizes of an attention layer, and what its linear layers are called.

    `scale` multiplies the scores; heads * size need not be the width of the model.
    """

    heads: int
    size: int
    scale: float
    query: str = "q_proj"
    key: str = "k_proj"
    value: str = "v_proj"
    out: str = "out_proj"

    @property
    def packed(self) -> tuple[str, str, str]:
        """Names of the layers that self-attention computes in one product."""
        return self.query, self.key, self.value

    @property
    def width(self) -> int:
        """Width of queries, keys and values of all heads."""
        return self.heads * self.size


@dataclass(frozen=True)
class Step:
    """Names of the decoder step's inputs that attention reads.

    `past` [B] and `total` [1] are `past_lengths` and `total_length`; `self_bias` [B,H,1,total] is
    added to the scores of self-attention, "" for none; `cross_bias` [B,1,1,S] masks sources.
    """

    past: str
    total: str
    self_bias: str
    cross_bias: str


def project(
    g: GraphBuilder, x: str, weights: Weights, *names: str, rows: str = "", scale: float = 1.0
) -> str:
    """`dense`, or the same without biases where the layers have none."""
    if weights.has(f"{names[0]}.bias"):
        return dense(g, x, weights, *names, rows=rows, scale=scale)
    kernel = np.float32(scale) * weights.kernel(*names)
    label = weights.prefix + "+".join(names)
    return g.product(x, g.constant(f"{label}.weight", kernel), rows)


def encoder_inputs(g: GraphBuilder) -> tuple[str, str]:
    """Declares `input_ids` [B,S] and `lengths` [B]; returns the names of ids and S [1]."""
    ids = g.input("input_ids", np.int64, ["B", "S"])
    g.input("lengths", np.int64, ["B"])
    return ids, g.op("Shape", ids, start=1, end=2)


def spans(g: GraphBuilder, width: str) -> tuple[str, str]:
    """Each row's last real position [B] and the number of positions [1], for `full_attention`."""
    one = g.constant("int32.1", np.array(1, np.int32))
    last = g.op("Sub", g.op("Cast", "lengths", to=TensorProto.INT32), one)
    return last, g.op("Cast", width, to=TensorProto.INT32)


def full_attention(
    g: GraphBuilder,
    x: str,
    real: tuple[str, str],
    weights: Weights,
    attention: Attention,
    bias: str = "",
) -> str:
    """Self-attention of the encoder: x [B*S,d] -> [B*S,d].

    Args:
        real: what `spans` gives.
        bias: name of what is added to the scores, [1,H,S,S].
    """
    packed = project(g, x, weights, *attention.packed, rows=TOKENS)
    shape = g.op("Concat", g.op("Shape", "input_ids"), g.ints(3 * attention.width), axis=0)
    inputs = (g.op("Reshape", packed, shape), "", "", "", "", *real)
    context = _grouped(g, inputs, bias, ["", "", ""], attention, causal=False)
    return project(g, context, weights, attention.out, rows=TOKENS)


def _declare_caches(g: GraphBuilder, layers: int, attention: Attention) -> None:
    """The decoder step's caches of all layers, as inputs."""
    heads, size = attention.heads, attention.size
    for i in range(layers):
        g.input(f"cross_key.{i}", np.float32, ["B", heads, size, "S"])
        g.input(f"cross_value.{i}", np.float32, ["B", heads, "S", size])
        g.input(f"past_key.{i}", np.float32, ["B", heads, "T", size])
        g.input(f"past_value.{i}", np.float32, ["B", heads, "T", size])


def step_inputs(g: GraphBuilder, layers: int, attention: Attention) -> tuple[str, str, str, Step]:
    """Declares all inputs of a decoder step; returns ids, past lengths, K, and a Step of them."""
    ids = g.input("input_ids", np.int64, ["B"])
    past = g.input("past_lengths", np.int32, ["B"])
    total = g.input("total_length", np.int32, [1])
    lengths = g.input("source_lengths", np.int64, ["B"])
    best = g.input("top_k", np.int64, [1])
    _declare_caches(g, layers, attention)
    width = g.op("Squeeze", g.op("Shape", "cross_value.0", start=2, end=3))
    return ids, past, best, Step(past, total, "", padding_bias(g, lengths, width))


def cached_attention(
    g: GraphBuilder, x: str, i: int, step: Step, weights: Weights, attention: Attention
) -> str:
    """Self-attention of decoder layer `i`: x [B,d] -> [B,d]; every row's cache gets one position.

    The scale and the bias of the scores are attributes of the operator.
    """
    packed = project(g, x, weights, *attention.packed, rows=ROWS)
    present = [f"present_key.{i}", f"present_value.{i}"]
    # seqlens_k is "total length - 1", which for one new piece is the length of the past.
    caches = (f"past_key.{i}", f"past_value.{i}", step.past, step.total)
    inputs = (g.op("Unsqueeze", packed, g.ints(1)), "", "", *caches)
    context = _grouped(g, inputs, step.self_bias, ["", *present], attention)
    for name in present:
        g.output(name, np.float32, ["B", attention.heads, "T", attention.size])
    return project(g, context, weights, attention.out, rows=ROWS)


def cross_attention(
    g: GraphBuilder, x: str, i: int, step: Step, weights: Weights, attention: Attention
) -> tuple[str, str]:
    """Attention of decoder layer `i` to the source: x [B,d] -> [B,d], and its shares [B,H,1,S]."""
    query = project(g, x, weights, attention.query, rows=ROWS, scale=attention.scale)
    query = g.op("Reshape", query, g.ints(-1, attention.heads, 1, attention.size))
    context, shares = attend(g, query, f"cross_key.{i}", f"cross_value.{i}", step.cross_bias)
    joined = g.op("Reshape", context, g.ints(-1, attention.width))
    return project(g, joined, weights, attention.out, rows=ROWS), shares


def cross_caches(g: GraphBuilder, x: str, i: int, weights: Weights, attention: Attention) -> None:
    """Outputs `cross_key.i` and `cross_value.i` of the last hidden states x [B*S,d]."""
    heads, size = attention.heads, attention.size
    both = project(g, x, weights, attention.key, attention.value, rows=TOKENS)
    key, value = g.ops("Split", both, names=["", ""], axis=-1, num_outputs=2)
    shape = g.op("Concat", g.op("Shape", "input_ids"), g.ints(heads, size), axis=0)
    for name, part, order in (
        (f"cross_key.{i}", key, (0, 2, 3, 1)),
        (f"cross_value.{i}", value, (0, 2, 1, 3)),
    ):
        g.op("Transpose", g.op("Reshape", part, shape), name=name, perm=list(order))
    g.output(f"cross_key.{i}", np.float32, ["B", heads, size, "S"])
    g.output(f"cross_value.{i}", np.float32, ["B", heads, "S", size])


def alignment(g: GraphBuilder, shares: str) -> None:
    """Output `alignment` [B,S]: the mean over heads of one layer's shares [B,H,1,S]."""
    g.op("ReduceMean", shares, g.ints(1, 2), name="alignment", keepdims=0)
    g.output("alignment", np.float32, ["B", "S"])


def aligned_layer(layers: int) -> int:
    """The layer whose shares align best: the last but one (Garg et al. 2019, section 3)."""
    return max(layers - 2, 0)


def _grouped(
    g: GraphBuilder,
    inputs: tuple[str, ...],
    bias: str,
    names: list[str],
    attention: Attention,
    causal: bool = True,
) -> str:
    """`GroupQueryAttention`; its context as a matrix [.., H*D].

    Defaults are left out: only plain attention has a faster twin (`native.py`).
    """
    extra = ("", "", "", bias) if bias else ()  # no rotary tables, no positions
    special: dict[str, Any] = {} if causal else {"causal": 0}
    if attention.scale != attention.size**-0.5:
        special["scale"] = float(attention.scale)
    context, *_ = g.ops(
        "GroupQueryAttention",
        *inputs,
        *extra,
        names=names,
        domain=CONTRIB,
        num_heads=attention.heads,
        kv_num_heads=attention.heads,
        **special,
    )
    return g.op("Reshape", context, g.ints(-1, attention.width))
