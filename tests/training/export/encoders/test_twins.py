"""The twin of a text encoder, for the server's own operators: few of them, and the same answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from lingraft.server.engines import kernels, open_session
from lingraft.training.export import to_arrays
from lingraft.training.export.encoders import CLASSIFIERS
from lingraft.training.export.graph import serialise
from lingraft.training.export.native import native_operators, nativise
from lingraft.training.export.quantize import quantise
from lingraft.training.export.runtime import classify, pad_rows
from lingraft.training.export.weights import Floats

Texts = list[list[int]]
MakeClassifier = Callable[[str], Any]
PLAIN = ("bert", "roberta", "xlm-roberta", "distilbert")
OTHERS = ("deberta-v3", "deberta-v2", "deberta-c2p", "modernbert", "modernbert-mean")


def _graph(model: Any) -> onnx.ModelProto:
    config = model.config
    return CLASSIFIERS[config.model_type](config, to_arrays(model.state_dict()))


def _run(twin: onnx.ModelProto, texts: Texts, pad: int, folder: Path) -> Floats:
    path = folder / "twin.onnx"
    path.write_bytes(serialise(twin))
    ids, lengths = pad_rows(texts, pad)
    feeds = {"input_ids": ids, "lengths": lengths}
    logits: Floats = open_session(path, "cpu", 1).run(["logits"], feeds)[0]
    return logits


@pytest.mark.parametrize("form", PLAIN)
def test_a_layer_of_plain_attention_is_three_operators(
    make_classifier: MakeClassifier, form: str
) -> None:
    """Attention with its products, the layer behind it, the feed-forward part; then the head."""
    layer = ["DenseAttention", "DenseNorm", "FeedForward"]
    twin = nativise(_graph(make_classifier(form)))
    assert native_operators(twin) == [*layer, *layer, *layer, "Dense", "Dense"]
    assert not {"Attention", "MatMul"} & {node.op_type for node in twin.graph.node}


@pytest.mark.parametrize("form", OTHERS)
def test_attention_of_other_kinds_stays_in_standard_operators(
    make_classifier: MakeClassifier, form: str
) -> None:
    """Distances, rotations and windows are no part of the own operators."""
    twin = nativise(_graph(make_classifier(form)))
    assert "DenseAttention" not in native_operators(twin)
    assert [node.op_type for node in twin.graph.node].count("Attention") == len("abc")
    assert "NonZero" not in {node.op_type for node in twin.graph.node}


@pytest.mark.skipif(kernels.library() is None, reason="the server's operators cannot run here")
@pytest.mark.parametrize("form", [*PLAIN, *OTHERS])
def test_a_twin_gives_the_standard_graphs_logits_in_any_company(
    make_classifier: MakeClassifier, texts: Texts, tmp_path: Path, form: str
) -> None:
    """As near as rounding; a text alone, without padding, gets the bits that it gets in a batch."""
    model = make_classifier(form)
    graph, pad = _graph(model), model.config.pad_token_id
    twin = nativise(graph)
    together = _run(twin, texts, pad, tmp_path)
    standard = classify(serialise(quantise(graph)), texts, pad)
    assert np.abs(together - standard).max() < 0.1 * np.abs(standard).max()
    if form in PLAIN:
        alone = [_run(twin, [text], pad, tmp_path)[0] for text in texts]
        np.testing.assert_array_equal(together, alone)
