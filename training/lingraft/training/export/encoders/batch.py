"""The texts of one run: graph inputs, and what every layer asks of them.

Hidden states are matrices [B*S,d]: integer products can then give each position a scale of its own
in one operator, and ONNX Runtime does not fuse `Add` and `LayerNormalization` into its own operator
for both, which takes ten times as long on the CPU.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from lingraft.training.export.graph import GraphBuilder
from lingraft.training.export.layers import padding_bias

TOKENS = "tokens"  # products over all positions have B*S rows
TEXTS = "texts"  # those over first positions have B
_OPSET = 23  # its Attention is the fastest on the CPU that ONNX Runtime has


class Batch:
    """Inputs `input_ids` [B,S] and `lengths` [B] of a graph, and values made of them."""

    def __init__(self) -> None:
        self.g = GraphBuilder("classifier", _OPSET)
        self.ids = self.g.input("input_ids", np.int64, ["B", "S"])
        self.lengths = self.g.input("lengths", np.int64, ["B"])
        self.width = self.g.op("Shape", self.ids, start=1, end=2)  # [1]
        self._shapes: dict[int, str] = {}

    def texts(self, x: str, size: int) -> str:
        """[B*S,size] -> [B,S,size]."""
        if size not in self._shapes:
            sizes = (self.g.op("Shape", self.ids), self.g.ints(size))
            self._shapes[size] = self.g.op("Concat", *sizes, axis=0)
        return self.g.op("Reshape", x, self._shapes[size])

    def queries(self, x: str, size: int, last: bool) -> str:
        """[B*S,size] -> [B,S,size]; in the last layer [B,size] -> [B,1,size]."""
        return self.g.op("Unsqueeze", x, self.g.ints(1)) if last else self.texts(x, size)

    def tokens(self, x: str, size: int) -> str:
        """[B,Q,size] -> [B*Q,size]."""
        return self.g.op("Reshape", x, self.g.ints(-1, size))

    def first(self, x: str, size: int) -> str:
        """[B*S,size] -> [B,size]: the first position of every text."""
        zero = self.g.constant("int.0", np.array(0, np.int64))
        return self.g.op("Gather", self.texts(x, size), zero, axis=1)

    def bias(self, last: bool) -> str:
        """0 where a key is real, else the least number: [B,1,S,S], in the last layer [B,1,1,S]."""
        return self.key_bias if last else self._pair_bias

    @cached_property
    def key_bias(self) -> str:
        """[B,1,1,S]."""
        return padding_bias(self.g, self.lengths, self.g.op("Squeeze", self.width))

    @cached_property
    def distance(self) -> str:
        """[S,S]: place of the query less place of the key."""
        g = self.g
        start, step = (g.constant(f"int.{n}", np.array(n, np.int64)) for n in (0, 1))
        places = g.op("Range", start, g.op("Squeeze", self.width), step)
        return g.op("Sub", g.op("Unsqueeze", places, g.ints(1)), places)

    @cached_property
    def _pair_bias(self) -> str:
        """`key_bias` written out for every query: the operator takes no less."""
        g = self.g
        shape = g.op("Concat", g.ints(1, 1), self.width, g.ints(1), axis=0)
        return g.op("Expand", self.key_bias, shape)
