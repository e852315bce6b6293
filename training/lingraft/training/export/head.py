"""The language-model head: from the last hidden state to the best next pieces.

Logits never leave the graph. Their best K are found in two stages, exactly: the K best lie in the K
blocks of the vocabulary with the highest maxima, and block maxima are computed with vector
instructions, while `TopK` goes piece by piece (three times as long for 32,000 pieces).
"""

from __future__ import annotations

import numpy as np

from lingraft.training.export.graph import GraphBuilder
from lingraft.training.export.weights import Floats

_BLOCKS = 512  # at least; below 16 pieces a block, one stage is as fast
_SMALLEST_BLOCK = 16


def best_pieces(
    g: GraphBuilder, hidden: str, best: str, kernel: Floats, bias: Floats, rows: str
) -> None:
    """Outputs `top_ids` [B,K] and `top_logprobs` [B,K]: the best pieces after `hidden` [B,d].

    Args:
        best: name of K, int64 [1].
        kernel: [d,V].
        bias: [V].
        rows: that of `GraphBuilder.product`.

    Log-probabilities are normalised over all V pieces. They are ranked by logit, for rounding may
    make equals of near neighbours in the logarithm.
    """
    size = block_size(kernel.shape[1])
    kernel, bias = _whole_blocks(kernel, bias, size)
    logits = g.product(hidden, g.constant("lm_head.weight", kernel), rows)
    if bias.any():
        logits = g.op("Add", logits, g.constant("lm_head.bias", bias))
    values, ids = _top(g, logits, best, size)
    g.op("Identity", ids, name="top_ids")
    g.op("Sub", values, _log_normaliser(g, logits, values, ids), name="top_logprobs")
    g.output("top_ids", np.int64, ["B", "K"])
    g.output("top_logprobs", np.float32, ["B", "K"])


def block_size(vocabulary: int) -> int:
    """Pieces in a block: the most that leave enough blocks, a divisor of the size if one is near.

    1 for a vocabulary so small that blocks do not pay.
    """
    most = vocabulary // _BLOCKS
    if most < _SMALLEST_BLOCK:
        return 1
    divisors = (n for n in range(most, most // 2, -1) if vocabulary % n == 0)
    return next(divisors, most)


def _whole_blocks(kernel: Floats, bias: Floats, size: int) -> tuple[Floats, Floats]:
    """Pieces of probability zero, up to a whole number of blocks."""
    missing = -len(bias) % size
    kernel = np.pad(kernel, ((0, 0), (0, missing)))
    return kernel, np.pad(bias, (0, missing), constant_values=np.float32(-np.inf))


def _top(g: GraphBuilder, logits: str, best: str, size: int) -> tuple[str, str]:
    """Values and ids [B,K] of the best logits [B,V]."""
    if size == 1:
        values, ids = g.ops("TopK", logits, best, names=["", ""], axis=-1)
        return values, ids
    blocks = g.op("Reshape", logits, g.ints(0, -1, size))
    maxima = g.op("ReduceMax", blocks, g.ints(2), keepdims=0)
    count = g.op("Shape", maxima, start=1, end=2)
    _, chosen = g.ops("TopK", maxima, g.op("Min", best, count), names=["", ""], axis=-1)
    kept = g.op("GatherND", blocks, g.op("Unsqueeze", chosen, g.ints(2)), batch_dims=1)
    flat = g.op("Reshape", kept, g.ints(0, -1))
    values, places = g.ops("TopK", flat, best, names=["", ""], axis=-1)
    width = g.constant("int.block", np.array(size, np.int64))
    block = g.op("GatherElements", chosen, g.op("Div", places, width), axis=1)
    ids = g.op("Add", g.op("Mul", block, width), g.op("Mod", places, width))
    return values, ids


def _log_normaliser(g: GraphBuilder, logits: str, values: str, ids: str) -> str:
    """[B,1] logarithm of the sum of exponentials, from the best piece's value and share.

    The best share is at least 1/V, so its logarithm is exact to rounding; `ReduceLogSumExp` takes
    ten times as long as `Softmax`.
    """
    shares = g.op("Softmax", logits, axis=-1)
    first = (g.ints(0), g.ints(1), g.ints(1))
    share = g.op("GatherElements", shares, g.op("Slice", ids, *first), axis=1)
    return g.op("Sub", g.op("Slice", values, *first), g.op("Log", share))
