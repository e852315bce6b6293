"""Encoder and decoder step of a Marian translation model as ONNX graphs.

The binary interface is that of bundle.proto's head comment. A row's cache is written at the row's
own position (`past_lengths`), so rows of one batch may have joined at different steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from lingraft.training.export.graph import CONTRIB, GraphBuilder
from lingraft.training.export.layers import (
    add_and_norm,
    attend,
    dense,
    embed,
    feed_forward,
    padding_bias,
    position_constant,
    split_heads,
)
from lingraft.training.export.weights import Architecture, Floats, StateDict, Weights


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
    hidden, _ = encode(g, weights.under("encoder"), table, architecture)
    heads, size = architecture.decoder_heads, architecture.decoder_head_size
    for i in range(architecture.decoder_layers):
        cross = weights.under(f"decoder.layers.{i}.encoder_attn")
        both = dense(g, hidden, cross, "k_proj", "v_proj")
        key, value = g.ops("Split", both, names=["", ""], axis=-1, num_outputs=2)
        for kind, x, order in (("key", key, (0, 2, 3, 1)), ("value", value, (0, 2, 1, 3))):
            split = split_heads(g, x, heads, order)
            g.op("Identity", split, name=f"cross_{kind}.{i}")
            sizes = (size, "S") if kind == "key" else ("S", size)
            g.output(f"cross_{kind}.{i}", np.float32, ["B", heads, *sizes])
    return g.build()


def encode(
    g: GraphBuilder, weights: Weights, table: Floats, architecture: Architecture
) -> tuple[str, str]:
    """The Marian encoder, with its graph inputs.

    Args:
        weights: those of the encoder.
        table: [V,d] source embeddings, unscaled.

    Returns:
        Names of the last hidden states [B,S,d] and of the padding bias [B,1,1,S].
    """
    ids = g.input("input_ids", np.int64, ["B", "S"])
    lengths = g.input("lengths", np.int64, ["B"])
    width = g.op("Squeeze", g.op("Shape", ids, start=1, end=2))
    bias = padding_bias(g, lengths, width)
    places = position_constant(g, weights, architecture)
    here = g.op("Slice", places, g.ints(0), g.op("Unsqueeze", width, g.ints(0)), g.ints(0))
    x = g.op("Add", embed(g, ids, table, architecture.embedding_scale), here)
    for i in range(architecture.encoder_layers):
        x = _encoder_layer(g, x, bias, weights.under(f"layers.{i}"), architecture)
    return x, bias


def _encoder_layer(
    g: GraphBuilder, x: str, bias: str, weights: Weights, architecture: Architecture
) -> str:
    attention, heads = weights.under("self_attn"), architecture.encoder_heads
    packed = dense(g, x, attention, "q_proj", "k_proj", "v_proj")
    query, key, value = g.ops("Split", packed, names=["", "", ""], axis=-1, num_outputs=3)
    context = attend(
        g,
        split_heads(g, query, heads, (0, 2, 1, 3)),
        split_heads(g, key, heads, (0, 2, 3, 1)),
        split_heads(g, value, heads, (0, 2, 1, 3)),
        bias,
        architecture.d_model // heads,
    )
    joined = g.op("Transpose", context, perm=[0, 2, 1, 3])
    joined = g.op("Reshape", joined, g.ints(0, 0, architecture.d_model))
    out = dense(g, joined, attention, "out_proj", biased=False)
    x = add_and_norm(g, x, out, weights, "self_attn.out_proj", "self_attn_layer_norm")
    return feed_forward(g, x, weights, architecture)


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
    x = g.op("Add", embed(g, ids, table, architecture.embedding_scale), here)
    x = g.op("Unsqueeze", x, g.ints(1))  # [B,1,d]
    width = g.op("Squeeze", g.op("Shape", "cross_value.0", start=2, end=3))
    bias = padding_bias(g, source_lengths, width)
    for i in range(architecture.decoder_layers):
        x = _self_attention(g, x, i, past, total, decoder, architecture)
        x = _cross_attention(g, x, i, bias, decoder, architecture)
        x = feed_forward(g, x, decoder.under(f"layers.{i}"), architecture)
    _best_pieces(g, g.op("Squeeze", x, g.ints(1)), best, Weights(state), architecture)
    return g.build()


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
    packed = dense(g, x, layer.under("self_attn"), "q_proj", "k_proj", "v_proj")
    present = [f"present_key.{i}", f"present_value.{i}"]
    # seqlens_k is "total length - 1", which for one new piece is the length of the past.
    inputs = (packed, "", "", f"past_key.{i}", f"past_value.{i}", past, total)
    context, *_ = g.ops(
        "GroupQueryAttention",
        *inputs,
        names=["", *present],
        domain=CONTRIB,
        num_heads=heads,
        kv_num_heads=heads,
    )
    for name in present:
        g.output(name, np.float32, ["B", heads, "T", architecture.decoder_head_size])
    out = dense(g, context, layer.under("self_attn"), "out_proj", biased=False)
    return add_and_norm(g, x, out, layer, "self_attn.out_proj", "self_attn_layer_norm")


def _cross_attention(
    g: GraphBuilder, x: str, i: int, bias: str, decoder: Weights, architecture: Architecture
) -> str:
    """Attention of layer `i` to the real source positions of each row."""
    layer, heads = decoder.under(f"layers.{i}"), architecture.decoder_heads
    query = dense(g, x, layer.under("encoder_attn"), "q_proj")
    size = architecture.decoder_head_size
    query = g.op("Reshape", query, g.ints(0, heads, 1, size))
    context = attend(g, query, f"cross_key.{i}", f"cross_value.{i}", bias, size)
    context = g.op("Reshape", context, g.ints(0, 1, architecture.d_model))
    out = dense(g, context, layer.under("encoder_attn"), "out_proj", biased=False)
    return add_and_norm(g, x, out, layer, "encoder_attn.out_proj", "encoder_attn_layer_norm")


def _best_pieces(
    g: GraphBuilder, hidden: str, best: str, weights: Weights, architecture: Architecture
) -> None:
    """The `best` most probable pieces after `hidden` [B,d]; padding has probability zero.

    They are ranked by logit, for rounding may make equals of near neighbours in the logarithm.
    """
    names = ("lm_head.weight", "model.decoder.embed_tokens.weight", "model.shared.weight")
    head = weights.get(*names).T
    bias = np.zeros(head.shape[1], np.float32)
    if weights.has("final_logits_bias"):
        bias += weights.get("final_logits_bias").reshape(-1)
    bias[architecture.pad] = -np.inf
    product = g.op("MatMul", hidden, g.constant("lm_head.weight", head))
    logits = g.op("Add", product, g.constant("lm_head.bias", bias))
    g.ops("TopK", logits, best, names=["", "top_ids"], axis=-1)
    logprobs = g.op("LogSoftmax", logits, axis=-1)
    g.op("GatherElements", logprobs, "top_ids", name="top_logprobs", axis=1)
    g.output("top_ids", np.int64, ["B", "K"])
    g.output("top_logprobs", np.float32, ["B", "K"])
