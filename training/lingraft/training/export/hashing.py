"""Hashed n-grams as nodes of an ONNX graph, from symbols to the sum of a table's rows.

The graph finds the rows itself, so that a server needs to know nothing but symbols; the arithmetic
is that of `vocabulary/ngrams.py`. B texts, U symbols, N n-grams.
"""

from __future__ import annotations

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


def ngram_rows(
    g: GraphBuilder, symbols: str, lengths: str, how: NGrams, stop: int | None = None
) -> tuple[str, str]:
    """Names of the rows of all n-grams, int64 [B,N], and of which are the text's, bool [B,N].

    Args:
        g: the graph.
        symbols: name of int64 [B,U].
        lengths: name of int64 [B]: so many symbols are of the text, the others of no n-gram.
        how: the hash.
        stop: a symbol that no n-gram has between its first and its last.
    """
    rows, real = [], []
    hashes = g.op("Mul", symbols, g.ints(0))
    ends = g.op("Unsqueeze", lengths, g.ints(1))
    width = g.op("Squeeze", g.op("Shape", symbols, start=1, end=2))
    zero, one = (g.constant(f"scalar.{n}", np.array(n, np.int64)) for n in (0, 1))
    places = g.op("Unsqueeze", g.op("Range", zero, width, one), g.ints(0))  # [1,U]
    stops = None if stop is None else _counted(g, symbols, stop)
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
        if stops and order > 2:
            before, after = _slice(g, stops, 0, 1 - order), _slice(g, stops, order - 2, -1)
            inside = g.op("And", inside, g.op("Equal", before, after))
        real.append(inside)
    return g.op("Concat", *rows, axis=1), g.op("Concat", *real, axis=1)


def summed_rows(g: GraphBuilder, rows: str, shares: str, hashed: HashedTable) -> str:
    """The sum [B,C] of rows [B,N] of the table `ngrams.weight`, times shares [B,N]."""
    found = g.op("Gather", g.constant("ngrams.weight", hashed.table), rows)  # [B,N,C]
    each = g.op("Unsqueeze", shares, g.ints(1))
    return g.op("Squeeze", g.op("MatMul", each, found), g.ints(1))


def _counted(g: GraphBuilder, symbols: str, wanted: int) -> str:
    """How often a symbol has come, up to and with each place, [B,U]."""
    found = g.op("Cast", g.op("Equal", symbols, g.ints(wanted)), to=TensorProto.INT64)
    return g.op("CumSum", found, g.ints(1))


def _slice(g: GraphBuilder, value: str, start: int, end: int) -> str:
    return g.op("Slice", value, g.ints(start), g.ints(end), g.ints(1))
