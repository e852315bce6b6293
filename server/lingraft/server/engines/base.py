"""What batching asks of an engine. The ONNX engines fill it; so do the fakes of the tests.

An engine belongs to one thread. It may raise anything; batching turns that into an InternalError of
the rows concerned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Step:
    """What one decoder step says of B rows; `alignment` only until the next one.

    `ids` [B,K] and `logprobs` [B,K] (natural logarithms) are the K most probable next pieces, best
    first: plain numbers, since searches take them one by one. `alignment` [B,S] holds each row's
    share of attention (0 to 1) to every source position, 0 beyond its source; None where the graphs
    do not tell. Where `unscored` [B,d] is there, `logprobs` are logits: they lack a number for each
    row that `TranslationEngine.normalisers` makes of it.
    """

    ids: Sequence[Sequence[int]]
    logprobs: Sequence[Sequence[float]]
    alignment: Floats | None
    unscored: Floats | None = None


@dataclass(frozen=True)
class Plan:
    """What holds of the coming steps of a row that is alone.

    Each takes the best of its `candidates` that is none of `banned`. No more than `steps` of them,
    none after `eos` was taken or where all candidates are banned, and none but the first when
    `seconds` have passed since the call.
    """

    steps: int
    candidates: int
    banned: frozenset[int]
    eos: int
    seconds: float = math.inf


class TranslationEngine(Protocol):
    """An encoder and a decoder step over rows that stand in slots 0 to B-1."""

    @property
    def goes_ahead(self) -> bool:
        """Whether there is `ahead`."""

    @property
    def pads(self) -> bool:
        """Whether `join` computes as many positions for each source as the longest one has."""

    def footprint(self, rows: int, source_tokens: int, target_tokens: int) -> int:
        """Bytes that the caches take for `rows` rows of at most so many positions each."""

    def join(self, sources: Sequence[Sequence[int]], widths: Sequence[int]) -> None:
        """Encodes `sources` and puts each into its `widths` next free slots, at position 0.

        The first source takes slots B to B+widths[0]-1, and so on. All of them or, when it raises,
        none.
        """

    def step(self, input_ids: Sequence[int], candidates: int, late: bool = False) -> Step:
        """One decoder step for all B rows: `input_ids` [B] is the last piece of each.

        late: whether probabilities may come later, if that is faster (`Step.unscored`).
        """

    def ahead(self, piece: int, plan: Plan, halt: NDArray[np.int32]) -> Sequence[Step]:
        """Some steps of the one row that is there, late where that is faster, one at least.

        `piece` is the row's last one; each further step is given the piece that the one before
        took. Ends when the plan does, or sooner, and with the step that it is at once `halt` [2]
        says so: the first number, which other threads write, is not 0, or there is something to be
        read, or an end, at the descriptor that is the second, unless that is -1.
        """

    def normalisers(self, unscored: Sequence[Floats]) -> Sequence[np.float32]:
        """What is to be taken off the logits of rows, each one of a `Step.unscored`, [d].

        The differences have the bits that log-probabilities have.
        """

    def select(self, parents: Sequence[int]) -> None:
        """The batch becomes len(parents) rows, of which row i goes on from the old row parents[i].

        A parent may stand there many times or not at all: so beams are reordered, and rows leave.
        """

    def clear(self) -> None:
        """Takes out all rows. Never raises: it is called after a failure."""


class ClassificationEngine(Protocol):
    """A classifier over whole batches."""

    def logits(self, rows: Sequence[Sequence[int]]) -> Floats:
        """One logit for each row and label: [B,C]."""
