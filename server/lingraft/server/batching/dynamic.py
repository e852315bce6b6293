"""Whole batches of documents of about the same length, for classification."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lingraft.server.batching.admission import Turns
from lingraft.server.batching.lanes import Entry, Lane
from lingraft.server.batching.queue import WorkQueue
from lingraft.server.batching.scheduler import guarded
from lingraft.server.engines import ClassificationEngine
from lingraft.server.errors import InternalError, ServerError
from lingraft.server.metrics import MODEL_SECONDS, QUEUE_SECONDS, STEPS, Metrics

_BUCKET_PIECES = 16
# A run costs as much as so many positions before its first, for it reads all weights; and of many
# positions one in so many may be padding.
_RUN_PIECES, _PADDING_SHARE = 32, 8


@dataclass(frozen=True)
class Document:
    """A document to classify: its ids, those around the text included.

    cut: whether the text went on, and the model does not read so much.
    """

    ids: tuple[int, ...]
    cut: bool = False

    @property
    def tokens(self) -> int:
        """Pieces."""
        return len(self.ids)


@dataclass(frozen=True)
class Scores:
    """One logit for each label."""

    logits: tuple[float, ...]


DocumentEntry = Entry[Document, Scores]
_Lane = Lane[Document, Scores]


def document_bucket(document: Document) -> int:
    """The bucket in which a document waits: sixteen lengths share one."""
    return document.tokens // _BUCKET_PIECES


class LengthBuckets:
    """Each tick runs the oldest document with those that wait and are about as long.

    `max_rows` and `max_tokens` (rows times longest) bound a batch; a longer document runs alone.
    Interactive work goes first, but while bulk work waits its oldest begins every eighth batch
    (`Turns`). Both lanes fill what room a batch has left.
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
        self._turns = Turns()
        self._running: list[DocumentEntry] = []

    def tick(self) -> bool:
        """Classifies one batch. False when nothing waited."""
        now = self._clock()
        chosen = _Companions(self._turns, self._max_rows, self._max_tokens)
        self._queue.pick(chosen, now, self._running)
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


class _Companions:
    """Chooses the documents of one batch (`queue.Chooser`)."""

    def __init__(self, turns: Turns, max_rows: int, max_tokens: int) -> None:
        self._turns, self._max_rows, self._max_tokens = turns, max_rows, max_tokens
        self._first: Document | None = None
        self._rows = self._real = self._longest = 0
        self._bulk_waits = False

    def choose(self, interactive: _Lane, bulk: _Lane) -> DocumentEntry | None:
        """The first of the batch, then those that fit beside it, the closest in length first."""
        if self._first is None:
            self._bulk_waits = len(bulk) > 0
            due = bulk.oldest() if self._turns.is_bulk_due else None
            return due or interactive.oldest() or bulk.oldest()
        for lane in (interactive, bulk):
            for entry in lane.offers(self._first):
                if self._fits(entry.work.tokens):
                    return entry
        return None

    def admit(self, entry: DocumentEntry) -> None:
        """Counts a document of the batch."""
        if self._first is None:
            self._first = entry.work
            self._turns.count(entry.bulk, self._bulk_waits)
        self._rows += 1
        self._real += entry.work.tokens
        self._longest = max(self._longest, entry.work.tokens)

    def _fits(self, tokens: int) -> bool:
        rows, real = self._rows + 1, self._real + tokens
        positions = rows * max(self._longest, tokens)
        padding_pays = positions - real <= max(_RUN_PIECES, positions // _PADDING_SHARE)
        return rows <= self._max_rows and positions <= self._max_tokens and padding_pays
