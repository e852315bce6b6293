"""A scheduler whose batch is elsewhere keeps every promise of one that has it in a thread.

The other process is a thread here, with the loop, the queue and the batch that a process has.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from lingraft.server.batching import Capacity, ContinuousBatch, Decoded, Source, WorkQueue, gathered
from lingraft.server.errors import (
    DeadlineExceededError,
    InternalError,
    MemoryCeilingError,
    ModelDownError,
    QueueFullError,
    ShuttingDownError,
)
from lingraft.server.metrics import ANSWERED, REFUSED, STEPS, Metrics
from lingraft.server.workers import Bounds, ProcessScheduler, attend

PATIENCE_S = 20.0
_ALL = 1_000  # steps
_SWEEP_S = 0.06  # a full queue looks for the gone no more often
Row = ProcessScheduler[Source, Decoded]
SourceOf = Callable[..., Source]


class Paced:
    """An engine that makes as many steps as the test allows; in `inside` it waits to be let on."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.inside, self._allowed = engine, threading.Event(), threading.Semaphore(0)
        self.footprint, self.join, self.pads = engine.footprint, engine.join, engine.pads
        self.goes_ahead, self.ahead = engine.goes_ahead, partial(type(engine).ahead, self)
        self.select, self.clear = engine.select, engine.clear

    def step(self, input_ids: Any, candidates: int, late: bool = False) -> Any:
        """Waits, then steps."""
        self.inside.set()
        if not self._allowed.acquire(timeout=PATIENCE_S):
            raise RuntimeError("the test allowed no more steps")
        return self.engine.step(input_ids, candidates, late)

    def allow(self, steps: int) -> None:
        """Lets it make so many more."""
        self._allowed.release(steps)


class Attended:
    """A worker (`workers.process.Worker`) whose process is a thread around an engine."""

    def __init__(self, engine: Any, limit: int) -> None:
        self.end, self._theirs = socket.socketpair()
        self._limit = limit
        self._metrics, self._engine = Metrics(), engine
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def ending(self) -> str:
        """How it ended."""
        self._thread.join(PATIENCE_S)
        return "exit status 0"

    def kill(self) -> None:
        """From one moment to the next."""
        self._theirs.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Where nobody listens."""
        self.kill()
        self.end.close()

    def _run(self) -> None:
        queue: WorkQueue[Source, Decoded] = WorkQueue(self._limit, 0.5, self._metrics)
        capacity = Capacity(4, 1_000, 1_000, self._engine.footprint, 0.5)
        batch = ContinuousBatch(self._engine, queue, capacity, self._metrics)
        with self._theirs, contextlib.suppress(ConnectionError):
            attend(self._theirs, queue, batch, self._metrics)


class Desk:
    """A scheduler over an engine, and what became of both."""

    def __init__(self, engine: Any, limit: int = 1_000, last_step_s: float = PATIENCE_S) -> None:
        self.engine, self.metrics, self.died = engine, Metrics(), threading.Event()
        self.worker: Any = Attended(engine, limit)
        capacity = Capacity(4, 1_000, 1_000, engine.footprint, 0.5)
        self.scheduler: Row = ProcessScheduler(
            "test",
            self.worker,
            Bounds(limit, 0.5),
            self.metrics,
            time.monotonic,
            capacity.screen,
            last_step_s,
        )

    def run(self, work: Callable[[Row], Coroutine[Any, Any, None]]) -> None:
        """Lets `work` use the scheduler in an event loop, then stops it."""

        async def whole() -> None:
            self.scheduler.start(self.died.set)
            try:
                await work(self.scheduler)
            finally:
                await asyncio.to_thread(self.scheduler.stop)

        asyncio.run(asyncio.wait_for(whole(), PATIENCE_S))


async def _turns() -> None:
    """A few turns of the event loop: what was said goes out."""
    for _ in range(5):
        await asyncio.sleep(0)


async def _until(condition: Callable[[], bool]) -> None:
    """Waits for what the other side is about to do."""
    while not condition():
        await asyncio.sleep(0.002)


def test_rows_of_many_calls_get_what_they_asked_for(
    echo_engine: Callable[..., Any], echo_source: SourceOf
) -> None:
    """And what the process counted is counted here in the end."""
    desk = Desk(echo_engine())

    async def work(scheduler: Row) -> None:
        async def ask(number: int) -> tuple[int, ...]:
            future = scheduler.submit([echo_source([number, number + 1])], math.inf)
            return (await gathered(future))[0].found[0].ids

        answers = await asyncio.gather(*map(ask, range(10, 40)))
        assert answers == [(number, number + 1) for number in range(10, 40)]

    desk.run(work)
    assert desk.metrics.value(ANSWERED) == 30
    assert desk.metrics.value(STEPS) == desk.engine.steps
    assert not desk.died.is_set()


def test_a_row_that_is_taken_back_leaves_the_batch(
    echo_engine: Callable[..., Any], echo_source: SourceOf
) -> None:
    """Nobody decodes on for a caller who went away."""
    desk = Desk(Paced(echo_engine()))

    async def work(scheduler: Row) -> None:
        futures = scheduler.submit([echo_source([11] * 20), echo_source([12])], math.inf)
        await _until(desk.engine.inside.is_set)
        assert futures[0].cancel()
        await _turns()
        desk.engine.allow(_ALL)
        assert (await gathered(futures[1:]))[0].found[0].ids == (12,)
        await _until(lambda: not desk.engine.engine.rows)
        assert scheduler.waiting == 0

    desk.run(work)
    assert desk.engine.engine.steps <= 3


def test_a_full_queue_refuses_and_serves_those_who_wait(
    echo_engine: Callable[..., Any], echo_source: SourceOf
) -> None:
    """Those who run are not counted; those who were taken back make room."""
    desk = Desk(Paced(echo_engine()), limit=2)

    async def work(scheduler: Row) -> None:
        async def step() -> None:
            await _turns()
            before = desk.engine.engine.steps
            desk.engine.allow(1)
            await _until(lambda: desk.engine.engine.steps > before)

        running = scheduler.submit([echo_source([11] * 30) for _ in range(2)], math.inf)
        await _until(desk.engine.inside.is_set)
        running += scheduler.submit([echo_source([11] * 30) for _ in range(2)], math.inf)
        for _ in range(2):
            await step()
        assert scheduler.waiting == 0
        waiting = scheduler.submit([echo_source([12]), echo_source([13])], math.inf)
        for _ in range(2):  # one while they are on their way, one that hears of them
            await step()
        (refused,) = scheduler.submit([echo_source([14])], math.inf)
        for _ in range(2):
            await step()
        with pytest.raises(QueueFullError) as caught:
            await gathered([refused])
        assert caught.value.metadata == {"limit": "2", "waiting": "2", "asked": "1"}
        assert waiting[0].cancel()
        await asyncio.sleep(_SWEEP_S)
        late = scheduler.submit([echo_source([15])], math.inf)
        await _turns()
        desk.engine.allow(_ALL)
        answers = await gathered([*running, *waiting[1:], *late])
        assert [each.found[0].ids[0] for each in answers] == [11, 11, 11, 11, 13, 15]

    desk.run(work)
    assert desk.metrics.value(REFUSED) == 1


def test_no_more_rows_are_on_their_way_than_may_wait(
    echo_engine: Callable[..., Any], echo_source: SourceOf
) -> None:
    """While a process looks at nothing, callers who come and go do not fill the memory."""
    desk = Desk(Paced(echo_engine()), limit=1_024)

    async def work(scheduler: Row) -> None:
        first = scheduler.submit([echo_source([11])], math.inf)
        await _until(desk.engine.inside.is_set)
        for _ in range(1_023):
            (gone,) = scheduler.submit([echo_source([11])], math.inf)
            assert gone.cancel()
        with pytest.raises(QueueFullError) as caught:
            scheduler.submit([echo_source([12])], math.inf)
        assert caught.value.metadata == {"limit": "1024", "waiting": "1024", "asked": "1"}
        desk.engine.allow(_ALL)
        await _until(lambda: scheduler.waiting == 0)
        served = await gathered([*first, *scheduler.submit([echo_source([13])], math.inf)])
        assert [each.found[0].ids for each in served] == [(11,), (13,)]

    desk.run(work)
    assert desk.metrics.value(REFUSED) == 1


def test_what_the_model_may_never_take_is_refused_before_it_is_sent(
    echo_engine: Callable[..., Any], echo_source: SourceOf
) -> None:
    """With its call, as one."""
    desk = Desk(echo_engine())

    async def work(scheduler: Row) -> None:
        with pytest.raises(MemoryCeilingError):
            scheduler.submit([echo_source([11]), echo_source([12], most=998)], math.inf)
        assert scheduler.waiting == 0

    desk.run(work)
    assert desk.engine.joined == []


def test_errors_and_deadlines_come_back_as_they_are(
    echo_engine: Callable[..., Any], echo_source: SourceOf
) -> None:
    """A failing engine fails its rows; an expired row is told so."""
    engine = echo_engine()
    engine.broken = lambda rows: any(66 in row for row in rows)
    desk = Desk(engine)

    async def work(scheduler: Row) -> None:
        (bad,) = scheduler.submit([echo_source([66])], math.inf)
        with pytest.raises(InternalError):
            await gathered([bad])
        (late,) = scheduler.submit([echo_source([11])], time.monotonic())
        with pytest.raises(DeadlineExceededError):
            await gathered([late])
        (good,) = scheduler.submit([echo_source([12])], math.inf)
        assert (await gathered([good]))[0].found[0].ids == (12,)

    desk.run(work)


def test_a_large_call_holds_up_neither_the_event_loop_nor_small_ones(
    echo_engine: Callable[..., Any], echo_source: SourceOf
) -> None:
    """It is larger than the socket holds, and goes in parts; what is small goes between them."""
    desk = Desk(Paced(echo_engine()), limit=50_000)

    async def work(scheduler: Row) -> None:
        first = scheduler.submit([echo_source([11])], math.inf)
        await _until(desk.engine.inside.is_set)
        many = scheduler.submit([echo_source([12, 13]) for _ in range(5_000)], math.inf, bulk=True)
        for _ in range(10):
            await asyncio.sleep(0)  # would not come back if the loop waited for the socket
        small = scheduler.submit([echo_source([14])], math.inf)
        for future in many[5:2_500]:
            future.cancel()  # of some the process knows, of some it does not yet
        desk.engine.allow(_ALL)
        await gathered([*first, *small])
        assert not any(future.done() for future in many[:5])
        for future in many[2_500:]:
            future.cancel()
        answers = await gathered(many[:5])
        assert [each.found[0].ids for each in answers] == [(12, 13)] * 5

    desk.run(work)


@pytest.mark.parametrize("rows", [1, 300])
def test_a_call_that_cannot_be_sent_fails_alone(
    echo_engine: Callable[..., Any], echo_source: SourceOf, rows: int
) -> None:
    """With an error of ours, whatever else is sent in the same turn."""
    desk = Desk(echo_engine())

    async def work(scheduler: Row) -> None:
        good = scheduler.submit([echo_source([11])], math.inf)
        begin: Any = lambda: None  # noqa: E731 -- it cannot be pickled
        faulty = dataclasses.replace(echo_source([12]), begin=begin)
        with pytest.raises(InternalError):
            await gathered(
                scheduler.submit([*(echo_source([13]) for _ in range(rows - 1)), faulty], math.inf)
            )
        later = scheduler.submit([echo_source([14])], math.inf)
        answers = await gathered([*good, *later])
        assert [each.found[0].ids for each in answers] == [(11,), (14,)]
        await _until(lambda: scheduler.waiting == 0)

    desk.run(work)


def test_stopping_fails_what_is_left_and_refuses_what_comes(
    echo_engine: Callable[..., Any], echo_source: SourceOf
) -> None:
    """Nobody waits for a process that is gone."""
    desk = Desk(Paced(echo_engine()))

    async def work(scheduler: Row) -> None:
        futures = scheduler.submit([echo_source([11] * 9) for _ in range(6)], math.inf)
        await _until(desk.engine.inside.is_set)
        stopping = asyncio.create_task(asyncio.to_thread(scheduler.stop))
        await _until(lambda: scheduler.is_stopping)
        desk.engine.allow(_ALL)
        await stopping
        errors = [future.exception(0) for future in futures]
        assert all(isinstance(error, ShuttingDownError) for error in errors)
        with pytest.raises(ShuttingDownError):
            scheduler.submit([echo_source([12])], math.inf)

    desk.run(work)
    assert not desk.died.is_set()


def test_a_process_that_hangs_is_killed_in_the_end_and_nobody_waits_on(
    echo_engine: Callable[..., Any], echo_source: SourceOf
) -> None:
    """Its callers are told what others are told."""
    desk = Desk(Paced(echo_engine()), last_step_s=0.05)

    async def work(scheduler: Row) -> None:
        futures = scheduler.submit([echo_source([11]) for _ in range(6)], math.inf)
        await _until(desk.engine.inside.is_set)
        stopping = asyncio.create_task(asyncio.to_thread(scheduler.stop))
        with pytest.raises(ShuttingDownError):
            await gathered(futures)
        desk.engine.allow(_ALL)  # or its thread would outlive the test
        await stopping

    desk.run(work)


def test_whoever_runs_or_waits_when_the_process_dies_is_told_so(
    echo_engine: Callable[..., Any], echo_source: SourceOf, caplog: pytest.LogCaptureFixture
) -> None:
    """UNAVAILABLE for those who run, who wait, and who come later; and health hears of it."""
    desk = Desk(Paced(echo_engine()))

    async def work(scheduler: Row) -> None:
        futures = scheduler.submit([echo_source([11]) for _ in range(6)], math.inf)
        await _until(desk.engine.inside.is_set)
        desk.worker.kill()
        desk.engine.allow(_ALL)
        await _until(desk.died.is_set)
        errors = [future.exception(0) for future in futures]
        assert all(isinstance(error, ModelDownError) for error in errors)
        with pytest.raises(ModelDownError) as caught:
            scheduler.submit([echo_source([12])], math.inf)
        assert caught.value.retry_after_s == 0.5

    desk.run(work)
    assert "the process of model test died" in caplog.text
