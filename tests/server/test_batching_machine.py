"""Batching as a state machine: whatever comes in whatever order, each gets its own, once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
from lingraft.server.engines.base import Plan, Step
from lingraft.server.errors import (
    DeadlineExceededError,
    InternalError,
    MemoryCeilingError,
    QueueFullError,
)
from lingraft.server.metrics import ANSWERED, DROPPED, FAILED, Metrics
from lingraft.server.search.base import Foreseen, Found

MAX_ROWS, MAX_TOKENS, MAX_BYTES, MAX_QUEUED = 8, 240, 2_000, 12


class HashEngine:
    """What a row says next is a function of its source and of all that it was told so far.

    A step takes a second: `now` is the time.
    """

    pads = True

    def __init__(self, goes_ahead: bool = True) -> None:
        self.goes_ahead, self.now = goes_ahead, 0
        self.rows: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self.fails_at, self.failures = "", 0
        self.meanwhile: Callable[[], None] = lambda: None  # comes while a step runs

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
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        self.now += 1
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

    def ahead(self, piece: int, plan: Plan, halt: Any) -> list[Step]:
        """Steps as they would be asked for one by one."""
        steps: list[Step] = []
        end = self.now + plan.seconds
        while True:
            steps.append(self.step([piece], plan.candidates, late=True))
            piece = next((each for each in steps[-1].ids[0] if each not in plan.banned), plan.eos)
            over = halt[0] or self.now >= end
            if over or piece == plan.eos or len(steps) == plan.steps:
                self._maybe_fail("ahead")
                return steps

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

    With one row it takes probabilities late, and foresees some steps at a time.
    """

    def __init__(self, source: tuple[int, ...], steps: int, width: int) -> None:
        self.width = width
        self._source, self._steps = source, steps
        self._said: list[tuple[int, ...]] = [()] * width
        self._logprobs: list[float] = []
        self.late = self if width == 1 else None
        self._ask()

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
        self._ask()
        return parents if self._steps else None

    def found(self) -> tuple[Found, ...]:
        """Each row's own way, with the probabilities of the first one's best candidates."""
        told = tuple(self._logprobs)
        return tuple(Found(said, told, 0.0, truncated=False) for said in self._said)

    def foresee(self) -> Foreseen | None:
        """As long as it needs the same number of candidates; now and then nothing."""
        steps = min(self._steps, self._steps % 12 + 1)
        return None if self._steps % 7 == 0 else Foreseen(steps, frozenset(), -1)

    def normalise(self, places: Sequence[int], normalisers: Sequence[np.float32]) -> None:
        """Takes them off."""
        for place, normaliser in zip(places, normalisers, strict=True):
            self._logprobs[place] -= float(normaliser)

    def _ask(self) -> None:
        self.candidates = self.width + self._steps // 12 % 3


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

    goes_ahead = True

    def __init__(self) -> None:
        super().__init__()
        self.engine, self.metrics = HashEngine(self.goes_ahead), Metrics()
        self.due = math.inf  # when the batch has to look who is there, at the latest
        queue: WorkQueue[Source, Decoded] = WorkQueue(MAX_QUEUED, 1.0, self.metrics)
        self.queue = queue
        self.capacity = Capacity(MAX_ROWS, MAX_TOKENS, MAX_BYTES, self.engine.footprint)
        self.batch = ContinuousBatch(
            self.engine, queue, self.capacity, self.metrics, self.batch_time
        )
        self.scheduler = ThreadScheduler(
            "test", queue, self.batch, self.batch_time, self.capacity.screen
        )
        self.asked: list[Asked] = []
        self.numbers = iter(range(10, 10**9))

    def batch_time(self) -> float:
        """The fake clock."""
        return self.engine.now

    @rule(call=CALLS, bulk=st.booleans(), patience=st.one_of(st.none(), st.integers(1, 12)))
    def arrive(self, call: list[tuple[int, int, int]], bulk: bool, patience: int | None) -> None:
        """A call of some sentences; all are taken or none."""
        self._arrive(call, bulk, patience)

    @rule(steps=st.integers(6, 40), patience=st.one_of(st.none(), st.integers(3, 30)))
    def arrive_alone(self, steps: int, patience: int | None) -> None:
        """All others are served; then comes one sentence with one row."""
        while self._tick():
            pass
        self._arrive([(3, steps, 1)], False, patience)
        self._tick()

    @precondition(lambda self: self.engine.rows)
    @rule(call=CALLS, bulk=st.booleans())
    def arrive_meanwhile(self, call: list[tuple[int, int, int]], bulk: bool) -> None:
        """A call that comes while the next step runs."""
        self.engine.meanwhile = lambda: self._arrive(call, bulk, None)

    @precondition(lambda self: self.engine.rows)
    @rule(number=st.integers(0, 99))
    def cancel_meanwhile(self, number: int) -> None:
        """A caller of those who are in the batch goes away while the next step runs."""

        def cancel() -> None:
            running = [each for each in self.asked if self._runs(each)]
            running[number % len(running)].future.cancel()
            self.due = self.engine.now + 1

        self.engine.meanwhile = cancel

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A caller goes away."""
        data.draw(st.sampled_from(self.asked)).future.cancel()

    @rule(where=st.sampled_from(["join", "step", "ahead", "select", "normalisers"]))
    def break_engine(self, where: str) -> None:
        """The next call of one kind fails."""
        self.engine.fails_at = where

    @rule(times=st.integers(1, 6))
    def tick(self, times: int) -> None:
        """Steps are made; whoever comes, goes or expires meanwhile waits for one step at most."""
        for _ in range(times):
            self._tick()

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

    def _tick(self) -> bool:
        at_once = self._joins_at_once()
        alive = [each for each in self.asked if not each.future.done()]
        failures, self.due = self.engine.failures, math.inf
        is_busy = self.batch.tick()
        if not is_busy:
            self.engine.now += 1
        assert not any(each.is_waiting for each in at_once)
        assert self.engine.now <= self.due
        for each in alive:
            each.was_hit = each.was_hit or self.engine.failures > failures
            assert each.future.done() or self.engine.now < each.deadline + 1
        return is_busy

    def _arrive(self, call: list[tuple[int, int, int]], bulk: bool, patience: int | None) -> None:
        deadline = math.inf if patience is None else self.engine.now + patience
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
        self.due = self.engine.now + 1

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
            assert asked.deadline <= self.engine.now if is_late else asked.was_hit

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


class StepByStep(Batching):
    """The same with an engine that never goes ahead."""

    goes_ahead = False


StepByStep.TestCase.settings = settings(max_examples=20, stateful_step_count=50)
TestStepByStep = StepByStep.TestCase
