"""An n-gram language identifier as an ONNX graph, from code points to logits.

Letters, hashes and rows are all found by the graph, so that a server needs to know nothing but code
points.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from lingraft.training.export.graph import GraphBuilder
from lingraft.training.export.hashing import HashedTable, ngram_rows, summed_rows
from lingraft.training.export.weights import Floats


def identifier_graph(
    symbols: NDArray[np.uint16], hashed: HashedTable, bias: Floats
) -> onnx.ModelProto:
    """Graph `classifier` of bundle.proto's interface over code points.

    Args:
        symbols: [65536], the symbol of each code point; those beyond count as the last.
        hashed: the table [buckets, C], of whose rows a text has the mean.
        bias: [C].
    """
    g = GraphBuilder("classifier")
    g.input("input_ids", np.int64, ["B", "S"])
    lengths = g.input("lengths", np.int64, ["B"])
    codes = g.op("Min", "input_ids", g.ints(len(symbols) - 1))
    looked_up = g.op("Gather", g.constant("symbols", symbols), codes)
    letters = g.op("Cast", looked_up, to=TensorProto.INT64)
    rows, real = ngram_rows(g, letters, lengths, hashed.ngrams)
    counted = g.op("Cast", real, to=TensorProto.FLOAT)
    shares = g.op("Div", counted, g.op("ReduceSum", counted, g.ints(1), keepdims=1))
    mean = summed_rows(g, rows, shares, hashed)
    g.op("Add", mean, g.constant("bias", bias), name="logits")
    g.output("logits", np.float32, ["B", len(bias)])
    return g.build()
