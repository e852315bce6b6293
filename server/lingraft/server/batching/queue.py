"""The bounded queue in front of one model. It alone owns the work that waits.

Callers put from any thread; one scheduler thread takes. Interactive work and bulk work wait in
lanes of their own.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import InvalidStateError
from typing import Generic, Protocol

from lingraft.server.batching.lanes import AnswerT, Entry, Lane, WorkT, by_length
from lingraft.server.errors import DeadlineExceededError, QueueFullError, ServerError
from lingraft.server.metrics import ANSWERED, DROPPED, FAILED, QUEUED, REFUSED, Metrics

# A full queue looks for callers who went away, but no more often than this.
_SWEEP_S = 0.05


class Chooser(Protocol[WorkT, AnswerT]):
    """Says which of those who wait goes next."""

    def choose(
        self, interactive: Lane[WorkT, AnswerT], bulk: Lane[WorkT, AnswerT]
    ) -> Entry[WorkT, AnswerT] | None:
        """One of a lane's offers; None when nobody else is to go now."""

    def admit(self, entry: Entry[WorkT, AnswerT]) -> None:
        """Told that the one it chose is there and goes."""


class WorkQueue(Generic[WorkT, AnswerT]):
    """Two lanes of entries.

    `limit` is the number of entries that may wait. One call's entries are taken together or not at
    all; a call with more than `limit` is taken when nothing else waits, since it could never be
    taken otherwise. `bucket` tells which works are about equally long.
    """

    def __init__(
        self,
        limit: int,
        retry_after_s: float,
        metrics: Metrics,
        bucket: Callable[[WorkT], int] = by_length,
    ) -> None:
        self._limit, self._metrics = limit, metrics
        self.retry_after_s = retry_after_s
        self._interactive: Lane[WorkT, AnswerT] = Lane(bucket)
        self._bulk: Lane[WorkT, AnswerT] = Lane(bucket)
        self._numbers = itertools.count()
        self._earliest, self._swept = math.inf, -math.inf  # a deadline; a time
        self._changed = threading.Condition()
        self._closed: ServerError | None = None
        self._watcher: Callable[[], None] | None = None
        # Descriptor of a file or socket where work comes in that whoever takes must read first.
        self.arrives_at: int | None = None

    def __len__(self) -> int:
        return len(self._interactive) + len(self._bulk)

    @property
    def has_interactive(self) -> bool:
        """Whether interactive work waits."""
        return len(self._interactive) > 0

    @property
    def is_closed(self) -> bool:
        """Whether the queue takes nothing more."""
        return self._closed is not None

    def watch(self, watcher: Callable[[], None]) -> None:
        """Has `watcher` called when work is put or the queue closed: in any thread, under a lock.

        It must never wait.
        """
        self._watcher = watcher

    def put(self, entries: Sequence[Entry[WorkT, AnswerT]], now: float) -> None:
        """Takes all entries or none. Raises QueueFullError, or what the queue was closed with."""
        with self._changed:
            if self._closed is not None:
                raise self._closed
            if self._is_full(len(entries)) and now >= self._swept + _SWEEP_S:
                self._drop_gone(now)
            if self._is_full(len(entries)):
                self._metrics.count(REFUSED, len(entries))
                raise queue_full(len(self), len(entries), self._limit, self.retry_after_s)
            for entry in entries:
                entry.number = next(self._numbers)
                (self._bulk if entry.bulk else self._interactive).add(entry)
                self._earliest = min(self._earliest, entry.deadline)
            self._metrics.count(QUEUED, len(entries))
            self._changed.notify()
            self._tell_watcher()

    def pick(
        self,
        chooser: Chooser[WorkT, AnswerT],
        now: float,
        picked: list[Entry[WorkT, AnswerT]],
    ) -> None:
        """Adds to `picked` what the chooser picks, one after another until it has no more.

        The expired are told so before, wherever they stand; the cancelled when they are picked.
        """
        with self._changed:
            self._expire(now)
            while (entry := chooser.choose(self._interactive, self._bulk)) is not None:
                (self._bulk if entry.bulk else self._interactive).take(entry)
                if not self.is_gone(entry, now):
                    picked.append(entry)
                    chooser.admit(entry)

    def expire(self, now: float) -> None:
        """Tells the expired so, wherever they stand; all of `pick` where nobody could be picked."""
        with self._changed:
            self._expire(now)

    def wait(self) -> bool:
        """Sleeps until there is work. False when the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: len(self) > 0 or self._closed is not None)
            return self._closed is None

    def close(self, error: ServerError) -> None:
        """Takes nothing more, and fails all that waits, with `error`. Closing twice is no fault."""
        with self._changed:
            self._closed = self._closed or error
            for lane in (self._interactive, self._bulk):
                for entry in lane:
                    self.fail(entry, error)
                lane.keep(lambda entry: False)
            self._changed.notify_all()
            self._tell_watcher()

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

    def _tell_watcher(self) -> None:
        if self._watcher is not None:
            self._watcher()

    def _is_full(self, arriving: int) -> bool:
        return len(self) > 0 and len(self) + arriving > self._limit

    def _expire(self, now: float) -> None:
        if now >= self._earliest:
            self._drop_gone(now)

    def _drop_gone(self, now: float) -> None:
        self._swept = now
        for lane in (self._interactive, self._bulk):
            lane.keep(lambda entry: not self.is_gone(entry, now))
        waiting = itertools.chain(self._interactive, self._bulk)
        self._earliest = min((entry.deadline for entry in waiting), default=math.inf)


def queue_full(waiting: int, arriving: int, limit: int, retry_after_s: float) -> QueueFullError:
    """The refusal of `arriving` rows where `waiting` wait already."""
    metadata = {"limit": str(limit), "waiting": str(waiting), "asked": str(arriving)}
    return QueueFullError(
        f"{waiting} sentences wait already and {arriving} more would pass the limit of {limit}; "
        f"try again in {retry_after_s:g} s",
        retry_after_s,
        metadata,
    )
