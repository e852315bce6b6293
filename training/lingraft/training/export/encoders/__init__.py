"""Text classifiers of Transformers as graphs: BERT, RoBERTa, DistilBERT, DeBERTa, ModernBERT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx

from lingraft.training.export.encoders.bert import bert_graph, distilbert_graph, roberta_graph
from lingraft.training.export.encoders.deberta import deberta_graph
from lingraft.training.export.encoders.modernbert import modernbert_graph
from lingraft.training.export.weights import StateDict

# By `model_type`: configuration and state dict of a *ForSequenceClassification -> graph.
CLASSIFIERS: Mapping[str, Callable[[Any, StateDict], onnx.ModelProto]] = {
    "bert": bert_graph,
    "deberta-v2": deberta_graph,
    "distilbert": distilbert_graph,
    "modernbert": modernbert_graph,
    "roberta": roberta_graph,
    "xlm-roberta": roberta_graph,
}

__all__ = ["CLASSIFIERS"]
