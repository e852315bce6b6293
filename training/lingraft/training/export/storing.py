"""Graphs as files: with their weights in them, or beside them where that would pass 2 GB.

ONNX Runtime reads a graph's file as one protobuf message, which has at most 2^31 - 1 bytes.
"""

from __future__ import annotations

from pathlib import Path

import onnx

from lingraft.training.export.graph import LARGEST_MESSAGE, serialise, weight_bytes

DATA_SUFFIX = ".data"
_PAGE = 4096  # the file is mapped, and a map begins at a page
_SMALL = 4096  # bytes of a tensor that stays in the graph's file: shapes, scalars, biases


def store(model: onnx.ModelProto, path: Path, largest: int = LARGEST_MESSAGE) -> list[Path]:
    """Write `model` to `path`; returns the files written.

    Weights of more than `largest` bytes go to a second file, `path` with `.data` at its end, and
    out of `model`, which is of no use then; the same model gives the same bytes.
    """
    if weight_bytes(model) <= largest:
        path.write_bytes(serialise(model))
        return [path]
    data = path.with_name(path.name + DATA_SUFFIX)
    with data.open("wb") as file:
        for tensor in model.graph.initializer:
            content = tensor.raw_data
            if len(content) > _SMALL:
                file.write(b"\0" * (-file.tell() % _PAGE))
                _refer(tensor, data.name, file.tell(), len(content))
                file.write(content)
    path.write_bytes(serialise(model))
    onnx.checker.check_model(str(path))
    return [path, data]


def _refer(tensor: onnx.TensorProto, location: str, offset: int, length: int) -> None:
    """In place of the tensor's bytes, where they are."""
    entries = {"location": location, "offset": offset, "length": length}
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
