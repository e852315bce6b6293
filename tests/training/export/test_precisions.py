"""Graphs in 4 bits and in half precision: near fp32, and each row on its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from lingraft.training.errors import ExportError
from lingraft.training.export import to_arrays
from lingraft.training.export.graph import GraphBuilder, serialise
from lingraft.training.export.halves import halve
from lingraft.training.export.marian import decoder_step_graph, encoder_graph
from lingraft.training.export.nibbles import pack, quantise_blocks
from lingraft.training.export.parity import special_ids
from lingraft.training.export.precisions import in_precision
from lingraft.training.export.runtime import GreedyDecoder, open_session, pad_rows
from lingraft.v1 import bundle_pb2 as pb


@pytest.fixture(scope="module")
def plain(model: Any) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Encoder and decoder step of the tiny model in fp32."""
    state = to_arrays(model.state_dict())
    return encoder_graph(model.config, state), decoder_step_graph(model.config, state)


@pytest.fixture(scope="module", params=[pb.PRECISION_INT4, pb.PRECISION_FP16])
def decoder(
    request: pytest.FixtureRequest, plain: tuple[onnx.ModelProto, onnx.ModelProto], model: Any
) -> GreedyDecoder:
    """A greedy decoder of the tiny model in a precision."""
    encoder, step = map(serialise, in_precision(*plain, request.param))
    return GreedyDecoder(encoder, step, special_ids(model.config))


def test_rows_say_alone_what_they_say_together(decoder: GreedyDecoder, make_rows: Any) -> None:
    """No scale is shared by rows, and none by positions of other sources."""
    rows = make_rows(6)
    limits = [12] * len(rows)
    together = decoder.decode(rows, limits, 4)
    for row, answer in zip(rows, together, strict=True):
        (alone,) = decoder.decode([row], [12], 1)
        assert alone.ids == answer.ids


def test_half_precision_says_nearly_what_fp32_says(
    plain: tuple[onnx.ModelProto, onnx.ModelProto], model: Any, make_rows: Any
) -> None:
    """The same first pieces, and log-probabilities to three digits."""
    rows, special = make_rows(20), special_ids(model.config)
    answers = []
    for precision in (pb.PRECISION_FP32, pb.PRECISION_FP16):
        encoder, step = map(serialise, in_precision(*plain, precision))
        answers.append(GreedyDecoder(encoder, step, special).decode(rows, [1] * len(rows)))
    wide, half = answers
    differing = [(a, b) for a, b in zip(wide, half, strict=True) if a.ids != b.ids]
    assert all(a.margin < 0.02 for a, _ in differing)
    for a, b in zip(wide, half, strict=True):
        assert a.logprob == pytest.approx(b.logprob, abs=0.02)


def test_half_precision_halves_the_caches_and_keeps_the_scores(
    plain: tuple[onnx.ModelProto, onnx.ModelProto],
) -> None:
    """Interface: float16 between the steps, float32 for what crosses to the host."""
    encoder, step = (open_session(serialise(halve(graph))) for graph in plain)
    types = {each.name: each.type for each in (*step.get_inputs(), *step.get_outputs())}
    assert types["past_key.0"] == types["present_value.0"] == types["cross_key.0"]
    assert types["past_key.0"] == "tensor(float16)"
    assert types["top_logprobs"] == types["alignment"] == "tensor(float)"
    assert {each.type for each in encoder.get_outputs()} == {"tensor(float16)"}


def test_half_precision_keeps_the_logarithms_in_float32(
    plain: tuple[onnx.ModelProto, onnx.ModelProto],
) -> None:
    """What follows the head is as it was; nothing else is float32 but what is cast for it."""
    graph = halve(plain[1]).graph
    floats = {each.name for each in graph.initializer if each.data_type == TensorProto.FLOAT}
    weights = {name for name in floats if "layers" in name or "embed" in name}
    assert not weights
    assert "lm_head.weight" not in floats


def test_a_weight_beyond_half_precision_is_refused_by_name() -> None:
    """Not turned into an infinity."""
    g = GraphBuilder("huge")
    x = g.input("x", np.float32, ["B", 2])
    g.op("MatMul", x, g.constant("layer.weight", np.full((2, 2), 7e4, np.float32)), name="y")
    g.output("y", np.float32, ["B", 2])
    with pytest.raises(ExportError, match=r"layer\.weight has numbers beyond 65504"):
        halve(g.build())


def test_attention_to_both_sides_is_the_same_by_the_operator_for_a_gpu(
    plain: tuple[onnx.ModelProto, onnx.ModelProto], make_rows: Any, model: Any
) -> None:
    """The encoder's keys and values, padding apart, to the rounding of half precision."""
    ids, lengths = pad_rows(make_rows(5), model.config.pad_token_id)
    feeds = {"input_ids": ids, "lengths": lengths}
    wide = open_session(serialise(plain[0])).run(["cross_value.0"], feeds)[0]
    half = open_session(serialise(halve(plain[0]))).run(["cross_value.0"], feeds)[0]
    kinds = {node.op_type for node in halve(plain[0]).graph.node}
    assert "MultiHeadAttention" in kinds
    assert "GroupQueryAttention" not in kinds
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(
            half[row, :, :length].astype(np.float32), wide[row, :, :length], atol=0.05
        )


@pytest.mark.parametrize("inputs", [64, 40])
def test_four_bits_are_within_half_a_step_or_the_end(inputs: int) -> None:
    """The largest magnitude of a block is exact, whatever its sign."""
    weight = np.random.default_rng(1).normal(size=(inputs, 3)).astype(np.float32)
    numbers, scale = quantise_blocks(weight, 32)
    assert numbers.shape == (3, 2, 32)
    near = (numbers.astype(np.float32) - 8) * scale[..., None]
    columns = near.reshape(3, -1)[:, :inputs].T
    steps = np.abs(np.repeat(scale, 32, axis=1)[:, :inputs].T)
    assert (np.abs(columns - weight) <= steps * 1.001).all()
    largest = np.abs(weight[:32]).argmax(axis=0)
    chosen = np.arange(3)
    np.testing.assert_allclose(columns[largest, chosen], weight[largest, chosen], rtol=1e-6)


def test_four_bits_multiply_as_their_numbers_say() -> None:
    """The operator reads the layout that was written: which half of a byte is first, and so on."""
    random = np.random.default_rng(2)
    weight = random.normal(size=(48, 5)).astype(np.float32)
    g = GraphBuilder("product")
    g.op("MatMul", g.input("x", np.float32, ["B", 48]), g.constant("w", weight), name="y")
    g.output("y", np.float32, ["B", 5])
    x = random.normal(size=(3, 48)).astype(np.float32)
    numbers, scale = quantise_blocks(weight, 16)
    near = ((numbers.astype(np.float32) - 8) * scale[..., None]).reshape(5, 48).T
    (y,) = open_session(serialise(pack(g.build(), 16))).run(["y"], {"x": x})
    np.testing.assert_allclose(y, x @ near, atol=0.15)  # activations have 8 bits


def test_zeros_stay_zeros() -> None:
    """A block without a magnitude has no scale to divide by."""
    numbers, scale = quantise_blocks(np.zeros((32, 2), np.float32), 32)
    assert (numbers == 8).all()
    assert not scale.any()
