"""The families that descend from BART: M2M100 and NLLB-200, mBART-50, and Marian's shape.

They are one architecture with four switches, which `Bart` reads off a configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

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
from lingraft.training.export.layers import activate, embed, layer_norm
from lingraft.training.export.weights import (
    Architecture,
    Floats,
    StateDict,
    Weights,
    position_table,
)
from lingraft.v1 import bundle_pb2 as pb

Body = Callable[[str], str]


@dataclass(frozen=True)
class Bart:
    """What tells the descendants of BART apart.

    Attributes:
        sizes: sizes, activation and scale of the embeddings.
        norm_first: a layer normalises what it reads, and not what it has summed up.
        embedding_norm: embeddings with their positions are normalised.
        final_norm: what the last layer leaves is normalised.
        position_offset: row of the table of positions that belongs to position 0.
    """

    sizes: Architecture
    norm_first: bool
    embedding_norm: bool
    final_norm: bool
    position_offset: int

    @classmethod
    def of(cls, config: Any) -> Bart:
        """Read a configuration of `m2m_100`, `mbart` or `marian`.

        Raises:
            ExportError: the configuration asks for something no graph of ours computes; names all.
        """
        sizes, kind = Architecture.of(config), config.model_type
        first, normed = kind != "marian", kind == "mbart"
        offset = {"m2m_100": sizes.pad + 1, "mbart": 2}.get(kind, 0)
        return cls(sizes, first, normed, final_norm=first, position_offset=offset)

    def attention(self, heads: int) -> Attention:
        """Attention with so many heads."""
        size = self.sizes.d_model // heads
        return Attention(heads, size, size**-0.5)


def encoder_graph(config: Any, state: StateDict) -> onnx.ModelProto:
    """Graph `encoder`: source ids to the cross-attention keys and values of every decoder layer.

    Args:
        config: the model's configuration.
        state: state dict and buffers of the conditional generation model as arrays.

    Raises:
        ExportError: the configuration or the weights do not make a model of the family.
    """
    model, weights = Bart.of(config), Weights(state, "model.")
    sizes, encoder = model.sizes, weights.under("encoder")
    g = GraphBuilder("encoder")
    ids, width = encoder_inputs(g)
    here = g.op("Slice", _positions(g, encoder, model), g.ints(0), width, g.ints(0))
    table = weights.get("encoder.embed_tokens.weight", "shared.weight")
    x = g.op("Add", embed(g, ids, table, sizes.embedding_scale), here)
    x = _embedded(g, g.op("Reshape", x, g.ints(-1, sizes.d_model)), encoder, model)
    real, attention = spans(g, width), model.attention(sizes.encoder_heads)
    for i in range(sizes.encoder_layers):
        x = _encoder_layer(g, x, real, encoder.under(f"layers.{i}"), model, attention)
    x = _finished(g, x, encoder, model)
    for i in range(sizes.decoder_layers):
        layer = weights.under(f"decoder.layers.{i}.encoder_attn")
        cross_caches(g, x, i, layer, model.attention(sizes.decoder_heads))
    return g.build()


def decoder_step_graph(config: Any, state: StateDict) -> onnx.ModelProto:
    """Graph `decoder_step`: one piece per row in, the best next pieces per row out.

    Args and errors as for `encoder_graph`.
    """
    model, weights = Bart.of(config), Weights(state, "model.")
    sizes, decoder = model.sizes, weights.under("decoder")
    attention = model.attention(sizes.decoder_heads)
    g = GraphBuilder("decoder_step")
    ids, past, best, step = step_inputs(g, sizes.decoder_layers, attention)
    table = weights.get("decoder.embed_tokens.weight", "shared.weight")
    here = g.op("Gather", _positions(g, decoder, model), past)
    x = g.op("Add", embed(g, ids, table, sizes.embedding_scale), here)  # [B,d]
    x = _embedded(g, x, decoder, model)
    for i in range(sizes.decoder_layers):
        x = _decoder_layer(g, x, i, step, decoder.under(f"layers.{i}"), model)
    x = _finished(g, x, decoder, model)
    best_pieces(g, x, best, *_head(Weights(state)), rows=ROWS)
    return g.build()


def dimensions(config: Any) -> pb.Dimensions:
    """Sizes of the decoder's caches, and of what it may say."""
    return pb.Dimensions(
        decoder_layers=config.decoder_layers,
        heads=config.decoder_attention_heads,
        head_size=config.d_model // config.decoder_attention_heads,
        vocabulary_size=getattr(config, "decoder_vocab_size", None) or config.vocab_size,
    )


def _positions(g: GraphBuilder, stack: Weights, model: Bart) -> str:
    """[P,d] table of positions, from the weights or (Marian's, if they lack it) computed."""
    name = "embed_positions.weights"  # M2M100's buffer
    if stack.has(name):
        table = stack.get(name)
    else:
        table = position_table(stack, model.sizes.positions, model.sizes.d_model)
    return g.constant("positions", table[model.position_offset :])


def _embedded(g: GraphBuilder, x: str, stack: Weights, model: Bart) -> str:
    return layer_norm(g, x, stack, "layernorm_embedding") if model.embedding_norm else x


def _finished(g: GraphBuilder, x: str, stack: Weights, model: Bart) -> str:
    return layer_norm(g, x, stack, "layer_norm") if model.final_norm else x


def _around(g: GraphBuilder, x: str, body: Body, layer: Weights, norm: str, model: Bart) -> str:
    """`body` with the residual sum and the norm, before or after it."""
    if model.norm_first:
        return g.op("Add", x, body(layer_norm(g, x, layer, norm)))
    return layer_norm(g, g.op("Add", x, body(x)), layer, norm)


def _encoder_layer(
    g: GraphBuilder,
    x: str,
    real: tuple[str, str],
    layer: Weights,
    model: Bart,
    attention: Attention,
) -> str:
    def attended(y: str) -> str:
        return full_attention(g, y, real, layer.under("self_attn"), attention)

    x = _around(g, x, attended, layer, "self_attn_layer_norm", model)
    return _feed_forward(g, x, layer, model, TOKENS)


def _decoder_layer(g: GraphBuilder, x: str, i: int, step: Step, layer: Weights, model: Bart) -> str:
    attention = model.attention(model.sizes.decoder_heads)

    def attended(y: str) -> str:
        return cached_attention(g, y, i, step, layer.under("self_attn"), attention)

    def crossed(y: str) -> str:
        out, shares = cross_attention(g, y, i, step, layer.under("encoder_attn"), attention)
        if i == aligned_layer(model.sizes.decoder_layers):
            alignment(g, shares)
        return out

    x = _around(g, x, attended, layer, "self_attn_layer_norm", model)
    x = _around(g, x, crossed, layer, "encoder_attn_layer_norm", model)
    return _feed_forward(g, x, layer, model, ROWS)


def _feed_forward(g: GraphBuilder, x: str, layer: Weights, model: Bart, rows: str) -> str:
    def expanded(y: str) -> str:
        hidden = activate(g, project(g, y, layer, "fc1", rows=rows), model.sizes.activation)
        return project(g, hidden, layer, "fc2", rows=rows)

    return _around(g, x, expanded, layer, "final_layer_norm", model)


def _head(weights: Weights) -> tuple[Floats, Floats]:
    """Weights [d,V] and bias [V] of the language-model head."""
    names = ("lm_head.weight", "model.decoder.embed_tokens.weight", "model.shared.weight")
    kernel = weights.get(*names).T
    if weights.has("final_logits_bias"):
        return kernel, weights.get("final_logits_bias").reshape(-1)
    return kernel, np.zeros(kernel.shape[1], np.float32)
