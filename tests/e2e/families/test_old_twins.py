"""A bundle whose twins are for another release's operators is served all the same, but slower."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from lingraft.server.app.engines import operators, translation_engine
from lingraft.server.bundle import read_bundle
from lingraft.server.config import ServerConfig
from lingraft.server.engines import kernels

pytestmark = pytest.mark.skipif(
    kernels.library() is None, reason="the server's operators cannot run here"
)


def _with_unknown_operator(folder: Path) -> None:
    """Renames an operator of the decoder's twin, and gives the manifest the new hash."""
    file = folder / "decoder_step.int8.native.onnx"
    model = onnx.load(str(file), load_external_data=False)
    next(node for node in model.graph.node if node.domain == "lingraft").op_type = "Earlier"
    file.write_bytes(model.SerializeToString())
    _hash_anew(folder, file)


def _with_short_constant(folder: Path) -> None:
    """A layer normalisation of too few values, as no exporter should write it."""
    file = folder / "decoder_step.int8.native.onnx"
    model = onnx.load(str(file), load_external_data=False)
    tensors = model.graph.initializer
    norm = next(each for each in tensors if each.name.endswith("layer_norm.weight"))
    norm.CopyFrom(numpy_helper.from_array(np.ones(3, np.float32), norm.name))
    file.write_bytes(model.SerializeToString())
    _hash_anew(folder, file)


def _hash_anew(folder: Path, file: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    entry = next(each for each in manifest["files"] if each["path"] == file.name)
    entry["sizeBytes"] = str(file.stat().st_size)
    entry["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(manifest))


def _with_standard_encoder(folder: Path) -> None:
    """The encoder's twin makes caches of 32 bits, as those of an earlier release did."""
    file = folder / "encoder.int8.native.onnx"
    shutil.copy(folder / "encoder.int8.onnx", file)
    _hash_anew(folder, file)


@pytest.mark.parametrize(
    "damage", [_with_unknown_operator, _with_short_constant, _with_standard_encoder]
)
def test_twins_that_do_not_open_leave_a_bundle_on_standard_operators(
    exported: Callable[[str], Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
) -> None:
    """All of its graphs, not the one alone; a warning says so and how to mend it."""
    folder = tmp_path / "bundle"
    shutil.copytree(exported("marian").folder, folder)
    config = ServerConfig(bundles=(folder,), precision="int8", threads=1)
    bundle = read_bundle(folder)
    graphs = next(each for each in bundle.graphs if each.precision.value == "int8")
    assert operators(translation_engine(bundle, graphs, config)) == kernels.instruction_set()
    assert not caplog.messages
    damage(folder)
    bundle = read_bundle(folder)
    engine = translation_engine(bundle, graphs, config)
    assert operators(engine) == "standard"
    (message,) = caplog.messages
    assert f"bundle {bundle.name} runs on standard operators" in message
    assert "export it anew" in message
    engine.join([[5, 6, bundle.special.eos]], [1])
    assert len(engine.step([bundle.special.decoder_start], 3).ids[0]) == len("abc")
