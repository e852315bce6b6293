"""Hashed n-grams as nodes of an ONNX graph, from symbols to the sum of a table's rows.

The graph finds the rows itself, so that a server needs to know nothing but symbols; the arithmetic
is that of `vocabulary/ngrams.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from lingraft.training.export.graph import GraphBuilder
from lingraft.training.export.weights import Floats
from lingraft.training.vocabulary.ngrams import FACTOR, MODULUS, NGrams, mixing

_FAR = 2**31


@dataclass(frozen=True)
class HashedTable:
    """ngrams: how n-grams become rows; table: [buckets, C]."""

    ngrams: NGrams
    table: Floats


def summed_rows(
    g: GraphBuilder,
    symbols: str,
    lengths: str,
    hashed: HashedTable,
    divisor: Callable[[str], str],
) -> str:
    """The sum [B,C] of the rows of each text's n-grams, divided.

    Args:
        g: has the graph input `input_ids` [B,S].
        symbols: name of int64 [B,S].
        lengths: name of int64 [B]: so many symbols are of the text, the others of no n-gram.
        hashed: which rows; the table becomes the constant `ngrams.weight`.
        divisor: makes of the name of each text's count of n-grams [B,1] the name of what the sum
            is divided by.
    """
    rows, shares = _ngrams(g, symbols, lengths, hashed.ngrams, divisor)
    found = g.op("Gather", g.constant("ngrams.weight", hashed.table), rows)  # [B,N,C]
    return g.op("Squeeze", g.op("MatMul", shares, found), g.ints(1))


def _ngrams(
    g: GraphBuilder, symbols: str, lengths: str, how: NGrams, divisor: Callable[[str], str]
) -> tuple[str, str]:
    """Rows [B,N] of all n-grams, and their shares [B,1,N]: 1/divisor of real ones, 0 of others."""
    rows, real = [], []
    hashes = g.op("Mul", symbols, g.ints(0))
    ends = g.op("Unsqueeze", lengths, g.ints(1))
    width = g.op("Squeeze", g.op("Shape", "input_ids", start=1, end=2))
    zero, one = (g.constant(f"scalar.{n}", np.array(n, np.int64)) for n in (0, 1))
    places = g.op("Unsqueeze", g.op("Range", zero, width, one), g.ints(0))  # [1,S]
    for order in range(1, how.orders + 1):
        if order > 1:  # an n-gram fewer than of the order before
            hashes, places = (_slice(g, each, 0, -1) for each in (hashes, places))
        newest = _slice(g, symbols, order - 1, _FAR)
        rolled = g.op("Add", g.op("Mul", hashes, g.ints(FACTOR)), newest)
        hashes = g.op("Mod", rolled, g.ints(MODULUS))
        factor, summand = mixing(order)
        mixed = g.op("Add", g.op("Mul", hashes, g.ints(factor)), g.ints(summand))
        rows.append(g.op("Mod", mixed, g.ints(how.buckets)))
        last = g.op("Add", places, g.ints(order))
        inside = g.op("LessOrEqual", last, ends)
        real.append(g.op("Cast", inside, to=TensorProto.FLOAT))
    counted = g.op("Concat", *real, axis=1)
    count = g.op("ReduceSum", counted, g.ints(1), keepdims=1)
    shares = g.op("Div", counted, divisor(count))
    return g.op("Concat", *rows, axis=1), g.op("Unsqueeze", shares, g.ints(1))


def _slice(g: GraphBuilder, value: str, start: int, end: int) -> str:
    return g.op("Slice", value, g.ints(start), g.ints(end), g.ints(1))
