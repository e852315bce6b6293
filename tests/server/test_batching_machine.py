"""Batching as a state machine: whatever comes in whatever order, each gets its own, once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lingraft.server.batching import (
    Capacity,
    ContinuousBatch,
    Decoded,
    Source,
    ThreadScheduler,
    WorkQueue,
)
from lingraft.server.batching.capacity import Shape, shape_of, shape_of_all
from lingraft.server.engines.base import Step
from lingraft.server.errors import (
    DeadlineExceededError,
    InternalError,
    MemoryCeilingError,
    QueueFullError,
)
from lingraft.server.metrics import ANSWERED, DROPPED, FAILED, Metrics
from lingraft.server.search.base import Found

MAX_ROWS, MAX_TOKENS, MAX_BYTES, MAX_QUEUED = 8, 240, 2_000, 12


class HashEngine:
    """What a row says next is a function of its source and of all that it was told so far."""

    pads = True

    def __init__(self) -> None:
        self.rows: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self.fails_at, self.failures = "", 0

    def footprint(self, rows: int, source_tokens: int, target_tokens: int) -> int:
        """Targets take twice as much as sources."""
        return rows * (source_tokens + 2 * target_tokens) * 8

    def join(self, sources: Sequence[Sequence[int]], widths: Sequence[int]) -> None:
        """Puts rows at the end."""
        self._maybe_fail("join")
        for source, width in zip(sources, widths, strict=True):
            self.rows += [(tuple(source), ())] * width

    def step(self, input_ids: Sequence[int], candidates: int, late: bool = False) -> Step:
        """Hashes; the alignment is even over the source; where they may, 3 in 4 steps are late."""
        self._maybe_fail("step")
        assert len(input_ids) == len(self.rows)
        told = zip(self.rows, input_ids, strict=True)
        self.rows = [(source, (*history, piece)) for (source, history), piece in told]
        ids = [[hash((row, rank)) % 9_973 for rank in range(candidates)] for row in self.rows]
        longest = max(len(source) for source, _ in self.rows) + 3
        shares = np.zeros((len(self.rows), longest), np.float32)
        for share, (source, _) in zip(shares, self.rows, strict=True):
            share[: len(source)] = 1 / len(source)
        logprobs = [[-float(each) for each in row] for row in ids]
        lacks = hash(tuple(self.rows)) % 1_000 if late else 0
        if lacks % 4 == 0:
            return Step(ids, logprobs, shares)
        unscored = np.full((len(ids), 1), lacks, np.float32)
        return Step(ids, [[each + lacks for each in row] for row in logprobs], shares, unscored)

    def normalisers(self, unscored: Sequence[Any]) -> list[np.float32]:
        """What was lacking."""
        self._maybe_fail("normalisers")
        return [hidden[0] for hidden in unscored]

    def select(self, parents: Sequence[int]) -> None:
        """Rows go on from others."""
        self._maybe_fail("select")
        self.rows = [self.rows[parent] for parent in parents]

    def clear(self) -> None:
        """Forgets all rows."""
        self.rows = []

    def _maybe_fail(self, where: str) -> None:
        if self.fails_at == where:
            self.fails_at = ""
            self.failures += 1
            raise RuntimeError(f"{where} is broken")


class WeavingSearch:
    """Its rows go on from one another as the pieces tell; `steps` long.

    With one row it takes probabilities late.
    """

    def __init__(self, source: tuple[int, ...], steps: int, width: int) -> None:
        self.width, self.candidates = width, width
        self._source, self._steps = source, steps
        self._said: list[tuple[int, ...]] = [()] * width
        self._logprobs: list[float] = []
        self.late = self if width == 1 else None

    def inputs(self) -> list[int]:
        """What each row said last."""
        return [said[-1] if said else 1 for said in self._said]

    def advance(self, ids: Any, logprobs: Any, alignment: Any) -> list[int] | None:
        """Each goes on from a row that its best candidate names, with a piece of its own."""
        assert [len(row) for row in ids] == [len(row) for row in logprobs]
        assert alignment.shape == (self.width, len(self._source))
        assert np.allclose(alignment.sum(axis=1), 1)
        parents = [(row[0] + rank) % self.width for rank, row in enumerate(ids)]
        self._said = [
            (*self._said[parent], ids[parent][rank]) for rank, parent in enumerate(parents)
        ]
        self._logprobs.append(logprobs[0][0])
        self._steps -= 1
        self.candidates = self.width + self._steps % 3
        return parents if self._steps else None

    def found(self) -> tuple[Found, ...]:
        """Each row's own way, with the probabilities of the first one's best candidates."""
        told = tuple(self._logprobs)
        return tuple(Found(said, told, 0.0, truncated=False) for said in self._said)

    def normalise(self, places: Sequence[int], normalisers: Sequence[np.float32]) -> None:
        """Takes them off."""
        for place, normaliser in zip(places, normalisers, strict=True):
            self._logprobs[place] -= float(normaliser)


@cache
def alone(ids: tuple[int, ...], steps: int, width: int) -> tuple[Found, ...]:
    """What a sentence must be answered with: the same search, alone with an engine."""
    engine, search = HashEngine(), WeavingSearch(ids, steps, width)
    engine.join([ids], [width])
    while True:
        step = engine.step(search.inputs(), search.candidates)
        shares = step.alignment
        assert shares is not None
        parents = search.advance(step.ids, step.logprobs, shares[:, : len(ids)])
        if parents is None:
            return search.found()
        engine.select(parents)


@dataclass(eq=False)
class Asked:
    """A sentence on its way."""

    source: Source
    bulk: bool
    deadline: float
    future: Any = None
    has_begun: bool = False
    was_hit: bool = False  # the engine failed while it was on its way

    @property
    def is_waiting(self) -> bool:
        """Whether it stands in the queue."""
        return not self.has_begun and not self.future.done()


SENTENCES = st.tuples(st.integers(1, 24), st.integers(1, 12), st.integers(1, 4))
CALLS = st.lists(SENTENCES, min_size=1, max_size=5)


class Batching(RuleBasedStateMachine):
    """Calls arrive, are cancelled, expire; engines fail; steps are made."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.engine, self.metrics = HashEngine(), Metrics()
        queue: WorkQueue[Source, Decoded] = WorkQueue(MAX_QUEUED, 1.0, self.metrics)
        self.queue = queue
        self.capacity = Capacity(MAX_ROWS, MAX_TOKENS, MAX_BYTES, self.engine.footprint)
        self.batch = ContinuousBatch(
            self.engine, queue, self.capacity, self.metrics, lambda: self.now
        )
        self.scheduler = ThreadScheduler(
            "test", queue, self.batch, self.batch_time, self.capacity.screen
        )
        self.asked: list[Asked] = []
        self.numbers = iter(range(10, 10**9))

    def batch_time(self) -> float:
        """The fake clock."""
        return self.now

    @rule(call=CALLS, bulk=st.booleans(), patience=st.one_of(st.none(), st.integers(1, 12)))
    def arrive(self, call: list[tuple[int, int, int]], bulk: bool, patience: int | None) -> None:
        """A call of some sentences; all are taken or none."""
        deadline = math.inf if patience is None else self.now + patience
        asked = [self._sentence(*sentence, bulk, deadline) for sentence in call]
        waiting = len(self.queue)
        try:
            futures = self.scheduler.submit([each.source for each in asked], deadline, bulk)
        except QueueFullError:
            assert waiting + len(asked) > MAX_QUEUED
            return
        except MemoryCeilingError:
            shapes = [shape_of(each.source) for each in asked]
            assert not all(self.capacity.is_possible(shape) for shape in shapes)
            return
        for each, future in zip(asked, futures, strict=True):
            each.future = future
        self.asked += asked

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A caller goes away."""
        data.draw(st.sampled_from(self.asked)).future.cancel()

    @rule(where=st.sampled_from(["join", "step", "select", "normalisers"]))
    def break_engine(self, where: str) -> None:
        """The next call of one kind fails."""
        self.engine.fails_at = where

    @rule(times=st.integers(1, 6))
    def tick(self, times: int) -> None:
        """Steps are made, a second each."""
        for _ in range(times):
            at_once = self._joins_at_once()
            alive = [each for each in self.asked if not each.future.done()]
            failures = self.engine.failures
            self.batch.tick()
            assert not any(each.is_waiting for each in at_once)
            for each in alive:
                each.was_hit = each.was_hit or self.engine.failures > failures
            self.now += 1

    @invariant()
    def the_batch_keeps_to_its_limits(self) -> None:
        """Rows, bytes, and tokens unless a sentence is alone."""
        running = [each.source for each in self.asked if self._runs(each)]
        shape = shape_of_all(running)
        assert self.capacity.is_possible(shape)
        assert len(running) < 2 or self.capacity.holds(shape)
        assert len(self.queue) <= MAX_QUEUED

    def teardown(self) -> None:
        """Every caller has an answer of its own, or a reason, or has gone away."""
        self.engine.fails_at = ""
        for _ in range(2_000):
            if not self.batch.tick():
                break
        assert self.engine.rows == []
        assert len(self.queue) == 0
        for each in self.asked:
            assert each.future.done()
            self._check(each)
        settled = [self.metrics.value(name) for name in (ANSWERED, FAILED, DROPPED)]
        assert sum(settled) == len(self.asked)

    def _check(self, asked: Asked) -> None:
        if asked.future.cancelled():
            return
        error = asked.future.exception(0)
        if error is None:
            source = asked.source
            expected = alone(source.ids, source.max_length, source.width)
            assert asked.future.result(0).found == expected
        else:
            assert isinstance(error, DeadlineExceededError | InternalError)
            is_late = isinstance(error, DeadlineExceededError)
            assert asked.deadline <= self.now if is_late else asked.was_hit

    def _sentence(self, length: int, steps: int, width: int, bulk: bool, deadline: float) -> Asked:
        ids = tuple(next(self.numbers) for _ in range(length))

        def begin() -> WeavingSearch:
            asked.has_begun = True
            return WeavingSearch(ids, steps, width)

        source = Source(ids, steps, begin, width)
        asked = Asked(source, bulk, deadline)
        return asked

    def _runs(self, asked: Asked) -> bool:
        return asked.has_begun and not asked.future.done()

    def _joins_at_once(self) -> list[Asked]:
        """Interactive sentences that wait, if the reserve holds them and all that run."""
        alive = [each for each in self.asked if not each.future.done()]
        people = [each for each in alive if not self._in_bulk_lane(each)]
        together: Shape = shape_of_all(each.source for each in people)
        return people if together.within(self.capacity.reserve) else []

    def _in_bulk_lane(self, asked: Asked) -> bool:
        return self.capacity.screen([asked.source], asked.bulk) == [True]


Batching.TestCase.settings = settings(max_examples=60, stateful_step_count=50)
TestBatching = Batching.TestCase
