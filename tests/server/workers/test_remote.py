"""A scheduler whose batch is elsewhere keeps every promise of one that has it in a thread.

The other process is a thread here, with the loop, the queue and the batch that a process has.
"""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import time
from collections.abc import Callable, Coroutine
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
Row = ProcessScheduler[Source, Decoded]
SourceOf = Callable[..., Source]


class Paced:
    """An engine that makes as many steps as the test allows; in `inside` it waits to be let on."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.inside, self._allowed = engine, threading.Event(), threading.Semaphore(0)
        self.footprint, self.join = engine.footprint, engine.join
        self.select, self.clear = engine.select, engine.clear

    def step(self, input_ids: Any, candidates: int) -> Any:
        """Waits, then steps."""
        self.inside.set()
        if not self._allowed.acquire(timeout=PATIENCE_S):
            raise RuntimeError("the test allowed no more steps")
        return self.engine.step(input_ids, candidates)

    def allow(self, steps: int) -> None:
        """Lets it make so many more."""
        self._allowed.release(steps)


class Attended:
    """A worker (`workers.process.Worker`) whose process is a thread around an engine."""

    def __init__(self, engine: Any) -> None:
        self.end, self._theirs = socket.socketpair()
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

    def _run(self) -> None:
        queue: WorkQueue[Source, Decoded] = WorkQueue(1_000, 0.5, self._metrics)
        capacity = Capacity(4, 1_000, 1_000, self._engine.footprint, 0.5)
        batch = ContinuousBatch(self._engine, queue, capacity, self._metrics)
        with self._theirs:
            attend(self._theirs, queue, batch, self._metrics)


class Desk:
    """A scheduler over an engine, and what became of both."""

    def __init__(self, engine: Any, limit: int = 1_000) -> None:
        self.engine, self.metrics, self.died = engine, Metrics(), threading.Event()
        self.worker: Any = Attended(engine)
        capacity = Capacity(4, 1_000, 1_000, engine.footprint, 0.5)
        self.scheduler: Row = ProcessScheduler(
            "test", self.worker, Bounds(limit, 0.5), self.metrics, time.monotonic, capacity.screen
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
        await asyncio.sleep(0)  # the message goes out
        desk.engine.allow(_ALL)
        assert (await gathered(futures[1:]))[0].found[0].ids == (12,)
        await _until(lambda: not desk.engine.engine.rows)
        assert scheduler.waiting == 0

    desk.run(work)
    assert desk.engine.engine.steps <= 3


def test_a_full_queue_refuses_at_once_and_serves_those_who_wait(
    echo_engine: Callable[..., Any], echo_source: SourceOf
) -> None:
    """Those who run are not counted; those who were taken back make room."""
    desk = Desk(Paced(echo_engine()), limit=2)

    async def work(scheduler: Row) -> None:
        running = scheduler.submit([echo_source([11]) for _ in range(4)], math.inf)
        desk.engine.allow(1)
        await _until(lambda: scheduler.waiting == 0)
        waiting = scheduler.submit([echo_source([12]), echo_source([13])], math.inf)
        with pytest.raises(QueueFullError) as caught:
            scheduler.submit([echo_source([14])], math.inf)
        assert caught.value.metadata == {"limit": "2", "waiting": "2", "asked": "1"}
        assert waiting[0].cancel()
        late = scheduler.submit([echo_source([15])], math.inf)
        desk.engine.allow(_ALL)
        answers = await gathered([*running, *waiting[1:], *late])
        assert [each.found[0].ids[0] for each in answers] == [11, 11, 11, 11, 13, 15]

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


def test_a_call_larger_than_the_socket_holds_does_not_stop_the_event_loop(
    echo_engine: Callable[..., Any], echo_source: SourceOf
) -> None:
    """While the model is at its step, nobody reads what is sent."""
    desk = Desk(Paced(echo_engine()), limit=50_000)

    async def work(scheduler: Row) -> None:
        first = scheduler.submit([echo_source([11])], math.inf)
        await _until(desk.engine.inside.is_set)
        many = scheduler.submit([echo_source([12, 13]) for _ in range(5_000)], math.inf)
        for _ in range(10):
            await asyncio.sleep(0)  # would not come back if the loop waited for the socket
        for future in many[5:]:
            future.cancel()
        desk.engine.allow(_ALL)
        answers = await gathered([*first, *many[:5]])
        assert [each.found[0].ids for each in answers] == [(11,)] + [(12, 13)] * 5

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
