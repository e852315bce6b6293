"""8-bit graphs: every product of constant weights is an integer one, and every row is its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from lingraft.training.errors import ExportError
from lingraft.training.export import to_arrays
from lingraft.training.export.classifier import classifier_graph
from lingraft.training.export.graph import GraphBuilder, serialise
from lingraft.training.export.marian import decoder_step_graph, encoder_graph
from lingraft.training.export.quantize import float_products, integer_products, quantise
from lingraft.training.export.runtime import open_session


def test_every_constant_product_becomes_an_integer_one(make_model: Any) -> None:
    """Fused QKV, outputs, feed-forward, cross keys and values, LM head: none stays in fp32."""
    model = make_model(encoder_layers=2, decoder_layers=3)
    state = to_arrays(model.state_dict())
    encoder = quantise(encoder_graph(model.config, state))
    step = quantise(decoder_step_graph(model.config, state))
    assert len(integer_products(encoder)) == 2 * 4 + 3
    assert len(integer_products(step)) == 3 * 6 + 1
    assert not [*float_products(encoder), *float_products(step)]
    head = next(t for t in step.graph.initializer if t.name == "lm_head.weight.int8")
    assert head.data_type == onnx.TensorProto.INT8


def test_a_classifier_is_quantised_head_included(model: Any) -> None:
    """The head is an integer product like the encoder's."""
    state = to_arrays(model.model.encoder.state_dict())
    weight, bias = np.ones((3, 16), np.float32), np.zeros(3, np.float32)
    graph = quantise(classifier_graph(model.config, state, weight, bias))
    assert len(integer_products(graph)) == 2 * 4 + 1


def test_a_product_that_would_stay_in_fp32_is_an_error() -> None:
    """A `Gemm` of constant weights is refused, for it would silently cost speed."""
    g = GraphBuilder("gemm")
    g.input("x", np.float32, ["B", 4])
    g.op("Gemm", "x", g.constant("w", np.ones((4, 2), np.float32)), name="y")
    g.output("y", np.float32, ["B", 2])
    with pytest.raises(ExportError, match=r"in fp32: Gemm\.0"):
        quantise(g.build())


def _product(x: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    g = GraphBuilder("product")
    g.input("x", np.float32, ["B", weight.shape[0]])
    g.op("MatMul", "x", g.constant("w", weight), name="y")
    g.output("y", np.float32, ["B", weight.shape[1]])
    result: NDArray[np.float32] = open_session(serialise(quantise(g.build()))).run(None, {"x": x})[
        0
    ]
    return result


def test_the_integer_product_is_near_the_exact_one() -> None:
    """Rows and columns of very different size lose about one part in a hundred each."""
    random = np.random.RandomState(0)
    x = random.standard_normal((6, 64)) * 10.0 ** np.arange(-3, 3)[:, None]
    weight = random.standard_normal((64, 8)) * 10.0 ** np.arange(-4, 4)
    exact = x @ weight
    got = _product(x.astype(np.float32), weight.astype(np.float32))
    size = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(weight, axis=0)
    assert np.abs((got - exact) / size).max() < 0.01


def test_rows_are_quantised_independently_of_their_company() -> None:
    """A row gives the same bits beside a row a million times larger."""
    random = np.random.RandomState(0)
    x = random.standard_normal((2, 32)).astype(np.float32)
    weight = random.standard_normal((32, 8)).astype(np.float32)
    beside = _product(np.stack([x[0], x[1] * 1e6]).astype(np.float32), weight)
    np.testing.assert_array_equal(beside[0], _product(x, weight)[0])


def test_rows_and_columns_of_zeros_give_zero() -> None:
    """Nothing divides by zero: zero in, zero out."""
    x = np.array([[0, 0, 0], [1, 2, 3]], np.float32)
    weight = np.array([[0, 1], [0, 1], [0, 1]], np.float32)
    np.testing.assert_allclose(_product(x, weight), [[0, 0], [0, 6]], atol=0.05)
