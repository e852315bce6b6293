"""DeBERTa-v2 and v3 (He et al. 2021) as graphs of a classifier.

Attention adds two terms to the scores: how each query likes the distance to each key, and how each
key likes it. The layers that make distances into keys and queries are applied here, once; the graph
holds what comes out.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from lingraft.training.errors import ExportError
from lingraft.training.export.encoders.batch import Batch
from lingraft.training.export.encoders.bert import BERT_LAYER, sizes_of
from lingraft.training.export.encoders.blocks import (
    Head,
    Sizes,
    attend,
    finish,
    linear,
    norm,
    pieces,
    places,
)
from lingraft.training.export.encoders.postnorm import Attention, PostNorm
from lingraft.training.export.layers import activate
from lingraft.training.export.weights import ACTIVATIONS, Floats, StateDict, Weights

_KINDS = ("c2p", "p2c")
_LAYER = replace(
    BERT_LAYER,
    query="attention.self.query_proj",
    key="attention.self.key_proj",
    value="attention.self.value_proj",
)


def deberta_graph(config: Any, state: StateDict) -> onnx.ModelProto:
    """Graph `classifier` of a `DebertaV2ForSequenceClassification`.

    Raises:
        ExportError: the attention is not relative, or knows terms that these graphs do not.
    """
    kinds = tuple(config.pos_att_type or ())
    if not config.relative_attention or not set(kinds) <= set(_KINDS):
        raise ExportError(
            f"this deberta-v2 configuration cannot be exported: relative_attention is "
            f"{config.relative_attention}, pos_att_type {list(kinds)}"
        )
    sizes, weights, batch = sizes_of(config), Weights(state), Batch()
    model = weights.under("deberta")
    x = _embedded(batch, model.under("embeddings"), sizes)
    attention = _Disentangled(batch, sizes, config, model.under("encoder"))
    encoder = PostNorm(batch, _LAYER, sizes, Attention(attention.contexts, key_bias=True))
    layers = [model.under(f"encoder.layer.{i}") for i in range(sizes.layers)]
    if model.has("encoder.conv.conv.weight"):
        if sizes.layers == 1:
            raise ExportError("a deberta-v2 with a convolution and one layer cannot be exported")
        mixed = _convolved(batch, x, model.under("encoder.conv"), config, sizes)
        x = batch.g.op("Add", encoder.layer(x, layers[0]), mixed)
        x = norm(batch.g, x, model, "encoder.conv.LayerNorm", sizes.epsilon)
        layers = layers[1:]
    head = Head("pooler.dense", config.pooler_hidden_act, "classifier")
    return finish(batch, encoder.encode(x, layers), weights, head)


def _embedded(batch: Batch, weights: Weights, sizes: Sizes) -> str:
    """Pieces, and places and token type 0 where the model has them, normalised: [B*S,d]."""
    x = pieces(batch, weights.get("word_embeddings.weight"))
    if weights.has("position_embeddings.weight"):
        x = batch.g.op("Add", x, places(batch, weights.get("position_embeddings.weight")))
    if weights.has("token_type_embeddings.weight"):
        kind = weights.get("token_type_embeddings.weight")[0]
        x = batch.g.op("Add", x, batch.g.constant("token_type", kind))
    x = batch.tokens(x, weights.get("word_embeddings.weight").shape[1])
    if weights.has("embed_proj.weight"):
        x = linear(batch.g, x, weights, "embed_proj")
    return norm(batch.g, x, weights, "LayerNorm", sizes.epsilon)


class _Disentangled:
    """Attention to content and to distance."""

    def __init__(self, batch: Batch, sizes: Sizes, config: Any, encoder: Weights) -> None:
        self._batch, self._g, self._sizes, self._config = batch, batch.g, sizes, config
        self._kinds = tuple(config.pos_att_type or ())
        self._scale = 1 / math.sqrt(sizes.head * (1 + len(self._kinds)))
        self._span = _span(config)
        self._distances = _distances(encoder, config, self._span)

    def contexts(self, query: str, key: str, value: str, weights: Weights, last: bool) -> str:
        """See `postnorm.Attention`."""
        batch, width = self._batch, self._sizes.width
        queries = batch.queries(query, width, last)
        keys, values = batch.texts(key, width), batch.texts(value, width)
        bias = batch.bias(last)
        attention = weights.under("attention.self")
        if "c2p" in self._kinds:
            liked = self._liked(queries, attention, ("pos_key_proj", "key_proj"))
            index = self._index(last, by_key=True)
            term = self._g.op("GatherElements", liked, index, axis=2)  # [B,H,S,Q]
            bias = self._g.op("Add", bias, self._g.op("Transpose", term, perm=[0, 1, 3, 2]))
        if "p2c" in self._kinds:
            liked = self._liked(keys, attention, ("pos_query_proj", "query_proj"))
            index = self._index(last, by_key=False)
            bias = self._g.op("Add", bias, self._g.op("GatherElements", liked, index, axis=2))
        return attend(batch, self._sizes, queries, keys, values, bias, self._scale)

    def _liked(self, x: str, weights: Weights, names: tuple[str, str]) -> str:
        """How every position of x [B,R,d] likes every bucket of distances: [B,H,2*span,R].

        `names` are those of the layer for distances, and of the one that serves where they share.
        """
        name = names[1] if getattr(self._config, "share_att_key", False) else names[0]
        made: Floats = self._distances @ weights.kernel(name) + weights.bias(name)
        heads = made.reshape(-1, self._sizes.heads, self._sizes.head).transpose(1, 0, 2)
        table = self._g.constant(
            f"{weights.prefix}{name}.distances", heads * np.float32(self._scale)
        )
        split = self._g.op("Reshape", x, self._g.ints(0, 0, self._sizes.heads, -1))
        return self._g.op("MatMul", table, self._g.op("Transpose", split, perm=[0, 2, 3, 1]))

    def _index(self, last: bool, by_key: bool) -> str:
        """Bucket of the distance of every query and key: [B,H,Q,S], or [B,H,S,Q] `by_key`."""
        g = self._g
        buckets = self._buckets
        if last:
            buckets = g.op("Slice", buckets, g.ints(0), g.ints(1), g.ints(0))
        if by_key:
            buckets = g.op("Transpose", buckets, perm=[1, 0])
        rows = g.op("Shape", self._batch.ids, start=0, end=1)
        shape = g.op("Concat", rows, g.ints(self._sizes.heads), g.op("Shape", buckets), axis=0)
        return g.op("Expand", buckets, shape)

    @cached_property
    def _buckets(self) -> str:
        """[S,S]: row of the table of distances for every query and key."""
        g, longest = self._g, self._config.max_position_embeddings
        rows = np.clip(_bucketed(self._config, longest) + self._span, 0, 2 * self._span - 1)
        shifted = g.op("Add", self._batch.distance, g.ints(longest - 1))
        return g.op("Gather", g.constant("buckets", rows), shifted)


def _span(config: Any) -> int:
    """Buckets on each side of distance 0."""
    buckets = getattr(config, "position_buckets", -1)
    return buckets if buckets > 0 else _farthest(config)


def _farthest(config: Any) -> int:
    farthest: int = config.max_relative_positions
    return farthest if farthest >= 1 else config.max_position_embeddings


def _distances(encoder: Weights, config: Any, span: int) -> Floats:
    """[2*span,d]: one vector for each bucket, normalised if the model says so."""
    table = encoder.get("rel_embeddings.weight")[: 2 * span]
    if "layer_norm" not in getattr(config, "norm_rel_ebd", "none").lower():
        return table
    centred = table - table.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + config.layer_norm_eps)
    scaled: Floats = centred / deviation * encoder.get("LayerNorm.weight")
    return scaled + encoder.get("LayerNorm.bias")


def _bucketed(config: Any, longest: int) -> NDArray[np.int64]:
    """Signed bucket of the distances from 1-longest to longest-1; far ones share (section 3.1).

    In float32 as PyTorch computes it, for the borders of buckets lie where rounding decides.
    """
    distance = np.arange(1 - longest, longest)
    buckets, farthest = getattr(config, "position_buckets", -1), _farthest(config)
    if buckets <= 0:
        return distance
    middle = buckets // 2
    size = np.where(np.abs(distance) < middle, middle - 1, np.abs(distance)).astype(np.float32)
    steps = np.log(size / np.float32(middle)) / np.log(np.float32((farthest - 1) / middle))
    far = np.ceil(steps * np.float32(middle - 1)) + middle
    return np.where(size <= middle, distance, far * np.sign(distance)).astype(np.int64)


def _convolved(batch: Batch, x: str, weights: Weights, config: Any, sizes: Sizes) -> str:
    """The convolution over neighbours that some models have beside their first layer: [B*S,d]."""
    g, size = batch.g, config.conv_kernel_size
    real = g.op("Equal", g.op("Transpose", batch.key_bias, perm=[0, 1, 3, 2]), g.floats(0.0))
    real = g.op("Squeeze", real, g.ints(1))  # [B,S,1]
    clean = g.op("Where", real, batch.texts(x, sizes.width), g.floats(0.0))
    mixed = g.op(
        "Conv",
        g.op("Transpose", clean, perm=[0, 2, 1]),
        g.constant(f"{weights.prefix}conv.weight", weights.get("conv.weight")),
        g.constant(f"{weights.prefix}conv.bias", weights.get("conv.bias")),
        group=getattr(config, "conv_groups", 1),
        pads=[(size - 1) // 2] * 2,
    )
    mixed = batch.tokens(g.op("Transpose", mixed, perm=[0, 2, 1]), sizes.width)
    kind = getattr(config, "conv_act", "tanh")
    return g.op("Tanh", mixed) if kind == "tanh" else activate(g, mixed, ACTIVATIONS[kind])
