"""Which piece comes next: pure functions on arrays. Greedy only; no state, no engine.

B rows, K candidates, best first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Logprobs = NDArray[np.float32]


def greedy(top_ids: Ids, top_logprobs: Logprobs, forbidden: Ids) -> tuple[Ids, Logprobs]:
    """The best candidate of each row that is not forbidden.

    `top_ids` and `top_logprobs` are [B,K] with K greater than the number of forbidden ids, so that
    one candidate is always left. Returns ids [B] and natural logarithms of probability [B].
    """
    allowed = ~np.isin(top_ids, forbidden)
    best = np.argmax(allowed, axis=1)
    rows = np.arange(len(top_ids))
    return top_ids[rows, best], top_logprobs[rows, best]


def finished(ids: Ids, eos: int, lengths: Ids, max_lengths: Ids) -> NDArray[np.bool_]:
    """Rows that are done: they ended, or `lengths` [B] (this piece counted) reached the limit."""
    done: Any = (ids == eos) | (lengths >= max_lengths)
    return np.asarray(done, dtype=np.bool_)
