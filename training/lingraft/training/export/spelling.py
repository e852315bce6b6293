"""Letters as nodes of an ONNX graph: what the ids of a text spell, found by the graph itself.

The arithmetic is that of `vocabulary/spelling.py`. B texts, S ids, L letters of the longest piece,
U letters of the longest text.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from lingraft.training.export.graph import GraphBuilder
from lingraft.training.vocabulary.spelling import AHEAD, NO_BYTE, PLANE, Spelling, lowered


def spelled(g: GraphBuilder, spelling: Spelling) -> tuple[str, str]:
    """Names of the letters, int64 [B,U], and of how many each text has, int64 [B]; zeros follow.

    The graph has the inputs `input_ids` [B,S] and `lengths` [B].
    """
    ids = _own_ids(g, pad=len(spelling.codes) - 1)
    looked_up = g.op("Gather", g.constant("spelling.codes", spelling.codes), ids)  # [B,S,L]
    codes = g.op("Cast", looked_up, to=TensorProto.INT64)
    decoded = g.op("Unsqueeze", _decoded(g, ids, spelling), g.ints(2))
    each = g.op("Concat", codes, decoded, axis=2)
    packed, counts = _packed(g, g.op("Reshape", each, g.ints(0, -1)))
    first_plane = g.op("Min", packed, g.ints(PLANE - 1))
    lower = g.op("Gather", g.constant("spelling.lower", lowered()), first_plane)
    return g.op("Cast", lower, to=TensorProto.INT64), counts


def known(g: GraphBuilder, spelling: Spelling) -> str:
    """Name of the share, float32 [B,1], of each text's pieces that are no bytes."""
    ids = _own_ids(g, pad=len(spelling.codes) - 1)
    octets = g.op("Cast", _octets(g, ids, spelling), to=TensorProto.INT64)
    found = g.op("Cast", g.op("Greater", octets, g.ints(NO_BYTE)), to=TensorProto.FLOAT)
    count = g.op("Cast", g.op("Unsqueeze", "lengths", g.ints(1)), to=TensorProto.FLOAT)
    bytes_in = g.op("ReduceSum", found, g.ints(1), keepdims=1)
    share = g.op("Div", bytes_in, g.op("Max", count, g.floats(1.0)))
    return g.op("Sub", g.floats(1.0), share)


def _octets(g: GraphBuilder, ids: str, spelling: Spelling) -> str:
    return g.op("Gather", g.constant("spelling.octets", spelling.octets), ids)


def _own_ids(g: GraphBuilder, pad: int) -> str:
    """`input_ids` with padding wherever a text has ended, whatever stands there."""
    width = g.op("Squeeze", g.op("Shape", "input_ids", start=1, end=2))
    zero, one = (g.constant(f"scalar.{n}", np.array(n, np.int64)) for n in (0, 1))
    places = g.op("Unsqueeze", g.op("Range", zero, width, one), g.ints(0))
    inside = g.op("Less", places, g.op("Unsqueeze", "lengths", g.ints(1)))
    return g.op("Where", inside, "input_ids", g.ints(pad))


def _decoded(g: GraphBuilder, ids: str, spelling: Spelling) -> str:
    """The code point [B,S] that begins at each place in UTF-8, 0 where none does."""
    found = _octets(g, ids, spelling)
    beyond = g.constant("scalar.no_byte", np.array(NO_BYTE, np.int64))
    octets = g.op("Pad", g.op("Cast", found, to=TensorProto.INT64), g.ints(0, 0, 0, AHEAD), beyond)
    first = g.op("Slice", octets, g.ints(0), g.ints(-AHEAD), g.ints(1))
    rest = [_continuation(g, octets, ahead) for ahead in range(1, AHEAD + 1)]
    code = _joined(g, first, 240, rest)
    for below, begin, count in ((240, 224, 2), (224, 192, 1)):
        code = g.op("Where", _below(g, first, below), _joined(g, first, begin, rest[:count]), code)
    code = g.op("Where", _below(g, first, 192), g.ints(0), code)
    code = g.op("Where", _below(g, first, 128), first, code)
    return g.op("Where", _below(g, first, 0), g.ints(0), code)


def _below(g: GraphBuilder, value: str, limit: int) -> str:
    return g.op("Less", value, g.ints(limit))


def _continuation(g: GraphBuilder, octets: str, ahead: int) -> str:
    """The six bits that the byte so far ahead adds."""
    end = ahead - AHEAD or np.iinfo(np.int64).max
    byte = g.op("Slice", octets, g.ints(ahead), g.ints(int(end)), g.ints(1))
    return g.op("Max", g.op("Min", g.op("Sub", byte, g.ints(128)), g.ints(63)), g.ints(0))


def _joined(g: GraphBuilder, first: str, begin: int, rest: list[str]) -> str:
    code = g.op("Sub", first, g.ints(begin))
    for bits in rest:
        code = g.op("Add", g.op("Mul", code, g.ints(64)), bits)
    return code


def _packed(g: GraphBuilder, sparse: str) -> tuple[str, str]:
    """The values [B,N] that are not 0, in order at the begin [B,U], and their counts [B]."""
    real = g.op("Greater", sparse, g.ints(0))
    ones = g.op("Cast", real, to=TensorProto.INT64)
    counts = g.op("ReduceSum", ones, g.ints(1), keepdims=0)
    most = g.op("ReduceMax", counts, g.ints(0), keepdims=1)  # [1]
    order = g.op("Sub", g.op("CumSum", ones, g.ints(1)), g.ints(1))
    places = g.op("Where", real, order, most)  # zeros go to a place of no use
    room = g.op("Concat", g.op("Shape", counts), g.op("Add", most, g.ints(1)), axis=0)
    full = g.op("ScatterElements", g.op("Expand", g.ints(0), room), places, sparse, axis=1)
    return g.op("Slice", full, g.ints(0), most, g.ints(1)), counts
