"""The attention of a hypothesis, put together from that of its pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def share_of(alignment: Floats | None, row: int, source_length: int) -> Floats | None:
    """One row's attention to its own source, [S]; the step's whole array is not kept alive."""
    return None if alignment is None else alignment[row, :source_length].copy()


def alignment_of(shares: Sequence[Floats | None], source_length: int) -> Floats | None:
    """[pieces,S] of the shares of the pieces; None where a step did not tell."""
    told = [share for share in shares if share is not None]
    if len(told) < len(shares):
        return None
    return np.stack(told) if told else np.zeros((0, source_length), dtype=np.float32)
