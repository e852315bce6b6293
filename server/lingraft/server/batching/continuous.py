"""Continuous batching: rows join and leave at every decoder step (Orca, Yu et al., OSDI 2022)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lingraft.server.batching.queue import Entry, WorkQueue
from lingraft.server.batching.scheduler import guarded
from lingraft.server.engines import TranslationEngine
from lingraft.server.errors import InternalError, ServerError
from lingraft.server.metrics import MODEL_SECONDS, QUEUE_SECONDS, STEPS, Metrics
from lingraft.server.search import finished, greedy


@dataclass(frozen=True)
class Source:
    """A sentence to decode: its ids, tag and end included, and the most pieces of its target."""

    ids: tuple[int, ...]
    max_length: int

    @property
    def tokens(self) -> int:
        """Positions that it may take in the caches."""
        return len(self.ids) + self.max_length


@dataclass(frozen=True)
class Hypothesis:
    """A decoded sentence: ids without the end, and natural log-probabilities with it.

    `truncated` means that the limit came before the end. Times in seconds.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    truncated: bool
    queue_s: float
    model_s: float


@dataclass(frozen=True)
class DecodingRules:
    """What a batch may hold and how a row begins and ends.

    `max_tokens` bounds rows times the longest row (`Source.tokens`); a row that is longer than that
    is decoded alone.
    """

    start: int
    eos: int
    forbidden: tuple[int, ...]
    max_rows: int
    max_tokens: int


SourceEntry = Entry[Source, Hypothesis]


@dataclass(eq=False)
class _Row:
    """A row in the batch; its place in the list is its slot in the engine."""

    entry: SourceEntry
    joined: float
    last: int
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


class ContinuousBatch:
    """The rows that are being decoded. One `tick` is one decoder step; one thread ticks."""

    def __init__(
        self,
        engine: TranslationEngine,
        queue: WorkQueue[Source, Hypothesis],
        rules: DecodingRules,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._queue, self._rules = engine, queue, rules
        self._metrics, self._clock = metrics, clock
        self._forbidden = np.array(rules.forbidden, dtype=np.int64)
        self._rows: list[_Row] = []

    def tick(self) -> bool:
        """Drops the gone, admits newcomers, makes one step. False when there was no row."""
        now = self._clock()
        self._drop_gone(now)
        self._admit(now)
        if not self._rows:
            return False
        self._step()
        return True

    def abandon(self, error: ServerError) -> None:
        """Fails all rows in the batch."""
        self._engine.clear()
        for row in self._rows:
            self._queue.fail(row.entry, error)
        self._rows.clear()

    def _drop_gone(self, now: float) -> None:
        self._leave([slot for slot, row in enumerate(self._rows) if self._is_gone(row, now)])

    def _is_gone(self, row: _Row, now: float) -> bool:
        return self._queue.is_gone(row.entry, now)

    def _admit(self, now: float) -> None:
        longest = max((row.entry.work.tokens for row in self._rows), default=0)
        budget = _Budget(self._rules, len(self._rows), longest)
        entries = self._queue.take(budget.admits, now)
        if not entries:
            return
        outcome = guarded(self._engine.join, [entry.work.ids for entry in entries])
        if isinstance(outcome, InternalError):
            for entry in entries:
                self._queue.fail(entry, outcome)
            return
        for entry in entries:
            self._metrics.observe(QUEUE_SECONDS, now - entry.arrived)
            self._rows.append(_Row(entry, joined=now, last=self._rules.start))

    def _step(self) -> None:
        outcome = guarded(self._engine.step, [row.last for row in self._rows])
        if isinstance(outcome, InternalError):
            self.abandon(outcome)
            return
        self._metrics.count(STEPS)
        ids, logprobs = greedy(*outcome, self._forbidden)
        for row, piece, logprob in zip(self._rows, ids.tolist(), logprobs.tolist(), strict=True):
            row.last = piece
            row.ids.append(piece)
            row.logprobs.append(logprob)
        lengths = np.array([len(row.ids) for row in self._rows])
        limits = np.array([row.entry.work.max_length for row in self._rows])
        self._finish(np.flatnonzero(finished(ids, self._rules.eos, lengths, limits)).tolist())

    def _finish(self, slots: Sequence[int]) -> None:
        now = self._clock()
        for slot in slots:
            row = self._rows[slot]
            self._metrics.observe(MODEL_SECONDS, now - row.joined)
            self._queue.answer(row.entry, self._hypothesis(row, now))
        self._leave(slots)

    def _hypothesis(self, row: _Row, now: float) -> Hypothesis:
        ended = row.last == self._rules.eos
        ids = row.ids[:-1] if ended else row.ids
        waited = row.joined - row.entry.arrived
        return Hypothesis(tuple(ids), tuple(row.logprobs), not ended, waited, now - row.joined)

    def _leave(self, slots: Sequence[int]) -> None:
        """Highest first: the row that fills a hole then never is one that leaves too."""
        for slot in sorted(slots, reverse=True):
            self._engine.leave(slot)
            self._rows[slot] = self._rows[-1]
            self._rows.pop()


class _Budget:
    """Says yes to entries while the batch they would make stays within the rules."""

    def __init__(self, rules: DecodingRules, rows: int, longest: int) -> None:
        self._rules, self._rows, self._longest = rules, rows, longest

    def admits(self, entry: SourceEntry) -> bool:
        rows, longest = self._rows + 1, max(self._longest, entry.work.tokens)
        fits = rows <= self._rules.max_rows and rows * longest <= self._rules.max_tokens
        if fits or self._rows == 0:
            self._rows, self._longest = rows, longest
            return True
        return False
