"""BERT, RoBERTa with XLM-RoBERTa, and DistilBERT as graphs of a classifier."""

from __future__ import annotations

from typing import Any

import onnx

from lingraft.training.export.encoders.batch import Batch
from lingraft.training.export.encoders.blocks import (
    Head,
    Sizes,
    finish,
    known_activation,
    norm,
    pieces,
    places,
    require,
)
from lingraft.training.export.encoders.postnorm import LayerNames, PostNorm, dot_product
from lingraft.training.export.weights import StateDict, Weights

BERT_LAYER = LayerNames(
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    out="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    norm="output.LayerNorm",
)
_DISTILBERT_LAYER = LayerNames(
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    out="attention.out_lin",
    attention_norm="sa_layer_norm",
    up="ffn.lin1",
    down="ffn.lin2",
    norm="output_layer_norm",
)
_DISTILBERT_EPSILON = 1e-12  # not in its configuration


def bert_graph(config: Any, state: StateDict) -> onnx.ModelProto:
    """Graph `classifier` of a `BertForSequenceClassification`."""
    require(config, is_decoder=False, add_cross_attention=False)
    head = Head("bert.pooler.dense", "tanh", "classifier")
    return _graph(sizes_of(config), Weights(state), ("bert", "encoder.layer"), BERT_LAYER, head)


def roberta_graph(config: Any, state: StateDict) -> onnx.ModelProto:
    """Graph `classifier` of a RoBERTa or XLM-RoBERTa; its positions begin after padding's id."""
    require(config, is_decoder=False, add_cross_attention=False)
    head = Head("classifier.dense", "tanh", "classifier.out_proj")
    names, skipped = ("roberta", "encoder.layer"), config.pad_token_id + 1
    return _graph(sizes_of(config), Weights(state), names, BERT_LAYER, head, skipped)


def distilbert_graph(config: Any, state: StateDict) -> onnx.ModelProto:
    """Graph `classifier` of a `DistilBertForSequenceClassification`."""
    activation = known_activation(config.activation)
    sizes = Sizes(config.dim, config.n_heads, config.n_layers, _DISTILBERT_EPSILON, activation)
    head = Head("pre_classifier", "relu", "classifier")
    names = ("distilbert", "transformer.layer")
    return _graph(sizes, Weights(state), names, _DISTILBERT_LAYER, head)


def sizes_of(config: Any) -> Sizes:
    """Sizes of a configuration that has BERT's names."""
    return Sizes(
        config.hidden_size,
        config.num_attention_heads,
        config.num_hidden_layers,
        config.layer_norm_eps,
        known_activation(config.hidden_act),
    )


def _graph(
    sizes: Sizes,
    weights: Weights,
    names: tuple[str, str],
    layer: LayerNames,
    head: Head,
    skipped: int = 0,
) -> onnx.ModelProto:
    """`names` are those of the encoder and of its layers; positions begin at row `skipped`."""
    batch, model = Batch(), weights.under(names[0])
    x = _embedded(batch, model.under("embeddings"), skipped, sizes)
    layers = [model.under(f"{names[1]}.{i}") for i in range(sizes.layers)]
    encoder = PostNorm(batch, layer, sizes, dot_product(batch, sizes))
    return finish(batch, encoder.encode(x, layers), weights, head)


def _embedded(batch: Batch, weights: Weights, skipped: int, sizes: Sizes) -> str:
    """Pieces, places and token type 0, normalised: [B*S,d]."""
    table = weights.get("position_embeddings.weight")[skipped:]
    if weights.has("token_type_embeddings.weight"):
        table = table + weights.get("token_type_embeddings.weight")[0]
    x = batch.g.op(
        "Add", pieces(batch, weights.get("word_embeddings.weight")), places(batch, table)
    )
    return norm(batch.g, batch.tokens(x, sizes.width), weights, "LayerNorm", sizes.epsilon)
