"""An n-gram language identifier as an ONNX graph, from code points to logits.

Letters, hashes and rows are all found by the graph, so that a server needs to know nothing but code
points; the arithmetic is that of `identification/ngrams.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from lingraft.training.export.graph import GraphBuilder
from lingraft.training.export.weights import Floats


@dataclass(frozen=True)
class Hashing:
    """How n-grams become rows.

    orders: the longest n-gram.
    factor, modulus: of the rolling hash, h' = (h * factor + symbol) mod modulus.
    spread, salt: bucket = (h * (spread[0] + spread[1] * order) + salt * order) mod buckets.
    """

    orders: int
    factor: int
    modulus: int
    spread: tuple[int, int]
    salt: int


def identifier_graph(
    symbols: NDArray[np.uint16], table: Floats, bias: Floats, hashing: Hashing
) -> onnx.ModelProto:
    """Graph `classifier` of bundle.proto's interface over code points.

    Args:
        symbols: [65536], the symbol of each code point; those beyond count as the last.
        table: [buckets, C].
        bias: [C].
    """
    g = GraphBuilder("classifier")
    g.input("input_ids", np.int64, ["B", "S"])
    g.input("lengths", np.int64, ["B"])
    codes = g.op("Min", "input_ids", g.ints(len(symbols) - 1))
    looked_up = g.op("Gather", g.constant("symbols", symbols), codes)
    letters = g.op("Cast", looked_up, to=TensorProto.INT64)
    rows, shares = _ngrams(g, letters, len(table), hashing)
    looked_up = g.op("Gather", g.constant("ngrams.weight", table), rows)  # [B,N,C]
    mean = g.op("Squeeze", g.op("MatMul", shares, looked_up), g.ints(1))
    g.op("Add", mean, g.constant("bias", bias), name="logits")
    g.output("logits", np.float32, ["B", len(bias)])
    return g.build()


def _ngrams(g: GraphBuilder, letters: str, buckets: int, how: Hashing) -> tuple[str, str]:
    """Rows [B,N] of all n-grams, and their shares [B,1,N]: 1/count of real ones, 0 of others."""
    rows, real = [], []
    hashes = g.op("Mul", letters, g.ints(0))
    ends = g.op("Unsqueeze", "lengths", g.ints(1))
    width = g.op("Squeeze", g.op("Shape", "input_ids", start=1, end=2))
    zero, one = (g.constant(f"scalar.{n}", np.array(n, np.int64)) for n in (0, 1))
    places = g.op("Unsqueeze", g.op("Range", zero, width, one), g.ints(0))  # [1,S]
    for order in range(1, how.orders + 1):
        if order > 1:  # an n-gram fewer than of the order before
            hashes, places = (_slice(g, each, 0, -1) for each in (hashes, places))
        newest = _slice(g, letters, order - 1, _FAR)
        rolled = g.op("Add", g.op("Mul", hashes, g.ints(how.factor)), newest)
        hashes = g.op("Mod", rolled, g.ints(how.modulus))
        factor, summand = how.spread[0] + how.spread[1] * order, how.salt * order
        mixed = g.op("Add", g.op("Mul", hashes, g.ints(factor)), g.ints(summand))
        rows.append(g.op("Mod", mixed, g.ints(buckets)))
        last = g.op("Add", places, g.ints(order))
        inside = g.op("LessOrEqual", last, ends)
        real.append(g.op("Cast", inside, to=TensorProto.FLOAT))
    counted = g.op("Concat", *real, axis=1)
    shares = g.op("Div", counted, g.op("ReduceSum", counted, g.ints(1), keepdims=1))
    return g.op("Concat", *rows, axis=1), g.op("Unsqueeze", shares, g.ints(1))


_FAR = 2**31


def _slice(g: GraphBuilder, value: str, start: int, end: int) -> str:
    return g.op("Slice", value, g.ints(start), g.ints(end), g.ints(1))
