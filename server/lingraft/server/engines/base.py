"""What batching asks of an engine. The ONNX engines fill it; so do the fakes of the tests.

An engine belongs to one thread. It may raise anything; batching turns that into an InternalError of
the rows concerned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


class TranslationEngine(Protocol):
    """An encoder and a decoder step over rows that stand in slots 0 to B-1."""

    def join(self, sources: Sequence[Sequence[int]]) -> None:
        """Encodes `sources` and puts them into slots B, B+1, ... at position 0.

        All of them or, when it raises, none.
        """

    def step(self, input_ids: Sequence[int]) -> tuple[Ids, Floats]:
        """One decoder step for all B rows: `input_ids` [B] is the last piece of each.

        Returns ids [B,K] and natural logarithms of probability [B,K], best first, which stay as
        they are after the next step. K is the engine's number of candidates.
        """

    def leave(self, slot: int) -> None:
        """Takes out the row in `slot`; the row in the last slot moves into the hole."""

    def clear(self) -> None:
        """Takes out all rows. Never raises: it is called after a failure."""


class ClassificationEngine(Protocol):
    """A classifier over whole batches."""

    def logits(self, rows: Sequence[Sequence[int]]) -> Floats:
        """One logit for each row and label: [B,C]."""
