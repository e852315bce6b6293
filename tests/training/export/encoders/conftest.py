"""Tiny classifiers of every family with random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers

MakeClassifier = Callable[[str], Any]

PIECES = 120
_SIZES: dict[str, Any] = {
    "vocab_size": PIECES,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 80,
    "num_labels": 3,
    "initializer_range": 0.3,
}
_DISTILBERT: dict[str, Any] = {
    "vocab_size": PIECES,
    "dim": 32,
    "n_layers": 3,
    "n_heads": 4,
    "hidden_dim": 48,
    "max_position_embeddings": 80,
    "num_labels": 3,
    "initializer_range": 0.3,
}
_DEBERTA: dict[str, Any] = _SIZES | {
    "relative_attention": True,
    "pos_att_type": "p2c|c2p",
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "position_buckets": 16,
    "position_biased_input": False,
    "type_vocab_size": 0,
}
_MODERNBERT: dict[str, Any] = _SIZES | {
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "cls_token_id": 1,
    "sep_token_id": 2,
    "local_attention": 16,
    "global_attn_every_n_layers": 2,
}
_ROBERTA: dict[str, Any] = _SIZES | {"pad_token_id": 1, "type_vocab_size": 1}

# Name -> prefix of the classes, settings. The forms of one family that its graphs tell apart.
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", _SIZES),
    "roberta": ("Roberta", _ROBERTA),
    "xlm-roberta": ("XLMRoberta", _ROBERTA | {"hidden_act": "gelu_new"}),
    "distilbert": ("DistilBert", _DISTILBERT),
    "deberta-v3": ("DebertaV2", _DEBERTA),
    "deberta-v2": ("DebertaV2", _DEBERTA | {"conv_kernel_size": 3, "conv_act": "gelu"}),
    "deberta-c2p": (
        "DebertaV2",
        _DEBERTA
        | {
            "pos_att_type": "c2p",
            "share_att_key": False,
            "position_buckets": -1,
            "norm_rel_ebd": "none",
            "position_biased_input": True,
            "type_vocab_size": 2,
            "embedding_size": 24,
        },
    ),
    "modernbert": ("ModernBert", _MODERNBERT),
    "modernbert-mean": ("ModernBert", _MODERNBERT | {"classifier_pooling": "mean"}),
}


@pytest.fixture(scope="session")
def make_classifier() -> MakeClassifier:
    """A model of one of the `FORMS`; its biases and norms are random too."""
    made: dict[str, Any] = {}

    def make(form: str) -> Any:
        if form not in made:
            torch.manual_seed(5)
            prefix, settings = FORMS[form]
            config = getattr(transformers, f"{prefix}Config")(**settings)
            model = getattr(transformers, f"{prefix}ForSequenceClassification")(config).eval()
            for parameter in model.parameters():
                if parameter.dim() == 1:
                    parameter.data += 0.2 * torch.randn_like(parameter)
            made[form] = model
        return made[form]

    return make


@pytest.fixture(scope="session")
def texts() -> list[list[int]]:
    """Ids of texts of very different lengths, the shortest of one piece."""
    random = np.random.RandomState(3)
    return [random.randint(5, PIECES, length).tolist() for length in (3, 70, 17, 1, 40, 64, 9)]
