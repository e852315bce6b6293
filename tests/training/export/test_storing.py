"""A graph that is too large for one file has its weights beside it, and computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx

from lingraft.training.export import to_arrays
from lingraft.training.export.graph import weight_bytes
from lingraft.training.export.marian import encoder_graph
from lingraft.training.export.runtime import open_session
from lingraft.training.export.storing import share, store


def _graph(model: Any) -> onnx.ModelProto:
    return encoder_graph(model.config, to_arrays(model.state_dict()))


def test_weights_go_into_the_graphs_file_while_they_fit(model: Any, tmp_path: Path) -> None:
    """One file."""
    assert store(_graph(model), tmp_path / "encoder.onnx") == [tmp_path / "encoder.onnx"]


def test_larger_weights_go_beside_it(model: Any, tmp_path: Path) -> None:
    """Two files, found together wherever the folder goes, with the same answers as one."""
    graph = _graph(model)
    total = weight_bytes(graph)
    plain, large = tmp_path / "plain.onnx", tmp_path / "here" / "large.onnx"
    large.parent.mkdir()
    store(graph, plain)
    assert store(graph, large, largest=total - 1) == [large, large.with_name("large.onnx.data")]
    assert large.stat().st_size < plain.stat().st_size
    moved = large.parent.rename(tmp_path / "there") / large.name
    feeds = {"input_ids": np.array([[5, 6, 7, 0]]), "lengths": np.array([4])}
    answers = [open_session(path).run(None, feeds) for path in (plain, moved)]
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_graph_gives_the_same_files(model: Any, tmp_path: Path) -> None:
    """Both of them."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        store(_graph(model), tmp_path / name / "encoder.onnx", largest=0)
    for file in ("encoder.onnx", "encoder.onnx.data"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_what_another_graph_holds_too_stands_in_its_file_alone(model: Any, tmp_path: Path) -> None:
    """The second graph is small, and answers as if it had its weights itself."""
    first, second, plain = (tmp_path / f"{name}.onnx" for name in ("first", "second", "plain"))
    store(_graph(model), first)
    store(_graph(model), plain)
    graph = _graph(model)
    share(graph, first, {tensor.name for tensor in graph.graph.initializer})
    store(graph, second)
    assert second.stat().st_size < plain.stat().st_size * 0.6
    feeds = {"input_ids": np.array([[5, 6, 7, 0]]), "lengths": np.array([4])}
    answers = [open_session(path).run(None, feeds) for path in (plain, second)]
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_is_shared_under_another_name_or_with_other_bytes(
    model: Any, tmp_path: Path
) -> None:
    """Names say what to look for, and only equal bytes are found."""
    store(_graph(model), tmp_path / "first.onnx")
    unnamed, changed = _graph(model), _graph(model)
    share(unnamed, tmp_path / "first.onnx", ())
    assert weight_bytes(unnamed) == weight_bytes(_graph(model))
    for tensor in changed.graph.initializer:
        if len(tensor.raw_data) >= 4096:
            tensor.raw_data = bytes(reversed(tensor.raw_data))
    share(changed, tmp_path / "first.onnx")
    assert weight_bytes(changed) == weight_bytes(_graph(model))
