"""One sentence in a running batch."""

from __future__ import annotations

from collections.abc import Sequence
from operator import eq

from lingraft.server.batching.work import SourceEntry
from lingraft.server.engines.base import Step
from lingraft.server.search.base import Found


class Member:
    """A sentence, its search, and its rows in the engine.

    `inputs` and `candidates` are what its next step needs. What the search says is checked before
    the engine hears of it, so that a faulty search harms no other sentence.
    """

    __slots__ = (
        "_parents",
        "_same",
        "_search",
        "_slot",
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
        self._slot, self.joined_at = 0, 0.0
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

    def advance(self, step: Step) -> tuple[Found, ...] | None:
        """Hands its rows of a step to the search; what that found, once it has finished.

        Raises ValueError, or whatever the search raises.
        """
        rows = slice(self._slot, self._slot + self.width)
        shares = step.alignment
        if shares is not None:
            shares = shares[rows, : self._tokens]
        parents = self._search.advance(step.ids[rows], step.logprobs[rows], shares)
        if parents is None:
            return self._search.found()
        self._ask()
        self._parents = self._checked(parents)
        return None

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
