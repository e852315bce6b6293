"""ONNX Runtime sessions: options, choice of device, and a check of the graph's interface."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from lingraft.server.engines import kernels
from lingraft.server.errors import BundleError, ProviderError

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ERRORS_ONLY = 3
_COMPUTING = {
    *("MatMul", "Gemm", "MatMulNBits", "MatMulIntegerToFloat", "QuantizeLinear"),
    *("GroupQueryAttention", "MultiHeadAttention", "LayerNormalization", "SkipLayerNormalization"),
    *("Softmax", "LogSoftmax", "TopK", "Gelu", "QuickGelu", "GatherND", "ScatterND"),
}
_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def open_session(path: Path, provider: str, threads: int) -> Any:
    """A session for the graph at `path` on the device `provider` ("cpu" or "cuda").

    `threads` is the number inside one operator, 0 for as many as there are cores. Raises
    ProviderError when the device cannot be had: a graph never falls back to the CPU in silence.
    """
    wanted = _PROVIDERS[provider]
    offered = ort.get_available_providers()
    if wanted not in offered:
        names = [name for name, each in _PROVIDERS.items() if each in offered]
        raise ProviderError(
            f"provider {provider} is not in this ONNX Runtime, which has {', '.join(names)}: "
            "install lingraft[server-gpu] in place of lingraft[server], or use --provider cpu"
        )
    session = _open(path, wanted, threads)
    session.disable_fallback()
    if session.get_providers()[0] != wanted:
        raise ProviderError(
            f"provider {provider} did not start for {path.name}: its driver or libraries are "
            "missing (ONNX Runtime's lines above say which); mend them, or use --provider cpu"
        )
    if provider != "cpu" and (names := left_behind(session)):
        raise ProviderError(
            f"{path.name} has operators that ONNX Runtime {ort.__version__} runs on the CPU alone, "
            f"not on {provider}: {', '.join(names)}; use another release of it, or --provider cpu"
        )
    return session


def left_behind(session: Any) -> list[str]:
    """Kinds of operators that compute and were given to the CPU beside another device.

    ONNX Runtime puts what a device lacks on the CPU without a word. What only counts shapes belongs
    there; of the rest none does. Releases that cannot tell are trusted.
    """
    tell = getattr(session, "get_provider_graph_assignment_info", None)
    parts = tell() if tell else ()
    on_host = [part for part in parts if part.ep_name == _PROVIDERS["cpu"]]
    return sorted({node.op_type for part in on_host for node in part.get_nodes()} & _COMPUTING)


@cache
def sums_may_saturate() -> bool:
    """Whether sums of unsigned times signed bytes end at 16 bits, or nobody knows: without VNNI.

    Where there is AMX, unsigned weights would cost ONNX Runtime its fast products (decision 11).
    """
    try:
        return "avx512_vnni" not in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return True


def _open(path: Path, wanted: str, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # A thread that waits for work sleeps: the event loop and other models share these cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if sums_may_saturate():
        # Answers would be wrong without a word; unsigned weights are exact.
        options.add_session_config_entry("session.x64quantprecision", "1")
    kernels.register(options)
    state = ort.capi.onnxruntime_pybind11_state
    unreadable = (
        *(state.Fail, state.InvalidGraph, state.InvalidProtobuf, state.NotImplemented),
        state.RuntimeException,  # of an operator that refuses its constants
    )
    try:
        return ort.InferenceSession(str(path), options, providers=[wanted])
    except unreadable as error:
        raise BundleError(f"{path} is no graph that this ONNX Runtime can run: {error}") from error


def check_interface(
    session: Any, path: Path, inputs: Iterable[str], outputs: Iterable[str]
) -> None:
    """Raises BundleError naming every input and output that the graph should have and lacks."""
    has_inputs = {each.name for each in session.get_inputs()}
    has_outputs = {each.name for each in session.get_outputs()}
    absent = [f"input {name}" for name in inputs if name not in has_inputs]
    absent += [f"output {name}" for name in outputs if name not in has_outputs]
    if absent:
        raise BundleError(f"graph {path} lacks {', '.join(absent)}")


def element_types(session: Any) -> dict[str, np.dtype[Any]]:
    """Element type of every floating-point input, by name."""
    return {
        each.name: np.dtype(_FLOATS[each.type])
        for each in session.get_inputs()
        if each.type in _FLOATS
    }


def pads(session: Any) -> bool:
    """Whether a graph computes padding. One of the own operators that leaves it out says so."""
    described: dict[str, str] = session.get_modelmeta().custom_metadata_map
    return described.get("lingraft.padding") != "none"


def pad(rows: Sequence[Sequence[int]], filler: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows as one array [B,S], padded at the end, and their lengths [B]."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    padded = np.full((len(rows), int(lengths.max())), filler, dtype=np.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded, lengths
