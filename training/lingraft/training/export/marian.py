"""Encoder and decoder step of a Marian translation model as ONNX graphs.

The binary interface is that of bundle.proto's head comment. A row's cache is written at the row's
own position (`past_lengths`), so rows of one batch may have joined at different steps.

Hidden states are matrices, [B*S,d] in the encoder and [B,d] in the decoder, so that integer
products can give each row a scale of its own in one operator.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from lingraft.training.export.graph import CONTRIB, GraphBuilder
from lingraft.training.export.head import best_pieces
from lingraft.training.export.layers import (
    add_and_norm,
    attend,
    dense,
    embed,
    feed_forward,
    padding_bias,
    position_constant,
)
from lingraft.training.export.weights import Architecture, Floats, StateDict, Weights

_TOKENS = "tokens"  # rows of the encoder's products: B*S
_ROWS = "rows"  # rows of the decoder's: B


def encoder_graph(config: Any, state: StateDict) -> onnx.ModelProto:
    """Graph `encoder`: source ids to the cross-attention keys and values of every decoder layer.

    Args:
        config: the model's `MarianConfig`.
        state: state dict of a `MarianMTModel` as arrays.

    Raises:
        ExportError: the configuration or the weights do not make a Marian model.
    """
    architecture, weights = Architecture.of(config), Weights(state, "model.")
    g = GraphBuilder("encoder")
    table = weights.get("encoder.embed_tokens.weight", "shared.weight")
    hidden = encode(g, weights.under("encoder"), table, architecture)
    heads, size = architecture.decoder_heads, architecture.decoder_head_size
    shape = g.op("Concat", g.op("Shape", "input_ids"), g.ints(heads, size), axis=0)
    for i in range(architecture.decoder_layers):
        cross = weights.under(f"decoder.layers.{i}.encoder_attn")
        both = dense(g, hidden, cross, "k_proj", "v_proj", rows=_TOKENS)
        key, value = g.ops("Split", both, names=["", ""], axis=-1, num_outputs=2)
        for kind, x, order in (("key", key, (0, 2, 3, 1)), ("value", value, (0, 2, 1, 3))):
            split = g.op("Reshape", x, shape)  # [B,S,H,D]
            g.op("Transpose", split, name=f"cross_{kind}.{i}", perm=list(order))
            sizes = (size, "S") if kind == "key" else ("S", size)
            g.output(f"cross_{kind}.{i}", np.float32, ["B", heads, *sizes])
    return g.build()


def encode(g: GraphBuilder, weights: Weights, table: Floats, architecture: Architecture) -> str:
    """The Marian encoder, with its graph inputs `input_ids` [B,S] and `lengths` [B].

    Args:
        weights: those of the encoder.
        table: [V,d] source embeddings, unscaled.

    Returns:
        Name of the last hidden states [B*S,d].
    """
    ids = g.input("input_ids", np.int64, ["B", "S"])
    lengths = g.input("lengths", np.int64, ["B"])
    width = g.op("Shape", ids, start=1, end=2)
    places = position_constant(g, weights, architecture)
    here = g.op("Slice", places, g.ints(0), width, g.ints(0))
    x = g.op("Add", embed(g, ids, table, architecture.embedding_scale), here)
    x = g.op("Reshape", x, g.ints(-1, architecture.d_model))
    last = g.op("Sub", g.op("Cast", lengths, to=TensorProto.INT32), _one(g))
    spans = (last, g.op("Cast", width, to=TensorProto.INT32))
    for i in range(architecture.encoder_layers):
        x = _encoder_layer(g, x, spans, weights.under(f"layers.{i}"), architecture)
    return x


def _one(g: GraphBuilder) -> str:
    return g.constant("int32.1", np.array(1, np.int32))


def _encoder_layer(
    g: GraphBuilder, x: str, spans: tuple[str, str], weights: Weights, architecture: Architecture
) -> str:
    """One layer; `spans` are each row's last real position [B] and the number of positions [1].

    `GroupQueryAttention` without causality takes the packed product as it is, and masks by length.
    """
    attention, heads = weights.under("self_attn"), architecture.encoder_heads
    packed = dense(g, x, attention, "q_proj", "k_proj", "v_proj", rows=_TOKENS)
    shape = g.op("Concat", g.op("Shape", "input_ids"), g.ints(3 * architecture.d_model), axis=0)
    context, *_ = g.ops(
        "GroupQueryAttention",
        *(g.op("Reshape", packed, shape), "", "", "", "", *spans),
        names=["", "", ""],
        domain=CONTRIB,
        num_heads=heads,
        kv_num_heads=heads,
        causal=0,
    )
    joined = g.op("Reshape", context, g.ints(-1, architecture.d_model))
    out = dense(g, joined, attention, "out_proj", rows=_TOKENS)
    x = add_and_norm(g, x, out, weights, "self_attn_layer_norm")
    return feed_forward(g, x, weights, architecture, rows=_TOKENS)


def decoder_step_graph(config: Any, state: StateDict) -> onnx.ModelProto:
    """Graph `decoder_step`: one piece per row in, the best next pieces per row out.

    Args and errors as for `encoder_graph`.
    """
    architecture, weights = Architecture.of(config), Weights(state, "model.")
    g = GraphBuilder("decoder_step")
    ids = g.input("input_ids", np.int64, ["B"])
    past = g.input("past_lengths", np.int32, ["B"])
    total = g.input("total_length", np.int32, [1])
    source_lengths = g.input("source_lengths", np.int64, ["B"])
    best = g.input("top_k", np.int64, [1])
    _declare_caches(g, architecture)
    decoder = weights.under("decoder")
    table = weights.get("decoder.embed_tokens.weight", "shared.weight")
    here = g.op("Gather", position_constant(g, decoder, architecture), past)
    x = g.op("Add", embed(g, ids, table, architecture.embedding_scale), here)  # [B,d]
    width = g.op("Squeeze", g.op("Shape", "cross_value.0", start=2, end=3))
    bias = padding_bias(g, source_lengths, width)
    told = max(architecture.decoder_layers - 2, 0)
    for i in range(architecture.decoder_layers):
        x = _self_attention(g, x, i, past, total, decoder, architecture)
        x, shares = _cross_attention(g, x, i, bias, decoder, architecture)
        if i == told:
            _alignment(g, shares)
        x = feed_forward(g, x, decoder.under(f"layers.{i}"), architecture, rows=_ROWS)
    best_pieces(g, x, best, *_head(Weights(state)), rows=_ROWS)
    return g.build()


def _alignment(g: GraphBuilder, shares: str) -> None:
    """Output `alignment` [B,S]: the mean over heads of one layer's shares [B,H,1,S].

    It is that of the last layer but one, which aligns best (Garg et al. 2019, section 3).
    """
    g.op("ReduceMean", shares, g.ints(1, 2), name="alignment", keepdims=0)
    g.output("alignment", np.float32, ["B", "S"])


def _declare_caches(g: GraphBuilder, architecture: Architecture) -> None:
    heads, size = architecture.decoder_heads, architecture.decoder_head_size
    for i in range(architecture.decoder_layers):
        g.input(f"cross_key.{i}", np.float32, ["B", heads, size, "S"])
        g.input(f"cross_value.{i}", np.float32, ["B", heads, "S", size])
        g.input(f"past_key.{i}", np.float32, ["B", heads, "T", size])
        g.input(f"past_value.{i}", np.float32, ["B", heads, "T", size])


def _self_attention(
    g: GraphBuilder,
    x: str,
    i: int,
    past: str,
    total: str,
    decoder: Weights,
    architecture: Architecture,
) -> str:
    """Self-attention of layer `i` over each row's own cache, which it extends by one position."""
    layer, heads = decoder.under(f"layers.{i}"), architecture.decoder_heads
    packed = dense(g, x, layer.under("self_attn"), "q_proj", "k_proj", "v_proj", rows=_ROWS)
    present = [f"present_key.{i}", f"present_value.{i}"]
    # seqlens_k is "total length - 1", which for one new piece is the length of the past.
    inputs = ("", "", f"past_key.{i}", f"past_value.{i}", past, total)
    context, *_ = g.ops(
        "GroupQueryAttention",
        *(g.op("Unsqueeze", packed, g.ints(1)), *inputs),
        names=["", *present],
        domain=CONTRIB,
        num_heads=heads,
        kv_num_heads=heads,
    )
    for name in present:
        g.output(name, np.float32, ["B", heads, "T", architecture.decoder_head_size])
    joined = g.op("Reshape", context, g.ints(-1, architecture.d_model))
    out = dense(g, joined, layer.under("self_attn"), "out_proj", rows=_ROWS)
    return add_and_norm(g, x, out, layer, "self_attn_layer_norm")


def _cross_attention(
    g: GraphBuilder, x: str, i: int, bias: str, decoder: Weights, architecture: Architecture
) -> tuple[str, str]:
    """Attention of layer `i` to the real source positions of each row; also its shares."""
    layer, heads = decoder.under(f"layers.{i}"), architecture.decoder_heads
    size = architecture.decoder_head_size
    attention = layer.under("encoder_attn")
    query = dense(g, x, attention, "q_proj", rows=_ROWS, scale=size**-0.5)
    query = g.op("Reshape", query, g.ints(-1, heads, 1, size))
    context, shares = attend(g, query, f"cross_key.{i}", f"cross_value.{i}", bias)
    joined = g.op("Reshape", context, g.ints(-1, architecture.d_model))
    out = dense(g, joined, attention, "out_proj", rows=_ROWS)
    return add_and_norm(g, x, out, layer, "encoder_attn_layer_norm"), shares


def _head(weights: Weights) -> tuple[Floats, Floats]:
    """Weights [d,V] and bias [V] of the language-model head."""
    names = ("lm_head.weight", "model.decoder.embed_tokens.weight", "model.shared.weight")
    kernel = weights.get(*names).T
    if weights.has("final_logits_bias"):
        return kernel, weights.get("final_logits_bias").reshape(-1)
    return kernel, np.zeros(kernel.shape[1], np.float32)
