"""A bundle that tells three languages apart by counting letters, in a real graph."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lingraft.server.app import identifier, load_model
from lingraft.server.bundle import Precision, read_bundle
from lingraft.server.config import ServerConfig
from lingraft.server.metrics import Metrics
from lingraft.server.services import ServedModel

LABELS = ("yo", "haw", "und")
GRAPH = "classifier.fp32.onnx"
SPACE, MOST = 32, 20


def letter_counting_graph() -> onnx.ModelProto:
    """Logits: the number of ọ, the number of ʻ, and a half for und; padding counts for nothing."""
    tables: dict[str, Any] = {
        "letters": np.array([[[ord("ọ"), ord("ʻ")]]], dtype=np.int64),
        "spread": np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32),
        "bias": np.array([0, 0, 0.5], dtype=np.float32),
        "last": np.array([2], dtype=np.int64),
        "along": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["input_ids", "last"], ["column"]),
        helper.make_node("Equal", ["column", "letters"], ["same"]),
        helper.make_node("Cast", ["same"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["ones", "along"], ["counts"], keepdims=0),
        helper.make_node("MatMul", ["counts", "spread"], ["spread_counts"]),
        helper.make_node("Add", ["spread_counts", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "letters",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["B", "S"]),
            helper.make_tensor_value_info("lengths", TensorProto.INT64, ["B"]),
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", len(LABELS)])],
        [numpy_helper.from_array(table, name) for name, table in tables.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def manifest_of(graph: bytes) -> dict[str, Any]:
    """A whole manifest, as proto3 JSON."""
    digest = hashlib.sha256(graph).hexdigest()
    return {
        "formatVersion": 1,
        "name": "letters",
        "version": "1",
        "task": "TASK_LANGUAGE_IDENTIFICATION",
        "family": "character-ngrams",
        "labels": list(LABELS),
        "languages": ["yo", "haw"],
        "files": [{"path": GRAPH, "sizeBytes": str(len(graph)), "sha256": digest}],
        "graphs": [{"precision": "PRECISION_FP32", "classifier": GRAPH}],
        "tokenizer": {"kind": "TOKENIZER_KIND_CODE_POINTS"},
        "specialIds": {"eos": SPACE, "textStart": SPACE},
        "normalization": {"unicodeForm": "NFC"},
        "limits": {"maxSourceTokens": MOST},
        "dataSources": [{"name": "none", "licence": "CC0-1.0"}],
        "licence": "CC0-1.0",
    }


@pytest.fixture
def letters_bundle(tmp_path: Path) -> Callable[..., Path]:
    """Writes the bundle, its manifest changed as told; the folder."""

    def write(edit: Callable[[dict[str, Any]], None] = lambda manifest: None) -> Path:
        graph = letter_counting_graph().SerializeToString()
        manifest = manifest_of(graph)
        edit(manifest)
        folder = tmp_path / f"letters-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / GRAPH).write_bytes(graph)
        (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
        return folder

    return write


@pytest.fixture
def letters_model(
    letters_bundle: Callable[..., Path], settings: Callable[..., ServerConfig]
) -> Callable[..., ServedModel]:
    """The bundle as a served model, its manifest changed as told."""

    def load(edit: Callable[[dict[str, Any]], None] = lambda manifest: None) -> ServedModel:
        return load_model(letters_bundle(edit), settings(), Metrics())

    return load


@pytest.fixture
def broken_model(
    letters_bundle: Callable[..., Path],
    settings: Callable[..., ServerConfig],
    length_engine: Callable[[], Any],
) -> ServedModel:
    """The bundle around an engine that fails."""
    engine = length_engine()
    engine.broken = True
    bundle = read_bundle(letters_bundle())
    return identifier(bundle, Precision.FP32, engine, settings(), Metrics())
