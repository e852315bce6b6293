"""One sentence in a running batch."""

from __future__ import annotations

from collections.abc import Sequence
from operator import eq

import numpy as np

from lingraft.server.batching.work import SourceEntry
from lingraft.server.engines.base import Floats, Plan, Step
from lingraft.server.search.base import Found

# Steps whose probabilities may come later. To make them all takes no longer than a few steps do.
_MOST_OWED = 64


class Member:
    """A sentence, its search, and its rows in the engine.

    `inputs` and `candidates` are what its next step needs. What the search says is checked before
    the engine hears of it, so that a faulty search harms no other sentence.
    """

    __slots__ = (
        "_owed",
        "_parents",
        "_places",
        "_same",
        "_search",
        "_slot",
        "_steps",
        "_tokens",
        "candidates",
        "entry",
        "inputs",
        "joined_at",
        "width",
    )

    def __init__(self, entry: SourceEntry) -> None:
        """Begins the search. Raises ValueError, or whatever the search raises."""
        self.entry = entry
        self.width, self._tokens = entry.work.width, len(entry.work.ids)
        self._same = list(range(self.width))
        self._parents = self._same
        self._slot, self._steps, self.joined_at = 0, 0, 0.0
        self._places: list[int] = []  # steps whose logits lack their normalisers
        self._owed: list[Floats] = []  # of what these are made, [d] each
        self._search = entry.work.begin()
        if self._search.width != self.width:
            raise ValueError(f"a search of {self._search.width} rows came for {self.width}")
        self.inputs: Sequence[int] = ()
        self.candidates = 0
        self._ask()

    def join(self, slot: int, now: float) -> None:
        """Told that its rows stand in `slot` and those behind it."""
        self._slot, self.joined_at = slot, now

    @property
    def is_reordered(self) -> bool:
        """Whether its rows do not go on each from itself."""
        return self._parents is not self._same

    def move(self, slot: int) -> list[int]:
        """The rows of the engine that its rows go on from; they stand in `slot` afterwards."""
        parents = [self._slot + parent for parent in self._parents]
        self._slot, self._parents = slot, self._same
        return parents

    @property
    def may_be_late(self) -> bool:
        """Whether the probabilities of its next step may come later."""
        return self._search.late is not None

    @property
    def owed(self) -> Sequence[Floats]:
        """For which hidden states `score` is to be told normalisers, before `found`."""
        return self._owed

    @property
    def credit(self) -> int:
        """Steps whose probabilities may come later still; at 0 `score` is due."""
        return _MOST_OWED - len(self._owed)

    def plan(self, most: int, seconds: float) -> Plan | None:
        """How an engine may go ahead of its row, within these bounds; None where it may not."""
        late = self._search.late
        foreseen = None if late is None else late.foresee()
        if foreseen is None:
            return None
        steps = min(foreseen.steps, most, self.credit)
        return Plan(steps, self.candidates, foreseen.banned, foreseen.eos, seconds)

    def score(self, normalisers: Sequence[np.float32]) -> None:
        """Told those of `owed`."""
        if self._search.late is None:
            raise ValueError("a search that went on without probabilities cannot take them now")
        self._search.late.normalise(self._places, normalisers)
        self._places, self._owed = [], []

    def found(self) -> tuple[Found, ...]:
        """What the search found, once it has finished."""
        return self._search.found()

    def advance(self, step: Step) -> bool:
        """Hands its rows of a step to the search; whether that has finished.

        Raises ValueError, or whatever the search raises.
        """
        rows = slice(self._slot, self._slot + self.width)
        shares = step.alignment
        if shares is not None:
            shares = shares[rows, : self._tokens]
        if step.unscored is not None:
            self._places.append(self._steps)
            self._owed.append(step.unscored[self._slot])
        self._steps += 1
        parents = self._search.advance(step.ids[rows], step.logprobs[rows], shares)
        if parents is None:
            return True
        self._ask()
        self._parents = self._checked(parents)
        return False

    def _ask(self) -> None:
        self.inputs, self.candidates = self._search.inputs(), self._search.candidates
        if len(self.inputs) != self.width:
            raise ValueError(f"a search gave {len(self.inputs)} pieces for {self.width} rows")

    def _checked(self, parents: Sequence[int]) -> list[int]:
        if len(parents) == self.width and all(map(eq, parents, self._same)):
            return self._same
        if len(parents) != self.width or min(parents) < 0 or max(parents) >= self.width:
            raise ValueError(f"a search of {self.width} rows goes on from rows {list(parents)}")
        return list(parents)
