"""What callers hand to a translation batch, and what they get back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lingraft.server.batching.lanes import Entry
from lingraft.server.search.base import Found, Search


@dataclass(frozen=True, slots=True)
class Source:
    """A sentence to decode: its ids, tag and end included, and the most pieces of its target.

    `begin` makes its search when it is admitted, in the model's thread; that search takes `width`
    rows of the batch.
    """

    ids: tuple[int, ...]
    max_length: int
    begin: Callable[[], Search]
    width: int = 1

    @property
    def tokens(self) -> int:
        """Pieces to encode; sentences of about as many wait in one bucket."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the search found, best first; seconds in the queue and, after that, in the batch."""

    found: tuple[Found, ...]
    queue_s: float
    model_s: float


SourceEntry = Entry[Source, Decoded]
