"""The graph of every family gives the logits that Transformers gives."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from lingraft.training.errors import ExportError
from lingraft.training.export import to_arrays
from lingraft.training.export.encoders import CLASSIFIERS
from lingraft.training.export.graph import serialise
from lingraft.training.export.quantize import float_products, quantise
from lingraft.training.export.runtime import classify, pad_rows
from lingraft.training.export.weights import Floats

FORMS = (
    "bert",
    "roberta",
    "xlm-roberta",
    "distilbert",
    "deberta-v3",
    "deberta-v2",
    "deberta-c2p",
    "modernbert",
    "modernbert-mean",
)
Texts = list[list[int]]
MakeClassifier = Callable[[str], Any]


def _expected(model: Any, texts: Sequence[Sequence[int]]) -> Floats:
    ids, lengths = pad_rows(texts, model.config.pad_token_id)
    real = np.arange(ids.shape[1]) < lengths[:, None]
    with torch.inference_mode():
        answer = model(
            input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(real).long()
        )
    logits: Floats = answer.logits.numpy()
    return logits


def _graph(model: Any) -> Any:
    config = model.config
    return CLASSIFIERS[config.model_type](config, to_arrays(model.state_dict()))


@pytest.mark.parametrize("form", FORMS)
def test_fp32_logits_are_those_of_transformers(
    make_classifier: MakeClassifier, texts: Texts, form: str
) -> None:
    """Within float32 rounding, for texts of 1 to 70 pieces in one padded batch."""
    model = make_classifier(form)
    produced = classify(serialise(_graph(model)), texts, model.config.pad_token_id)
    np.testing.assert_allclose(produced, _expected(model, texts), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_int8_logits_are_near_and_the_same_in_any_company(
    make_classifier: MakeClassifier, texts: Texts, form: str
) -> None:
    """No product is left in fp32; a text alone gets the bits that it gets in a padded batch."""
    model = make_classifier(form)
    graph = quantise(_graph(model))
    assert not float_products(graph)
    pad = model.config.pad_token_id
    together, alone = (classify(serialise(graph), texts, pad, batch=size) for size in (7, 1))
    np.testing.assert_array_equal(together, alone)
    expected = _expected(model, texts)
    assert np.abs(together - expected).max() < 0.15 * np.abs(expected).max()


def test_padding_may_be_any_piece(make_classifier: MakeClassifier, texts: Texts) -> None:
    """A graph knows what is real from the lengths alone."""
    graph = serialise(_graph(make_classifier("deberta-v2")))
    np.testing.assert_allclose(classify(graph, texts, 0), classify(graph, texts, 77), atol=1e-5)


@pytest.mark.parametrize(
    ("form", "setting", "value", "message"),
    [
        ("bert", "is_decoder", True, "is_decoder is True"),
        ("bert", "hidden_act", "mish", "activation 'mish'"),
        ("deberta-v3", "pos_att_type", ["p2p"], "p2p"),
        ("deberta-v3", "relative_attention", False, "relative_attention is False"),
    ],
)
def test_what_no_graph_computes_is_refused(
    make_classifier: MakeClassifier, form: str, setting: str, value: object, message: str
) -> None:
    """One message says which setting."""
    model = make_classifier(form)
    config = copy.deepcopy(model.config)
    setattr(config, setting, value)
    with pytest.raises(ExportError, match=message):
        CLASSIFIERS[config.model_type](config, to_arrays(model.state_dict()))
