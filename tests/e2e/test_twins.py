"""The twin of an int8 graph, for the server's own operators, gives the standard graph's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from transformers import MarianConfig, MarianMTModel

from lingraft.server.engines import kernels, open_session
from lingraft.training.export import to_arrays
from lingraft.training.export.native import native_operators
from lingraft.training.export.translation import build_graphs
from lingraft.v1 import bundle_pb2 as pb

ROWS, WIDTH, ROOM = 5, 9, 16
RANK, SIZE = 4, 32  # of a standard cache, and of a head


@pytest.fixture(scope="module", params=["swish", "relu", "gelu"])
def graphs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Encoder and decoder step in int8, each with its twin, of a tiny Marian model."""
    torch.manual_seed(3)
    config = MarianConfig(
        vocab_size=9000,
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=2,
        encoder_ffn_dim=100,
        decoder_ffn_dim=72,
        activation_function=request.param,
        max_position_embeddings=32,
        init_std=0.2,
        scale_embedding=True,
        pad_token_id=8999,
        decoder_start_token_id=8999,
        eos_token_id=0,
    )
    state = to_arrays(MarianMTModel(config).eval().state_dict())
    folder = tmp_path_factory.mktemp("graphs")
    build_graphs(config, state, [pb.PRECISION_INT8], folder)
    paths = {}
    for name in ("encoder", "decoder_step"):
        paths[name] = folder / f"{name}.int8.onnx"
        paths[f"{name}.twin"] = folder / f"{name}.int8.native.onnx"
    return paths


def test_a_twin_is_small_and_refers_to_the_standard_graphs_weights(graphs: dict[str, Path]) -> None:
    """No weight stands in a bundle twice; a decoder step is one operator of our own."""
    for name in ("encoder", "decoder_step"):
        twin, standard = graphs[f"{name}.twin"], graphs[name]
        assert twin.name == f"{name}.int8.native.onnx"
        assert twin.stat().st_size < standard.stat().st_size / 2
    step = onnx.load(str(graphs["decoder_step.twin"]), load_external_data=False)
    assert native_operators(step) == ["Decoder"]


def test_tied_embeddings_stand_in_the_encoders_file_alone(graphs: dict[str, Path]) -> None:
    """9,000 pieces of 64 values: neither the decoder's lookup nor its output layer has its own."""
    table = 9000 * 64
    assert graphs["encoder"].stat().st_size > table
    for name in ("decoder_step", "decoder_step.twin"):
        assert graphs[name].stat().st_size < table
        step = onnx.load(str(graphs[name]), load_external_data=False)
        places = {
            entry.value
            for tensor in step.graph.initializer
            for entry in tensor.external_data
            if entry.key == "location"
        }
        assert "encoder.int8.onnx" in places
        assert not any(tensor.dims == [64, 9000] for tensor in step.graph.initializer)


@pytest.mark.skipif(kernels.library() is None, reason="the server's operators cannot run here")
def test_a_twin_decodes_as_the_standard_graph_does(graphs: dict[str, Path]) -> None:
    """The same best pieces, log-probabilities, caches and alignment, to rounding."""
    sources = np.arange(1, ROWS * WIDTH + 1).reshape(ROWS, WIDTH)
    lengths = np.array([9, 1, 5, 3, 8], np.int64)
    cross, own = (
        _run(graphs[name], {"input_ids": sources, "lengths": lengths})
        for name in ("encoder", "encoder.twin")
    )
    for name, expected in cross.items():
        assert own[name].dtype == np.float16
        for row, length in enumerate(lengths):
            real = _by_position(expected)[row, :length]
            np.testing.assert_allclose(own[name][row, :length], real, atol=0.02)
    feeds = _first_step(cross, lengths)
    for _ in range(3):
        # Both begin at the same numbers. Of what caches lose, only the new position differs, which
        # moves integers of the next products by one step each.
        feeds = {name: _rounded(array) for name, array in feeds.items()}
        standard = _run(graphs["decoder_step"], feeds)
        halves = {name: _by_position(array) for name, array in feeds.items()}
        plain: dict[str, NDArray[Any]] = {
            "unscored": np.zeros((0, 64), np.float32),
            "plan": np.zeros(0, np.int64),
        }
        plain["halt"] = np.array([0, -1], np.int32)
        twin = _run(graphs["decoder_step.twin"], feeds | halves | plain)
        for mine, best in zip(twin["top_ids"], standard["top_ids"][:, 0], strict=True):
            assert best in mine
        np.testing.assert_allclose(twin["top_logprobs"], standard["top_logprobs"], atol=0.1)
        np.testing.assert_allclose(twin["alignment"], standard["alignment"], atol=2e-2)
        feeds = _next_step(feeds, standard)


def _rounded(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float16).astype(np.float32) if array.ndim == RANK else array


def _by_position(cache: NDArray[Any]) -> NDArray[Any]:
    """A cache of a standard graph, [B,H,D,S] or [B,H,S,D], as the twin has it: [B,S,H*D]."""
    if cache.ndim != RANK:
        return cache
    first = cache.transpose(0, 3, 1, 2) if cache.shape[2] == SIZE else cache.transpose(0, 2, 1, 3)
    return first.reshape(*first.shape[:2], -1).astype(np.float16)


def _run(path: Path, feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    session = open_session(path, "cpu", 1)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def _first_step(
    cross: dict[str, NDArray[Any]], lengths: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    past = np.zeros((ROWS, 2, ROOM, SIZE), np.float32)
    return {
        "input_ids": np.full(ROWS, 8999),
        "past_lengths": np.zeros(ROWS, np.int32),
        "total_length": np.ones(1, np.int32),
        "source_lengths": lengths,
        "top_k": np.array([3]),
        **cross,
        **{f"past_{part}.{i}": past.copy() for part in ("key", "value") for i in range(2)},
    }


def _next_step(
    feeds: dict[str, NDArray[Any]], answer: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    caches = {
        name.replace("present", "past"): array
        for name, array in answer.items()
        if name.startswith("present")
    }
    return (
        feeds
        | caches
        | {
            "input_ids": answer["top_ids"][:, 0],
            "past_lengths": feeds["past_lengths"] + 1,
            "total_length": feeds["total_length"] + 1,
        }
    )
