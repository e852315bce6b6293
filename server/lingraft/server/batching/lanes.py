"""Work that waits in one lane, by age and by length. The queue's lock guards it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

MOST_OVERTAKING = 32
"""Younger entries of a lane that are taken before its oldest, at most."""


class HasTokens(Protocol):
    """Work whose size is known."""

    @property
    def tokens(self) -> int:
        """Pieces that it may take in a batch."""


WorkT = TypeVar("WorkT", bound=HasTokens)
AnswerT = TypeVar("AnswerT")


@dataclass(eq=False, slots=True)
class Entry(Generic[WorkT, AnswerT]):
    """One piece of work, and the future that its caller waits on. Times in the clock's seconds.

    `number` is its place in the order of arrival; the queue gives it.
    """

    work: WorkT
    arrived: float
    deadline: float = math.inf
    bulk: bool = False
    future: Future[AnswerT] = field(default_factory=Future)
    number: int = 0


class Lane(Generic[WorkT, AnswerT]):
    """Entries in buckets of about equal length, each in the order of arrival.

    Whoever takes may prefer a length, but the oldest is overtaken `MOST_OVERTAKING` times at most:
    after that nobody else is offered until it is taken.
    """

    def __init__(self, bucket: Callable[[WorkT], int]) -> None:
        self._bucket = bucket
        self._buckets: dict[int, deque[Entry[WorkT, AnswerT]]] = {}
        self._size = 0
        self._overtaken = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Entry[WorkT, AnswerT]]:
        """All of them, in the order of arrival."""
        every = [entry for bucket in self._buckets.values() for entry in bucket]
        return iter(sorted(every, key=_number))

    def add(self, entry: Entry[WorkT, AnswerT]) -> None:
        """Puts an entry behind all others of its length."""
        self._buckets.setdefault(self._bucket(entry.work), deque()).append(entry)
        self._size += 1

    def offers(self, length: WorkT | None) -> Sequence[Entry[WorkT, AnswerT]]:
        """Entries that may be taken next, the one closest in length to `length` first.

        Without a length the oldest is first.
        """
        oldest = self.oldest()
        if oldest is None or self._overtaken >= MOST_OVERTAKING or len(self._buckets) == 1:
            return [] if oldest is None else [oldest]
        near = self._bucket(oldest.work if length is None else length)
        return [self._buckets[key][0] for key in sorted(self._buckets, key=lambda k: abs(k - near))]

    def oldest(self) -> Entry[WorkT, AnswerT] | None:
        """The one that has waited longest."""
        return min((bucket[0] for bucket in self._buckets.values()), key=_number, default=None)

    def take(self, entry: Entry[WorkT, AnswerT]) -> None:
        """Takes out one of the offers."""
        self._overtaken = 0 if entry is self.oldest() else self._overtaken + 1
        key = self._bucket(entry.work)
        self._buckets[key].popleft()
        self._size -= 1
        if not self._buckets[key]:
            del self._buckets[key]

    def keep(self, wanted: Callable[[Entry[WorkT, AnswerT]], bool]) -> None:
        """Drops all that are not wanted; the oldest of the others was not overtaken by them."""
        oldest = self.oldest()
        kept = {key: deque(filter(wanted, bucket)) for key, bucket in self._buckets.items()}
        self._buckets = {key: bucket for key, bucket in kept.items() if bucket}
        self._size = sum(map(len, self._buckets.values()))
        if self.oldest() is not oldest:
            self._overtaken = 0


def by_length(work: HasTokens) -> int:
    """The bucket of a piece of work: lengths up to twice as long share one."""
    return (work.tokens - 1).bit_length()


def _number(entry: Entry[WorkT, AnswerT]) -> int:
    return entry.number
