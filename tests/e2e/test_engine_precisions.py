"""The server's engine over graphs that training made: half precision, four bits, alignments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from lingraft.server.bundle import Bundle, Dimensions, Precision, read_bundle
from lingraft.server.engines import (
    DeviceMemory,
    HostMemory,
    OnnxTranslator,
    TranslationGraphs,
    open_session,
)
from lingraft.server.engines.cache import Memory
from lingraft.training.export import to_arrays
from lingraft.training.export.graph import serialise
from lingraft.training.export.marian import decoder_step_graph, encoder_graph
from lingraft.training.export.precisions import in_precision
from lingraft.training.models.marian import new_model
from lingraft.training.recipe.settings import Shape
from lingraft.v1 import bundle_pb2 as pb

_GOLDEN = Path(__file__).parent.parent / "golden"
_SHAPE = Shape(
    d_model=16,
    ffn=24,
    heads=2,
    encoder_layers=1,
    decoder_layers=2,
    activation="swish",
    max_positions=64,
)
_PIECES = 50


@pytest.fixture(scope="module")
def golden() -> Bundle:
    """The golden translation bundle."""
    return read_bundle(_GOLDEN / "v1-translation")


def _engine(
    encoder: onnx.ModelProto,
    step: onnx.ModelProto,
    sizes: tuple[Dimensions, int],
    memory: Memory,
    folder: Path,
) -> OnnxTranslator:
    paths = (folder / "encoder.onnx", folder / "step.onnx")
    for path, graph in zip(paths, (encoder, step), strict=True):
        path.write_bytes(serialise(graph))
    opened = open_session(paths[0], "cpu", 1), open_session(paths[1], "cpu", 1)
    return OnnxTranslator(TranslationGraphs(*opened, *paths), *sizes, memory)


@pytest.mark.parametrize("memory", [HostMemory(), DeviceMemory("cpu")])
def test_half_precision_gives_the_golden_answers(
    golden: Bundle, memory: Memory, tmp_path: Path
) -> None:
    """All rows at once, caches in float16; the answers are those stored for fp32."""
    stored = json.loads((_GOLDEN / "expected.json").read_text(encoding="utf-8"))["v1-translation"]
    plain = next(graphs for graphs in golden.graphs if graphs.precision is Precision.FP32)
    graphs = onnx.load(str(plain.encoder)), onnx.load(str(plain.decoder_step))
    half = in_precision(*graphs, pb.PRECISION_FP16)
    engine = _engine(*half, (golden.dimensions, golden.special.pad), memory, tmp_path)
    engine.join([case["source_ids"] for case in stored], [1] * len(stored))
    longest = max(len(case["target_ids"]) for case in stored)
    said = [[golden.special.decoder_start] for _ in stored]
    for _ in range(longest):
        best = engine.step([row[-1] for row in said], 1).ids
        for row, (piece,) in zip(said, best, strict=True):
            row.append(piece)
    for row, case in zip(said, stored, strict=True):
        assert row[1 : len(case["target_ids"]) + 1] == case["target_ids"]


@pytest.mark.parametrize(
    "precision", [pb.PRECISION_FP32, pb.PRECISION_INT8, pb.PRECISION_INT4, pb.PRECISION_FP16]
)
def test_alignments_are_shares_of_each_rows_own_source(
    precision: pb.Precision, tmp_path: Path
) -> None:
    """[B,S] in float32 in every precision: they sum to 1, and nothing lies beyond the source."""
    model: Any = new_model(_SHAPE, _PIECES, seed=1).eval()
    state = to_arrays(model.state_dict())
    plain = encoder_graph(model.config, state), decoder_step_graph(model.config, state)
    sizes = (Dimensions(2, 2, 8, _PIECES), model.config.pad_token_id)
    engine = _engine(*in_precision(*plain, precision), sizes, HostMemory(), tmp_path)
    engine.join([[4, 5, 6, 7, 0], [8, 0]], [1, 2])
    engine.select([2, 0])
    step = engine.step([model.config.decoder_start_token_id] * 2, 2)
    assert step.alignment is not None
    assert step.alignment.dtype == np.float32
    np.testing.assert_allclose(step.alignment.sum(axis=1), 1, atol=2e-3)
    assert (step.alignment[0, :2] > 0).all()
    assert not step.alignment[0, 2:].any()
    assert (step.alignment[1, :5] > 0).all()
    assert not step.alignment[1, 5:].any()
