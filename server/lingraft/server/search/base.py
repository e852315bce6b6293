"""How one sentence is searched for.

A Search owns its hypotheses, and knows no engine and no other sentence.

W rows (its width), K candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Found:
    """A finished hypothesis.

    `ids` are without the start and without the end; `logprobs` are natural logarithms, one for each
    id and, unless `truncated`, one for the end: the model's own, before any penalty, and 0 for what
    was given. `score` is what hypotheses are ranked by, after penalties.
    `alignment` [pieces,S] is there if it was asked for.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    score: float
    truncated: bool
    alignment: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Foreseen:
    """What holds of the next `steps` steps of a row, whatever pieces are found; at least one.

    Each takes the best of as many candidates as the search needs now that is none of `banned`. The
    search ends with `eos`, and where all candidates are banned.
    """

    steps: int
    banned: frozenset[int]
    eos: int


class Late(Protocol):
    """A search that ranks by logits alone, and can be told later what they lack."""

    def foresee(self) -> Foreseen | None:
        """What holds of its coming steps; None where that hangs on pieces that are yet to come.

        Told as many of these steps as there are, it does what it was foreseen to do.
        """

    def normalise(self, places: Sequence[int], normalisers: Sequence[np.float32]) -> None:
        """Takes a normaliser off the logits that it was given as log-probabilities at each place.

        A place is the number of steps before; all are told before `found` is asked.
        """


class Search(Protocol):
    """The search for one sentence's target."""

    @property
    def late(self) -> Late | None:
        """Itself where its next step needs no probabilities, but logits will do."""

    @property
    def width(self) -> int:
        """Rows that it takes in the batch; never changes."""

    @property
    def candidates(self) -> int:
        """Candidates that it needs of each row at the next step."""

    def inputs(self) -> Sequence[int]:
        """The piece that each of its rows is given next: [W]."""

    def advance(
        self,
        ids: Sequence[Sequence[int]],
        logprobs: Sequence[Sequence[float]],
        alignment: NDArray[np.float32] | None,
    ) -> Sequence[int] | None:
        """Takes one step's answer for its rows: ids [W,K'], logprobs [W,K'], K' >= `candidates`.

        Returns which of its old rows each of its rows goes on from ([W], indices below W); None
        when it is finished.
        """

    def found(self) -> tuple[Found, ...]:
        """Finished hypotheses, best first, as many as were asked for."""
