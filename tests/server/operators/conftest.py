"""Operators one at a time, with each kind of instructions that this processor has."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from lingraft.server.engines import kernels

Array = NDArray[Any]
ACTIVATIONS: dict[int, Callable[[Array], Array]] = {
    0: lambda x: x,
    1: lambda x: np.maximum(x, 0),
    2: lambda x: x / (1 + np.exp(-x)),
    3: lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
    4: lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
}


@pytest.fixture
def random() -> np.random.Generator:
    """The same numbers in every run."""
    return np.random.default_rng(11)


@contextmanager
def only(name: str) -> Iterator[None]:
    """Within, the operators use these instructions."""
    library = kernels.library()
    assert library is not None
    assert library.lingraft_choose(name.encode())
    yield
    library.lingraft_choose(b"")


def offered() -> list[str]:
    """The instructions that the operators know and this processor has."""
    library = kernels.library()
    names = ("amx", "avx512_vnni", "avx2")
    found = [name for name in names if library and library.lingraft_choose(name.encode())]
    if library:
        library.lingraft_choose(b"")
    return found


@pytest.fixture(params=offered(), autouse=True)
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each kind of instructions in turn."""
    with only(request.param):
        yield request.param


def run(
    kind: str,
    feeds: Mapping[str, Array],
    constants: Mapping[str, Array],
    order: str,
    outputs: int = 1,
    threads: int = 1,
    **attributes: Any,
) -> list[Array]:
    """One operator's outputs; `order` names its inputs."""
    names = [f"output{index}" for index in range(outputs)]
    node = helper.make_node(kind, order.split(), names, domain="lingraft", **attributes)
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in feeds.items()
    ]
    graph = helper.make_graph(
        [node],
        "one",
        inputs,
        [onnx.ValueInfoProto(name=name) for name in names],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("lingraft", 1)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 10
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    kernels.register(options)
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [np.asarray(array) for array in session.run(names, dict(feeds))]


def weights(random: np.random.Generator, k: int, n: int) -> dict[str, Array]:
    """Constants of a dense layer."""
    return {
        "w": random.integers(-127, 128, (k, n)).astype(np.int8),
        "s": random.uniform(0.001, 0.01, n).astype(np.float32),
        "b": random.standard_normal(n).astype(np.float32),
    }


def dense(x: Array, layer: Mapping[str, Array]) -> Array:
    """The product as its definition has it: each row quantised by its own largest magnitude."""
    scale = np.abs(x).max(1, keepdims=True) / np.float32(127)
    integers = np.rint(x / np.where(scale == 0, 1, scale))
    exact = integers.astype(np.int64) @ layer["w"].astype(np.int64)
    result: Array = exact * layer["s"] * scale + layer["b"]
    return result


def softmax(x: Array) -> Array:
    """Shares along the last axis."""
    shares = np.exp(x - x.max(-1, keepdims=True))
    result: Array = shares / shares.sum(-1, keepdims=True)
    return result
