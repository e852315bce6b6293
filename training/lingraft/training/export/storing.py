"""Graphs as files: with their weights in them, beside them where that would pass 2 GB, or in the
file of another graph that has them too.

ONNX Runtime reads a graph's file as one protobuf message, which has at most 2^31 - 1 bytes.
"""

from __future__ import annotations

import mmap
from collections.abc import Collection
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


def share(model: onnx.ModelProto, file: Path, names: Collection[str] | None = None) -> None:
    """Make `model` refer to its large tensors where `file`, in the same folder, holds their bytes.

    names: tensors that are looked for; all of them if None, which reads the whole file for each
        that is not there.
    """
    if not file.stat().st_size:
        return  # nothing to map
    place = 0
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as content:
        for tensor in model.graph.initializer:
            raw = tensor.raw_data
            if len(raw) < _SMALL or (names is not None and tensor.name not in names):
                continue
            found = content.find(raw, place)  # mostly in the same order
            if found < 0:
                found = content.find(raw)
            if found >= 0:
                place = found + len(raw)
                _refer(tensor, file.name, found, len(raw))


def _refer(tensor: onnx.TensorProto, location: str, offset: int, length: int) -> None:
    """In place of the tensor's bytes, where they are."""
    entries = {"location": location, "offset": offset, "length": length}
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
