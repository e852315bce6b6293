"""ModernBERT (Warner et al. 2024) as a graph of a classifier.

Norms come first, positions are rotations of queries and keys, and most layers see only a window
around each position. Its first layer has no norm of attention.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from lingraft.training.errors import ExportError
from lingraft.training.export.encoders.batch import TEXTS, TOKENS, Batch
from lingraft.training.export.encoders.blocks import (
    Sizes,
    affine,
    attend,
    known_activation,
    linear,
    norm,
    pieces,
    with_logits,
)
from lingraft.training.export.graph import CONTRIB
from lingraft.training.export.layers import MASKED, activate
from lingraft.training.export.weights import StateDict, Weights

_FULL = "full_attention"


def modernbert_graph(config: Any, state: StateDict) -> onnx.ModelProto:
    """Graph `classifier` of a `ModernBertForSequenceClassification`.

    Raises:
        ExportError: its rotations are not the plain ones.
    """
    graph = _ModernBert(config, state)
    return graph.build()


class _ModernBert:
    def __init__(self, config: Any, state: StateDict) -> None:
        self._config, self._weights = config, Weights(state)
        self._sizes = Sizes(
            config.hidden_size,
            config.num_attention_heads,
            config.num_hidden_layers,
            config.norm_eps,
            known_activation(config.hidden_activation),
        )
        self._batch = Batch()
        self._g = self._batch.g

    def build(self) -> onnx.ModelProto:
        """The finished model."""
        config, model = self._config, self._weights.under("model")
        mean = config.classifier_pooling == "mean"
        embeddings = model.under("embeddings")
        x = pieces(self._batch, embeddings.get("tok_embeddings.weight"))
        x = self._norm(self._batch.tokens(x, self._sizes.width), embeddings, "norm")
        for i in range(self._sizes.layers):
            last = i == self._sizes.layers - 1 and not mean
            x = self._layer(x, i, model.under(f"layers.{i}"), last)
        x = self._norm(x, model, "final_norm")
        return self._head(self._mean(x) if mean else x)

    def _layer(self, x: str, i: int, weights: Weights, last: bool) -> str:
        """[B*S,d] -> the same, or [B,d] of the first positions when it is the `last`."""
        g, rows = self._g, TEXTS if last else TOKENS
        inputs = self._norm(x, weights, "attn_norm") if weights.has("attn_norm.weight") else x
        context = self._contexts(inputs, self._config.layer_types[i], weights, last)
        here = self._batch.first(x, self._sizes.width) if last else x
        x = g.op("Add", here, linear(g, context, weights, "attn.Wo", rows))
        return g.op("Add", x, self._gated(self._norm(x, weights, "mlp_norm"), weights, rows))

    def _gated(self, x: str, weights: Weights, rows: str) -> str:
        """Gated linear unit (Shazeer 2020): [R,d] -> [R,d]."""
        value, gate = self._parts(x, weights, "mlp.Wi", 2, rows)
        hidden = activate(self._g, value, self._sizes.activation)
        return linear(self._g, self._g.op("Mul", hidden, gate), weights, "mlp.Wo", rows)

    def _contexts(self, x: str, kind: str, weights: Weights, last: bool) -> str:
        batch, width = self._batch, self._sizes.width
        query, key, value = self._parts(x, weights, "attn.Wqkv", 3, TOKENS)
        query, key = (self._rotated(batch.texts(each, width), kind) for each in (query, key))
        bias = batch.bias(False) if kind == _FULL else self._window_bias()
        if last:
            zero, one = self._g.ints(0), self._g.ints(1)
            query = self._g.op("Slice", query, zero, one, one)
            bias = self._g.op("Slice", bias, zero, one, self._g.ints(2))
        return attend(batch, self._sizes, query, key, batch.texts(value, width), bias)

    def _parts(self, x: str, weights: Weights, name: str, count: int, rows: str) -> list[str]:
        """The outputs of a linear layer in `count` equal parts, each a product of its own."""
        kernels = np.split(weights.kernel(name), count, axis=1)
        biased = weights.has(f"{name}.bias")
        biases = np.split(weights.bias(name), count) if biased else [None] * count
        label = weights.prefix + name
        return [
            affine(self._g, x, f"{label}.{i}", kernel, bias, rows)
            for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True))
        ]

    def _rotated(self, x: str, kind: str) -> str:
        """Rotary position embedding (Su et al. 2021) of [B,S,d]."""
        cosines, sines = self._rotations(kind)
        inputs = (x, self._g.ints(0), cosines, sines)
        return self._g.op("RotaryEmbedding", *inputs, domain=CONTRIB, num_heads=self._sizes.heads)

    def _rotations(self, kind: str) -> tuple[str, str]:
        """Tables [P,D/2] of cosines and sines."""
        settings, size = self._config.rope_parameters[kind], self._sizes.head
        if settings["rope_type"] != "default":
            raise ExportError(f"rope_type {settings['rope_type']!r} of {kind} is not 'default'")
        speeds = settings["rope_theta"] ** -(np.arange(0, size, 2) / size)
        angles = np.arange(self._config.max_position_embeddings)[:, None] * speeds
        tables = {"cosines": np.cos(angles), "sines": np.sin(angles)}
        cosines, sines = (
            self._g.constant(f"{kind}.{name}", table.astype(np.float32))
            for name, table in tables.items()
        )
        return cosines, sines

    def _window_bias(self) -> str:
        """[B,1,S,S]: the bias of padding, and the least number outside each place's window."""
        g, reach = self._g, self._config.sliding_window
        near = g.op("Less", g.op("Abs", self._batch.distance), g.ints(reach + 1))
        return g.op("Where", near, self._batch.key_bias, g.floats(MASKED))

    def _mean(self, x: str) -> str:
        """[B*S,d] -> [B,d]: the mean over real positions."""
        g = self._g
        shares = g.op("Squeeze", g.op("Softmax", self._batch.key_bias, axis=-1), g.ints(1))
        return g.op(
            "Squeeze", g.op("MatMul", shares, self._batch.texts(x, self._sizes.width)), g.ints(1)
        )

    def _head(self, pooled: str) -> onnx.ModelProto:
        inner = linear(self._g, pooled, self._weights, "head.dense", TEXTS)
        inner = activate(self._g, inner, known_activation(self._config.classifier_activation))
        inner = self._norm(inner, self._weights, "head.norm")
        return with_logits(self._batch, inner, self._weights, "classifier")

    def _norm(self, x: str, weights: Weights, name: str) -> str:
        return norm(self._g, x, weights, name, self._sizes.epsilon)
