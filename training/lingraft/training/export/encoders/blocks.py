"""Linear layers, norms, attention and heads of the encoders, over matrices of hidden states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from lingraft.training.errors import ExportError
from lingraft.training.export.encoders.batch import TEXTS, TOKENS, Batch
from lingraft.training.export.graph import GraphBuilder
from lingraft.training.export.layers import activate
from lingraft.training.export.weights import ACTIVATIONS, Floats, Weights


@dataclass(frozen=True)
class Sizes:
    """Of one encoder: width, heads, layers, epsilon of its norms, and its activation."""

    width: int
    heads: int
    layers: int
    epsilon: float
    activation: str

    @property
    def head(self) -> int:
        """Size of one head."""
        return self.width // self.heads


@dataclass(frozen=True)
class Head:
    """Two linear layers by name, with an activation of Transformers between them."""

    inner: str
    activation: str
    outer: str


def known_activation(name: str) -> str:
    """Our name of an activation of Transformers. Raises ExportError when there is none."""
    if name not in ACTIVATIONS:
        raise ExportError(f"activation {name!r} is not one of {', '.join(sorted(ACTIVATIONS))}")
    return ACTIVATIONS[name]


def require(config: Any, **wanted: object) -> None:
    """Raise ExportError naming every setting of `config` that is not as our graphs compute it."""
    faults = [
        f"{name} is {found!r}, not {value!r}"
        for name, value in wanted.items()
        if (found := getattr(config, name, value)) != value
    ]
    if faults:
        kind = config.model_type
        raise ExportError(f"this {kind} configuration cannot be exported: {'; '.join(faults)}")


def affine(
    g: GraphBuilder, x: str, name: str, kernel: Floats, bias: Floats | None, rows: str = TOKENS
) -> str:
    """x [R,in] times `kernel` [in,out], plus `bias` [out] if there is one."""
    product = g.product(x, g.constant(f"{name}.weight", kernel), rows)
    if bias is None:
        return product
    return g.op("Add", product, g.constant(f"{name}.bias", bias))


def linear(g: GraphBuilder, x: str, weights: Weights, name: str, rows: str = TOKENS) -> str:
    """A linear layer of the model, with a bias if it has one: [R,in] -> [R,out]."""
    bias = weights.bias(name) if weights.has(f"{name}.bias") else None
    return affine(g, x, weights.prefix + name, weights.kernel(name), bias, rows)


def norm(g: GraphBuilder, x: str, weights: Weights, name: str, epsilon: float) -> str:
    """Layer normalisation over the last axis; a model's norm may have no bias."""
    label = weights.prefix + name
    inputs = [x, g.constant(f"{label}.weight", weights.get(f"{name}.weight"))]
    if weights.has(f"{name}.bias"):
        inputs.append(g.constant(f"{label}.bias", weights.get(f"{name}.bias")))
    return g.op("LayerNormalization", *inputs, epsilon=epsilon)


def attend(
    batch: Batch, sizes: Sizes, query: str, key: str, value: str, bias: str, scale: float = 0.0
) -> str:
    """Dot-product attention of [B,Q,d] over keys and values [B,S,d] -> [B*Q,d].

    `bias` [B,1 or H,Q,S] is added to the scores, which are multiplied by `scale` before, 0 for one
    over the root of the head's size.
    """
    settings: dict[str, Any] = {"q_num_heads": sizes.heads, "kv_num_heads": sizes.heads}
    if scale:
        settings["scale"] = scale
    context = batch.g.op("Attention", query, key, value, bias, **settings)
    return batch.tokens(context, sizes.width)


def places(batch: Batch, table: Floats) -> str:
    """The first S rows of a constant table [P,d]."""
    g = batch.g
    return g.op("Slice", g.constant("positions", table), g.ints(0), batch.width, g.ints(0))


def pieces(batch: Batch, table: Floats) -> str:
    """Rows of the embeddings [V,d] by id: [B,S,d]."""
    return batch.g.op("Gather", batch.g.constant("embeddings", table), batch.ids)


def finish(batch: Batch, pooled: str, weights: Weights, head: Head) -> onnx.ModelProto:
    """The head over `pooled` [B,d], and the finished model."""
    g = batch.g
    inner = linear(g, pooled, weights, head.inner, TEXTS)
    known = head.activation == "tanh" or known_activation(head.activation)
    inner = g.op("Tanh", inner) if known is True else activate(g, inner, str(known))
    return with_logits(batch, inner, weights, head.outer)


def with_logits(batch: Batch, x: str, weights: Weights, name: str) -> onnx.ModelProto:
    """The last linear layer over x [B,d] as the output `logits` [B,C], and the finished model."""
    g = batch.g
    g.op("Identity", linear(g, x, weights, name, TEXTS), name="logits")
    g.output("logits", np.float32, ["B", weights.get(f"{name}.weight").shape[0]])
    return g.build()
