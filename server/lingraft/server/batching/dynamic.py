"""Whole batches of documents of about the same length, for classification."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lingraft.server.batching.queue import Entry, WorkQueue
from lingraft.server.batching.scheduler import guarded
from lingraft.server.engines import ClassificationEngine
from lingraft.server.errors import InternalError, ServerError
from lingraft.server.metrics import MODEL_SECONDS, QUEUE_SECONDS, STEPS, Metrics

_BUCKET_PIECES = 16


@dataclass(frozen=True)
class Document:
    """A document to classify: its ids, end included."""

    ids: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """Pieces."""
        return len(self.ids)


@dataclass(frozen=True)
class Scores:
    """One logit for each label."""

    logits: tuple[float, ...]


DocumentEntry = Entry[Document, Scores]


class LengthBuckets:
    """Each tick runs the oldest document with those that wait and are about as long.

    `max_rows` and `max_tokens` (rows times longest) bound a batch. The oldest always goes, so
    nothing starves.
    """

    def __init__(
        self,
        engine: ClassificationEngine,
        queue: WorkQueue[Document, Scores],
        max_rows: int,
        max_tokens: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._queue = engine, queue
        self._max_rows, self._max_tokens = max_rows, max_tokens
        self._metrics, self._clock = metrics, clock
        self._running: list[DocumentEntry] = []

    def tick(self) -> bool:
        """Classifies one batch. False when nothing waited."""
        now = self._clock()
        self._running = self._queue.take(self._bucket(), now, skip=True)
        if not self._running:
            return False
        outcome = guarded(self._engine.logits, [entry.work.ids for entry in self._running])
        if isinstance(outcome, InternalError):
            self.abandon(outcome)
            return True
        self._count(now)
        for entry, logits in zip(self._running, outcome.tolist(), strict=True):
            self._queue.answer(entry, Scores(tuple(logits)))
        self._running = []
        return True

    def abandon(self, error: ServerError) -> None:
        """Fails all documents in the batch."""
        for entry in self._running:
            self._queue.fail(entry, error)
        self._running = []

    def _count(self, began: float) -> None:
        self._metrics.count(STEPS)
        self._metrics.observe(MODEL_SECONDS, self._clock() - began)
        for entry in self._running:
            self._metrics.observe(QUEUE_SECONDS, began - entry.arrived)

    def _bucket(self) -> Callable[[DocumentEntry], bool]:
        taken: list[int] = []

        def admits(entry: DocumentEntry) -> bool:
            size = _bucket_size(entry.work.tokens)
            rows = len(taken) + 1
            same = not taken or size == taken[0]
            fits = rows <= self._max_rows and rows * size <= self._max_tokens
            if not taken or (same and fits):
                taken.append(size)
                return True
            return False

        return admits


def _bucket_size(pieces: int) -> int:
    return -(-pieces // _BUCKET_PIECES) * _BUCKET_PIECES
