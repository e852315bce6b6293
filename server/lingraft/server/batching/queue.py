"""The bounded queue in front of one model. It alone owns the work that waits.

Callers put from any thread; one scheduler thread takes. Interactive work goes before bulk work.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from lingraft.server.errors import DeadlineExceededError, QueueFullError, ServerError
from lingraft.server.metrics import ANSWERED, DROPPED, FAILED, QUEUED, REFUSED, Metrics


class HasTokens(Protocol):
    """Work whose size is known."""

    @property
    def tokens(self) -> int:
        """Pieces that it may take in a batch."""


WorkT = TypeVar("WorkT", bound=HasTokens)
AnswerT = TypeVar("AnswerT")


@dataclass(eq=False)
class Entry(Generic[WorkT, AnswerT]):
    """One row of work, and the future that its caller waits on. Times in the clock's seconds."""

    work: WorkT
    arrived: float
    deadline: float = math.inf
    bulk: bool = False
    future: Future[AnswerT] = field(default_factory=Future)


class WorkQueue(Generic[WorkT, AnswerT]):
    """Entries in order of arrival, interactive ones first.

    `limit` is the number of entries that may wait. One call's entries are taken together or not at
    all; a call with more than `limit` is taken when nothing else waits, since it could never be
    taken otherwise.
    """

    def __init__(self, limit: int, retry_after_s: float, metrics: Metrics) -> None:
        self._limit, self._retry_after_s, self._metrics = limit, retry_after_s, metrics
        self._interactive: deque[Entry[WorkT, AnswerT]] = deque()
        self._bulk: deque[Entry[WorkT, AnswerT]] = deque()
        self._changed = threading.Condition()
        self._closed: ServerError | None = None

    def __len__(self) -> int:
        return len(self._interactive) + len(self._bulk)

    @property
    def is_closed(self) -> bool:
        """Whether the queue takes nothing more."""
        return self._closed is not None

    def put(self, entries: Sequence[Entry[WorkT, AnswerT]], now: float) -> None:
        """Takes all entries or none. Raises QueueFullError, or what the queue was closed with."""
        with self._changed:
            if self._closed is not None:
                raise self._closed
            if self._is_full(len(entries)):
                self._drop_gone(now)
            if self._is_full(len(entries)):
                self._metrics.count(REFUSED, len(entries))
                raise self._refusal(len(entries))
            for entry in entries:
                (self._bulk if entry.bulk else self._interactive).append(entry)
            self._metrics.count(QUEUED, len(entries))
            self._changed.notify()

    def take(
        self, admits: Callable[[Entry[WorkT, AnswerT]], bool], now: float, skip: bool = False
    ) -> list[Entry[WorkT, AnswerT]]:
        """Entries that `admits` says yes to, in order; the gone are dropped on the way.

        The first that it says no to ends the taking, so that nobody is overtaken; with `skip` it
        keeps its place and the search goes on.
        """
        with self._changed:
            taken = []
            for lane in (self._interactive, self._bulk):
                taken += self._take_lane(lane, admits, now, skip)
                if lane and not skip:
                    break  # its head was not admitted: nobody behind it overtakes
            return taken

    def wait(self) -> bool:
        """Sleeps until there is work. False when the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: len(self) > 0 or self._closed is not None)
            return self._closed is None

    def close(self, error: ServerError) -> None:
        """Takes nothing more, and fails all that waits, with `error`. Closing twice is no fault."""
        with self._changed:
            self._closed = self._closed or error
            for entry in (*self._interactive, *self._bulk):
                self.fail(entry, error)
            self._interactive.clear()
            self._bulk.clear()
            self._changed.notify_all()

    def answer(self, entry: Entry[WorkT, AnswerT], value: AnswerT) -> None:
        """Hands an answer over; a caller who went away at this very moment is no fault."""
        try:
            entry.future.set_result(value)
        except InvalidStateError:
            self._metrics.count(DROPPED)
        else:
            self._metrics.count(ANSWERED)

    def fail(self, entry: Entry[WorkT, AnswerT], error: ServerError) -> None:
        """Hands an error over; a caller who went away at this very moment is no fault."""
        try:
            entry.future.set_exception(error)
        except InvalidStateError:
            self._metrics.count(DROPPED)
        else:
            self._metrics.count(FAILED)

    def is_gone(self, entry: Entry[WorkT, AnswerT], now: float) -> bool:
        """Whether nobody waits for the entry any more; an expired one is told so."""
        if entry.future.done():
            self._metrics.count(DROPPED)
            return True
        if now < entry.deadline:
            return False
        self.fail(entry, DeadlineExceededError("the deadline passed before the answer was there"))
        return True

    def _take_lane(
        self,
        lane: deque[Entry[WorkT, AnswerT]],
        admits: Callable[[Entry[WorkT, AnswerT]], bool],
        now: float,
        skip: bool,
    ) -> list[Entry[WorkT, AnswerT]]:
        taken, kept = [], []
        while lane:
            entry = lane.popleft()
            if self.is_gone(entry, now):
                continue
            if admits(entry):
                taken.append(entry)
                continue
            kept.append(entry)
            if not skip:
                break
        lane.extendleft(reversed(kept))
        return taken

    def _is_full(self, arriving: int) -> bool:
        return len(self) > 0 and len(self) + arriving > self._limit

    def _refusal(self, arriving: int) -> QueueFullError:
        metadata = {"limit": str(self._limit), "waiting": str(len(self)), "asked": str(arriving)}
        return QueueFullError(
            f"{len(self)} sentences wait already and {arriving} more would pass the limit of "
            f"{self._limit}; try again in {self._retry_after_s:g} s",
            self._retry_after_s,
            metadata,
        )

    def _drop_gone(self, now: float) -> None:
        self._interactive = deque(self._alive(self._interactive, now))
        self._bulk = deque(self._alive(self._bulk, now))

    def _alive(
        self, lane: Iterable[Entry[WorkT, AnswerT]], now: float
    ) -> list[Entry[WorkT, AnswerT]]:
        return [entry for entry in lane if not self.is_gone(entry, now)]
