"""Encoders whose layers end with a norm (Devlin et al. 2019): BERT and its kin.

Three things are computed otherwise than written, all of them exactly: the bias of the keys adds the
same to all scores of a query, so plain attention leaves it out; shares of attention sum to 1, so
the bias of the values goes into that of the output layer; and of the last layer only the first
position is read, so nothing else of it is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lingraft.training.export.encoders.batch import TEXTS, TOKENS, Batch
from lingraft.training.export.encoders.blocks import Sizes, affine, attend, linear, norm
from lingraft.training.export.layers import activate
from lingraft.training.export.weights import Floats, Weights


@dataclass(frozen=True)
class LayerNames:
    """What a family calls the parts of a layer."""

    query: str
    key: str
    value: str
    out: str
    attention_norm: str
    up: str
    down: str
    norm: str


@dataclass(frozen=True)
class Attention:
    """How queries find their contexts.

    `contexts` takes queries [R,d], keys and values [B*S,d], the layer's weights, and whether it is
    the last layer (R = B, first positions only), and returns [R,d]. `key_bias`: the bias of the
    keys makes a difference.
    """

    contexts: Callable[[str, str, str, Weights, bool], str]
    key_bias: bool = False


@dataclass(frozen=True)
class PostNorm:
    """An encoder over one batch."""

    batch: Batch
    names: LayerNames
    sizes: Sizes
    attention: Attention

    def encode(self, x: str, layers: Sequence[Weights]) -> str:
        """Hidden states [B*S,d] through `layers` -> [B,d], the first position of every text."""
        for weights in layers[:-1]:
            x = self.layer(x, weights)
        return self.layer(x, layers[-1], last=True)

    def layer(self, x: str, weights: Weights, last: bool = False) -> str:
        """[B*S,d] -> the same, or [B,d] of the last layer."""
        g, names, sizes = self.batch.g, self.names, self.sizes
        rows = TEXTS if last else TOKENS
        here = self.batch.first(x, sizes.width) if last else x
        attended = self._attended(x, here, weights, last)
        x = norm(g, g.op("Add", here, attended), weights, names.attention_norm, sizes.epsilon)
        hidden = activate(g, linear(g, x, weights, names.up, rows), sizes.activation)
        down = linear(g, hidden, weights, names.down, rows)
        return norm(g, g.op("Add", x, down), weights, names.norm, sizes.epsilon)

    def _attended(self, x: str, here: str, weights: Weights, last: bool) -> str:
        """Output of the attention of positions `here` [R,d] to all of x [B*S,d]."""
        names, rows = self.names, TEXTS if last else TOKENS
        query = linear(self.batch.g, here, weights, names.query, rows)
        key = self._product(x, weights, names.key, self.attention.key_bias)
        value = self._product(x, weights, names.value, False)
        context = self.attention.contexts(query, key, value, weights, last)
        kernel = weights.kernel(names.out)
        bias: Floats = weights.bias(names.out) + weights.bias(names.value) @ kernel
        return affine(
            self.batch.g, context, weights.prefix + names.out, kernel, bias.astype(np.float32), rows
        )

    def _product(self, x: str, weights: Weights, name: str, biased: bool) -> str:
        bias = weights.bias(name) if biased else None
        return affine(self.batch.g, x, weights.prefix + name, weights.kernel(name), bias)


def dot_product(batch: Batch, sizes: Sizes) -> Attention:
    """Plain scaled dot-product attention."""

    def contexts(query: str, key: str, value: str, weights: Weights, last: bool) -> str:
        del weights
        queries = batch.queries(query, sizes.width, last)
        keys, values = (batch.texts(x, sizes.width) for x in (key, value))
        return attend(batch, sizes, queries, keys, values, batch.bias(last))

    return Attention(contexts)
