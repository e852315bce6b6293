"""A whole decoder in one operator does what its layers do one by one, to the bit."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import helper, numpy_helper
from transformers import MarianConfig, MarianMTModel

from lingraft.server.engines import kernels
from lingraft.training.export import to_arrays
from lingraft.training.export.decoder import whole_decoder
from lingraft.training.export.marian import decoder_step_graph
from lingraft.training.export.native import nativise
from lingraft.training.export.tables import pack_tables, tie_transposed

from .conftest import Array

PIECES, WIDTH, LAYERS, HEADS, ROOM, SOURCE = 8_400, 512, 2, 8, 24, 9
PAD = PIECES - 1


def model(pieces: int, width: int) -> onnx.ModelProto:
    """A decoder step as a twin has it, in single operators."""
    torch.manual_seed(7)
    config = MarianConfig(
        vocab_size=pieces,
        d_model=width,
        encoder_layers=1,
        decoder_layers=LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=32,
        decoder_ffn_dim=96,
        activation_function="swish",
        max_position_embeddings=ROOM,
        init_std=0.1,
        pad_token_id=pieces - 1,
        decoder_start_token_id=pieces - 1,
        eos_token_id=0,
    )
    state = to_arrays(MarianMTModel(config).eval().state_dict())
    twin = nativise(pack_tables(decoder_step_graph(config, state)))
    tie_transposed(twin)
    return twin


class Graphs:
    """A decoder step in single operators and in one."""

    def __init__(self, pieces: int, width: int) -> None:
        parts, whole = model(pieces, width), model(pieces, width)
        assert whole_decoder(whole)
        self.width, self.parts, self.whole = width, _session(parts), _session(whole)

    def feeds(self, rows: int, asked: int, seed: int = 3) -> dict[str, Array]:
        """What a step in the middle of some texts is given."""
        random = np.random.default_rng(seed)
        cache = {
            f"{kind}_{part}.{layer}": random.normal(0, 1, (rows, length, self.width)).astype(
                np.float16
            )
            for kind, length in (("past", ROOM), ("cross", SOURCE))
            for part in ("key", "value")
            for layer in range(LAYERS)
        }
        return {
            "input_ids": random.integers(1, 300, rows),
            "past_lengths": random.integers(0, 9, rows).astype(np.int32),
            "total_length": np.array([10], np.int32),
            "source_lengths": random.integers(1, SOURCE + 1, rows),
            "top_k": np.array([asked]),
            "unscored": np.zeros((0, self.width), np.float32),
            **cache,
        }


def _session(twin: onnx.ModelProto) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    kernels.register(options)
    return ort.InferenceSession(twin.SerializeToString(), options)


def answers(session: Any, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """All outputs by name."""
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def plan(
    steps: int = 0,
    ends: int = -1,
    banned: tuple[int, ...] = (),
    halt: int = 0,
    descriptor: int = -1,
    nanoseconds: int = -1,
) -> Any:
    """The inputs that a whole decoder has besides; by itself, those of one step."""
    settings = [steps, steps + 1, ends, nanoseconds, *banned] if steps else []
    return {"plan": np.array(settings, np.int64), "halt": np.array([halt, descriptor], np.int32)}


def one_by_one(
    graphs: Graphs, steps: int, ends: int = -1, banned: tuple[int, ...] = ()
) -> list[dict[str, Array]]:
    """Steps of one row in single operators, each given the best piece that is not banned."""
    feeds, made = graphs.feeds(1, -3), []
    for _ in range(steps):
        made.append(answers(graphs.parts, feeds))
        allowed = [each for each in made[-1]["top_ids"][0] if each not in banned]
        if not allowed or allowed[0] == ends:
            break
        feeds["input_ids"] = np.array(allowed[:1])
        feeds["past_lengths"] = feeds["past_lengths"] + 1
        for layer in range(LAYERS):
            for part in ("key", "value"):
                feeds[f"past_{part}.{layer}"] = made[-1][f"present_{part}.{layer}"]
    return made


@pytest.fixture(scope="module", params=[(PIECES, WIDTH), (300, 64)], ids=["large", "small"])
def graphs(request: pytest.FixtureRequest) -> Graphs:
    """With an output layer that is screened and tables of bytes, and with neither."""
    return Graphs(*request.param)


@pytest.mark.parametrize(("rows", "asked"), [(1, 3), (1, -3), (2, 1), (5, 4), (20, -2)])
def test_a_step_has_the_bits_of_its_layers(graphs: Graphs, rows: int, asked: int) -> None:
    """Pieces, probabilities or logits, hidden states, alignment and caches."""
    feeds = graphs.feeds(rows, asked)
    whole = answers(graphs.whole, feeds | plan())
    assert whole.pop("made") == [1]
    for name, expected in answers(graphs.parts, feeds).items():
        np.testing.assert_array_equal(whole[name], expected, err_msg=name)


@pytest.mark.parametrize("steps", [2, 7])
def test_several_steps_are_those_that_would_have_come_one_by_one(
    graphs: Graphs, steps: int
) -> None:
    """Of a row alone; the caches hold what all have written."""
    expected = one_by_one(graphs, steps)
    ahead = answers(graphs.whole, graphs.feeds(1, -3) | plan(steps))
    assert ahead["made"] == [steps]
    for name in ("top_ids", "top_logprobs", "hidden"):
        made = np.concatenate([each[name] for each in expected])
        np.testing.assert_array_equal(ahead[name][:steps], made)
    for name in ("owing", "present_key.0", f"present_value.{LAYERS - 1}"):
        np.testing.assert_array_equal(ahead[name], expected[-1][name])


def test_they_end_after_the_piece_that_ends(graphs: Graphs) -> None:
    """And count it."""
    third = int(one_by_one(graphs, 3)[2]["top_ids"][0, 0])
    expected = one_by_one(graphs, 9, ends=third)
    ahead = answers(graphs.whole, graphs.feeds(1, -3) | plan(9, third))
    assert ahead["made"] == [len(expected)]
    assert ahead["top_ids"][len(expected) - 1, 0] == third


def test_banned_pieces_are_passed_over_and_none_left_ends_them(graphs: Graphs) -> None:
    """The best that may come is the next one's input."""
    pieces = one_by_one(graphs, 1)[0]["top_ids"][0].tolist()
    expected = one_by_one(graphs, 4, banned=(pieces[0],))
    ahead = answers(graphs.whole, graphs.feeds(1, -3) | plan(4, -1, (pieces[0],)))
    made = len(expected)
    assert ahead["made"] == [made]
    np.testing.assert_array_equal(
        ahead["top_ids"][:made], np.concatenate([e["top_ids"] for e in expected])
    )
    assert answers(graphs.whole, graphs.feeds(1, -3) | plan(4, -1, tuple(pieces)))["made"] == [1]


def test_who_is_halted_makes_the_step_that_it_is_at(graphs: Graphs) -> None:
    """A flag that stands from the beginning, and what waits to be read, let one step pass."""
    feeds = graphs.feeds(1, -3)
    assert answers(graphs.whole, feeds | plan(9, halt=1))["made"] == [1]
    mine, theirs = socket.socketpair()
    with mine, theirs:
        heard = plan(9, descriptor=mine.fileno())
        assert answers(graphs.whole, feeds | heard)["made"] == [9]
        theirs.send(b"a")
        assert answers(graphs.whole, feeds | heard)["made"] == [1]
        assert mine.recv(9) == b"a"
        assert answers(graphs.whole, feeds | plan(9, nanoseconds=0))["made"] == [1]
        assert answers(graphs.whole, feeds | plan(9, nanoseconds=10**15))["made"] == [9]
        theirs.close()
        assert answers(graphs.whole, feeds | heard)["made"] == [1]


def test_normalisers_come_beside_no_row(graphs: Graphs) -> None:
    """Those of the hidden states of a step."""
    feeds = graphs.feeds(1, -3)
    hidden = {"unscored": answers(graphs.whole, feeds | plan())["hidden"]}
    nobody = {
        name: array[:0] if name not in ("top_k", "total_length") else array
        for name, array in feeds.items()
    }
    whole = answers(graphs.whole, nobody | hidden | plan())["normalisers"]
    np.testing.assert_array_equal(whole, answers(graphs.parts, nobody | hidden)["normalisers"])


@pytest.mark.parametrize(
    ("rows", "given", "told"),
    [
        (2, plan(2), "more than one row goes ahead"),
        (1, {**plan(), "plan": np.array([4, 3, 0, -1])}, "no such plan"),
        (1, plan(ROOM), "caches that are full"),
        (1, {**plan(), "input_ids": np.array([PIECES])}, "a row that no table has"),
    ],
)
def test_what_cannot_be_done_is_an_error(
    graphs: Graphs, rows: int, given: Mapping[str, Array], told: str
) -> None:
    """Not a process that dies."""
    with pytest.raises(ort.capi.onnxruntime_pybind11_state.Fail, match=told):
        answers(graphs.whole, graphs.feeds(rows, -3) | dict(given))


@pytest.mark.parametrize("kind", ["layer_norm.weight", "q_proj.bias", "embeddings.scale"])
def test_constants_of_other_sizes_do_not_load(kind: str) -> None:
    """A fault of an exporter is told at once; the bundle then runs on standard operators."""
    twin = model(1_100, 64)
    assert whole_decoder(twin)
    tensor = next(each for each in twin.graph.initializer if each.name.endswith(kind))
    value = numpy_helper.to_array(tensor).reshape(-1)[:8]
    tensor.CopyFrom(numpy_helper.from_array(value.copy(), tensor.name))
    raised = ort.capi.onnxruntime_pybind11_state.RuntimeException
    with pytest.raises(raised, match="of another size"):
        _session(twin)


def _without_norm(graph: onnx.GraphProto) -> None:
    _first(graph, "DenseNorm").op_type = "Dense"


def _with_product_of_tables(graph: onnx.GraphProto) -> None:
    _first(graph, "Add").op_type = "Mul"


def _with_other_heads(graph: onnx.GraphProto) -> None:
    _first(graph, "CrossAttention").attribute[0].i = 4


def _with_another_epsilon(graph: onnx.GraphProto) -> None:
    node = _first(graph, "FeedForward")
    next(each for each in node.attribute if each.name == "epsilon").f = 1e-3


def _with_another_residual(graph: onnx.GraphProto) -> None:
    _first(graph, "DenseNorm").input[4] = "elsewhere"


def _with_another_node(graph: onnx.GraphProto) -> None:
    graph.node.append(helper.make_node("Identity", ["input_ids"], ["again"]))


def _with_scales_of_columns(graph: onnx.GraphProto) -> None:
    tensor = next(each for each in graph.initializer if each.name == "embeddings.scale")
    tensor.dims[:] = [1, tensor.dims[0]]


def _first(graph: onnx.GraphProto, kind: str) -> onnx.NodeProto:
    return next(node for node in graph.node if node.op_type == kind)


@pytest.mark.parametrize(
    "change",
    [
        _without_norm,
        _with_product_of_tables,
        _with_other_heads,
        _with_another_epsilon,
        _with_another_residual,
        _with_another_node,
        _with_scales_of_columns,
    ],
)
def test_a_graph_with_anything_else_in_it_stays_as_it_is(
    change: Callable[[onnx.GraphProto], None],
) -> None:
    """What computes something else keeps its nodes."""
    twin = model(1_100, 64)
    change(twin.graph)
    before = twin.SerializeToString()
    assert not whole_decoder(twin)
    assert twin.SerializeToString() == before
