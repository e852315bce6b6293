"""The T5 family: T5, T5 v1.1, mT5 (Raffel et al. 2020; Xue et al. 2021).

Layers normalise by root mean square what they read, scores are not scaled, and positions are known
by a bias on the scores that depends on the distance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from lingraft.training.errors import ExportError
from lingraft.training.export.families.attention import (
    ROWS,
    TOKENS,
    Attention,
    Step,
    aligned_layer,
    alignment,
    cached_attention,
    cross_attention,
    cross_caches,
    encoder_inputs,
    full_attention,
    project,
    spans,
    step_inputs,
)
from lingraft.training.export.graph import GraphBuilder
from lingraft.training.export.head import best_pieces
from lingraft.training.export.layers import activate, embed
from lingraft.training.export.weights import ACTIVATIONS, HEAD_STEP, Floats, StateDict, Weights
from lingraft.v1 import bundle_pb2 as pb


@dataclass(frozen=True)
class T5:
    """What the graphs need to know of a T5 configuration.

    Attributes:
        gated: the feed-forward layer multiplies its activation with a second projection.
        buckets: relative positions that have a bias of their own.
        farthest: distance from which on all share the last bucket.
        head_scale: multiplies the last hidden state before the language-model head.
    """

    d_model: int
    encoder_layers: int
    decoder_layers: int
    attention: Attention
    gated: bool
    activation: str
    epsilon: float
    buckets: int
    farthest: int
    head_scale: float

    @classmethod
    def of(cls, config: Any) -> T5:
        """Read a `T5Config` or `MT5Config`.

        Raises:
            ExportError: the configuration asks for something no graph of ours computes; names all.
        """
        _refuse_unknown(config)
        scaled = getattr(config, "scale_decoder_outputs", False)  # mT5 never does
        return cls(
            d_model=config.d_model,
            encoder_layers=config.num_layers,
            decoder_layers=config.num_decoder_layers,
            attention=Attention(config.num_heads, config.d_kv, 1.0, "q", "k", "v", "o"),
            gated=config.is_gated_act,
            activation=ACTIVATIONS[config.dense_act_fn],
            epsilon=config.layer_norm_epsilon,
            buckets=config.relative_attention_num_buckets,
            farthest=config.relative_attention_max_distance,
            head_scale=config.d_model**-0.5 if scaled else 1.0,
        )


def encoder_graph(config: Any, state: StateDict) -> onnx.ModelProto:
    """Graph `encoder`: source ids to the cross-attention keys and values of every decoder layer.

    Args:
        config: a `T5Config` or `MT5Config`.
        state: state dict of the conditional generation model as arrays.

    Raises:
        ExportError: the configuration or the weights do not make a T5 model.
    """
    model, weights = T5.of(config), Weights(state)
    encoder = weights.under("encoder")
    g = GraphBuilder("encoder")
    ids, width = encoder_inputs(g)
    x = embed(g, ids, weights.get("encoder.embed_tokens.weight", "shared.weight"), 1.0)
    x = g.op("Reshape", x, g.ints(-1, model.d_model))
    real, bias = spans(g, width), _encoder_bias(g, width, encoder, model)
    for i in range(model.encoder_layers):
        attend, expand = (encoder.under(f"block.{i}.layer.{part}") for part in (0, 1))
        normed = _norm(g, x, attend, model)
        layer = attend.under("SelfAttention")
        x = g.op("Add", x, full_attention(g, normed, real, layer, model.attention, bias))
        x = _feed_forward(g, x, expand, model, TOKENS)
    x = _norm(g, x, encoder, model, "final_layer_norm")
    for i in range(model.decoder_layers):
        layer = weights.under(f"decoder.block.{i}.layer.1.EncDecAttention")
        cross_caches(g, x, i, layer, model.attention)
    return g.build()


def decoder_step_graph(config: Any, state: StateDict) -> onnx.ModelProto:
    """Graph `decoder_step`: one piece per row in, the best next pieces per row out.

    Args and errors as for `encoder_graph`.
    """
    model, weights = T5.of(config), Weights(state)
    decoder = weights.under("decoder")
    g = GraphBuilder("decoder_step")
    ids, past, best, step = step_inputs(g, model.decoder_layers, model.attention)
    x = embed(g, ids, weights.get("decoder.embed_tokens.weight", "shared.weight"), 1.0)  # [B,d]
    step = replace(step, self_bias=_decoder_bias(g, past, step.total, decoder, model))
    for i in range(model.decoder_layers):
        x = _decoder_layer(g, x, i, step, decoder.under(f"block.{i}.layer"), model)
    x = _norm(g, x, decoder, model, "final_layer_norm")
    head = weights.get("lm_head.weight", "shared.weight").T * np.float32(model.head_scale)
    best_pieces(g, x, best, head, np.zeros(head.shape[1], np.float32), rows=ROWS)
    return g.build()


def _refuse_unknown(config: Any) -> None:
    faults = []
    if config.dense_act_fn not in ACTIVATIONS:
        known = ", ".join(sorted(ACTIVATIONS))
        faults.append(f"its activation {config.dense_act_fn!r} is not one of {known}")
    if config.d_kv % HEAD_STEP:
        faults.append(f"d_kv {config.d_kv} is no multiple of {HEAD_STEP}")
    if faults:
        raise ExportError("this configuration cannot be exported: " + "; ".join(faults))


def dimensions(config: Any) -> pb.Dimensions:
    """Sizes of the decoder's caches, and of what it may say."""
    return pb.Dimensions(
        decoder_layers=config.num_decoder_layers,
        heads=config.num_heads,
        head_size=config.d_kv,
        vocabulary_size=config.vocab_size,
    )


def _decoder_layer(g: GraphBuilder, x: str, i: int, step: Step, layer: Weights, model: T5) -> str:
    attend, cross, expand = (layer.under(str(part)) for part in range(3))
    normed = _norm(g, x, attend, model)
    kind = attend.under("SelfAttention")
    x = g.op("Add", x, cached_attention(g, normed, i, step, kind, model.attention))
    normed = _norm(g, x, cross, model)
    kind = cross.under("EncDecAttention")
    out, shares = cross_attention(g, normed, i, step, kind, model.attention)
    if i == aligned_layer(model.decoder_layers):
        alignment(g, shares)
    return _feed_forward(g, g.op("Add", x, out), expand, model, ROWS)


def _norm(g: GraphBuilder, x: str, weights: Weights, model: T5, name: str = "layer_norm") -> str:
    """x / sqrt(mean(x^2) + epsilon) * weight, in the operators that ONNX Runtime fuses into one."""
    square = g.op("Pow", x, g.floats(2.0))
    mean = g.op("ReduceMean", square, g.ints(-1), keepdims=1)
    root = g.op("Sqrt", g.op("Add", mean, g.floats(model.epsilon)))
    label = f"{weights.prefix}{name}.weight"
    weight = g.constant(label, weights.get(f"{name}.weight"))
    return g.op("Mul", g.op("Div", x, root), weight)


def _feed_forward(g: GraphBuilder, x: str, layer: Weights, model: T5, rows: str) -> str:
    normed, dense = _norm(g, x, layer, model), layer.under("DenseReluDense")
    if model.gated:
        both = project(g, normed, dense, "wi_0", "wi_1", rows=rows)
        gate, linear = g.ops("Split", both, names=["", ""], axis=-1, num_outputs=2)
        hidden = g.op("Mul", activate(g, gate, model.activation), linear)
    else:
        hidden = activate(g, project(g, normed, dense, "wi", rows=rows), model.activation)
    return g.op("Add", x, project(g, hidden, dense, "wo", rows=rows))


def _encoder_bias(g: GraphBuilder, width: str, encoder: Weights, model: T5) -> str:
    """[1,H,S,S]: the bias of every position (third axis) towards every other one (fourth)."""
    distances = np.arange(-model.farthest, model.farthest + 1)
    half = model.buckets // 2
    buckets = bucket(np.abs(distances), half, model.farthest) + half * (distances > 0)
    table = g.constant("bias", _bias_table(encoder, buckets))
    places = _range(g, g.op("Squeeze", width))
    farther = g.op(
        "Sub", g.op("Unsqueeze", places, g.ints(0)), g.op("Unsqueeze", places, g.ints(1))
    )
    index = g.op("Add", _clip(g, farther, -model.farthest, model.farthest), g.ints(model.farthest))
    bias = g.op("Transpose", g.op("Gather", table, index), perm=[2, 0, 1])
    return g.op("Unsqueeze", bias, g.ints(0))


def _decoder_bias(g: GraphBuilder, past: str, total: str, decoder: Weights, model: T5) -> str:
    """[B,H,1,total]: the bias of each row's own position towards its past and itself.

    What it says of positions after the row's own does not matter: they are masked.
    """
    buckets = bucket(np.arange(model.farthest + 1), model.buckets, model.farthest)
    table = g.constant("bias", _bias_table(decoder, buckets))
    places = _range(g, g.op("Squeeze", g.op("Cast", total, to=onnx.TensorProto.INT64)))
    own = g.op("Unsqueeze", g.op("Cast", past, to=onnx.TensorProto.INT64), g.ints(1))
    index = _clip(g, g.op("Sub", own, places), 0, model.farthest)  # [B,total]
    bias = g.op("Transpose", g.op("Gather", table, index), perm=[0, 2, 1])
    return g.op("Unsqueeze", bias, g.ints(2))


def _bias_table(stack: Weights, buckets: NDArray[np.int64]) -> Floats:
    """[distances, H]: the learnt bias of each distance; all layers share that of the first."""
    return stack.get("block.0.layer.0.SelfAttention.relative_attention_bias.weight")[buckets]


def bucket(distances: NDArray[np.int64], buckets: int, farthest: int) -> NDArray[np.int64]:
    """The bucket of each distance (not negative): one each up to the half, then logarithmic ones.

    In float32, in the order of Transformers, for rounding decides at the borders.
    """
    exact = buckets // 2
    ratio = np.maximum(distances, 1).astype(np.float32) / np.float32(exact)
    share = np.log(ratio) / np.float32(math.log(farthest / exact)) * np.float32(buckets - exact)
    far = np.minimum(exact + share.astype(np.int64), buckets - 1)
    return np.where(distances < exact, distances, far)


def _range(g: GraphBuilder, end: str) -> str:
    start, step = (g.constant(f"int.{n}", np.array(n, np.int64)) for n in (0, 1))
    return g.op("Range", start, end, step)


def _clip(g: GraphBuilder, x: str, low: int, high: int) -> str:
    bounds = (g.constant(f"int.{n}", np.array(n, np.int64)) for n in (low, high))
    return g.op("Clip", x, *bounds)
