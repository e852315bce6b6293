"""What this machine allows: how fast weights can be read and multiplied, by one thread.

`python -m benchmarks.floor MODEL_FOLDER PRECISION` prints it as JSON, in a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from benchmarks.cases import TOKENS
from benchmarks.common import Json, significant
from benchmarks.layout import bundle_folder

_ROUNDS = 7
_MEMORY_BYTES = 1 << 30
_ROWS, _INNER, _OUTER = 512, 2048, 2048


def floor(folder: Path, precision: str) -> Json:
    """Bandwidths, rate of multiply-adds, and the rates of decoding that follow for a model.

    At batch 1 every weight is read for each token, and the encoder's once for each sentence: so
    many tokens per second reading allows to an engine that reads all of them as fast as NumPy. With
    prefetching a tenth more was seen, and Lingraft reads half of the output layer for a greedy row
    (decision 22), so that it may come out above. In large batches weights are read once for many
    rows, and multiplying sets the limit. Attention, caches and everything else come on top.
    """
    bundle = bundle_folder(folder)
    decoder, decoder_products = weights_of(bundle / f"decoder_step.{precision}.onnx")
    encoder, encoder_products = weights_of(bundle / f"encoder.{precision}.onnx")
    bandwidth = read_bandwidth(decoder)
    multiply_adds = multiply_add_rate(precision)
    sentence_bytes = TOKENS * decoder + encoder
    products = decoder_products + encoder_products  # as many source tokens as target tokens
    return {
        "weights_bandwidth_gb_s": significant(bandwidth / 1e9),
        "memory_bandwidth_gb_s": significant(read_bandwidth(_MEMORY_BYTES) / 1e9),
        f"{precision}_multiply_adds_g_s": significant(multiply_adds / 1e9),
        "decoder_weight_bytes": decoder,
        "encoder_weight_bytes": encoder,
        "multiply_adds_per_token": products,
        "batch1_ceiling_tok_s": significant(TOKENS * bandwidth / sentence_bytes),
        "batch_ceiling_tok_s": significant(multiply_adds / products),
    }


def read_bandwidth(size: int) -> float:
    """Bytes per second at which one thread reads `size` bytes again and again, the best of some."""
    array = np.ones(size // 4, dtype=np.int32)
    return array.nbytes / _best(lambda: array.max())


def multiply_add_rate(precision: str) -> float:
    """Multiply-adds per second of ONNX Runtime's own matrix product, which Lingraft runs on."""
    session = ort.InferenceSession(_product(precision), _one_thread())
    kind = np.uint8 if precision == "int8" else np.float32
    feed = {"x": np.ones((_ROWS, _INNER), dtype=kind)}
    return _ROWS * _INNER * _OUTER / _best(lambda: session.run(None, feed))


def weights_of(path: Path) -> tuple[int, int]:
    """Bytes of the matrices that a step of this graph multiplies with, and their elements.

    Tables that only a few rows are taken of (Gather) are not read whole.
    """
    graph = onnx.load(str(path)).graph
    multiplied = {name for node in graph.node if node.op_type != "Gather" for name in node.input}
    size, elements = 0, 0
    for tensor in graph.initializer:
        if tensor.name in multiplied and len(tensor.dims) >= 2:
            array = numpy_helper.to_array(tensor)
            size, elements = size + array.nbytes, elements + array.size
    return size, elements


def _product(precision: str) -> bytes:
    """A graph of one matrix product with a constant."""
    kind, operator = TensorProto.FLOAT, "MatMul"
    result, weight = TensorProto.FLOAT, np.ones((_INNER, _OUTER), dtype=np.float32)
    if precision == "int8":
        kind, operator, result = TensorProto.UINT8, "MatMulInteger", TensorProto.INT32
        weight = weight.astype(np.int8)
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", kind, [_ROWS, _INNER])],
        [helper.make_tensor_value_info("y", result, [_ROWS, _OUTER])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def _one_thread() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")  # sums as exact as ours
    return options


def _best(call: Callable[[], object]) -> float:
    """Least seconds of a call."""
    seconds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    print(json.dumps(floor(Path(sys.argv[1]), sys.argv[2])))
