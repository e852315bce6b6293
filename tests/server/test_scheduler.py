"""The thread of a model: it sleeps when idle, survives failures, and says so when it dies."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lingraft.server.batching import (
    Capacity,
    ContinuousBatch,
    Decoded,
    Source,
    ThreadScheduler,
    WorkQueue,
)
from lingraft.server.errors import (
    InternalError,
    MemoryCeilingError,
    ModelDownError,
    ServerError,
    ShuttingDownError,
)
from lingraft.server.metrics import Metrics

PATIENCE_S = 20.0
Row = ThreadScheduler[Source, Decoded]


@contextmanager
def _scheduler(engine: Any, died: threading.Event) -> Iterator[Row]:
    metrics = Metrics()
    queue: WorkQueue[Source, Decoded] = WorkQueue(100, 0.5, metrics)
    capacity = Capacity(4, 1_000, 100, engine.footprint, 0.5)
    batch = ContinuousBatch(engine, queue, capacity, metrics)
    scheduler: Row = ThreadScheduler("test", queue, batch, lambda: 0.0, capacity.screen)
    scheduler.start(died.set)
    yield scheduler
    scheduler.stop()


def test_rows_of_many_callers_are_answered_by_one_thread(
    echo_engine: Callable[..., Any], echo_source: Callable[..., Source]
) -> None:
    """Callers in many threads; each gets what it asked for."""
    with _scheduler(echo_engine(), threading.Event()) as scheduler:
        answers: dict[int, tuple[int, ...]] = {}

        def ask(number: int) -> None:
            (future,) = scheduler.submit([echo_source([number, number + 1])], math.inf)
            answers[number] = future.result(PATIENCE_S).found[0].ids

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(10, 40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert answers == {number: (number, number + 1) for number in range(10, 40)}


def test_a_failing_engine_does_not_stop_the_thread(
    echo_engine: Callable[..., Any], echo_source: Callable[..., Source]
) -> None:
    """The rows of the batch fail; whoever comes next is served."""
    engine, died = echo_engine(), threading.Event()
    engine.broken = lambda rows: any(66 in row for row in rows)
    with _scheduler(engine, died) as scheduler:
        (bad,) = scheduler.submit([echo_source([66])], math.inf)
        assert isinstance(bad.exception(PATIENCE_S), InternalError)
        (good,) = scheduler.submit([echo_source([11])], math.inf)
        assert good.result(PATIENCE_S).found[0].ids == (11,)
    assert not died.is_set()


def test_stopping_fails_what_is_left_and_refuses_what_comes(
    echo_engine: Callable[..., Any], echo_source: Callable[..., Source]
) -> None:
    """Nobody waits for a thread that is gone."""
    with _scheduler(echo_engine(), threading.Event()) as scheduler:
        scheduler.stop()
        with pytest.raises(ShuttingDownError):
            scheduler.submit([echo_source([11])], math.inf)


def test_a_text_over_the_memory_ceiling_is_refused_with_its_call(
    echo_engine: Callable[..., Any], echo_source: Callable[..., Source]
) -> None:
    """At once, with the sizes and the time to come back; the rest of the call does not run."""
    engine = echo_engine()
    with _scheduler(engine, threading.Event()) as scheduler:
        with pytest.raises(MemoryCeilingError) as caught:
            scheduler.submit([echo_source([11]), echo_source([12], most=98)], math.inf)
        assert scheduler.waiting == 0
    assert caught.value.retry_after_s == 0.5
    assert caught.value.metadata == {
        "rows": "1",
        "max_rows": "4",
        "bytes": "101",
        "max_bytes": "100",
    }
    assert engine.joined == []


class _Fatal(BaseException):
    """What no guard catches."""


@pytest.mark.parametrize("where", ["join", "step", "select"])
def test_whoever_runs_or_waits_when_the_thread_dies_is_told_so(
    echo_engine: Callable[..., Any],
    echo_source: Callable[..., Source],
    where: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """UNAVAILABLE for those who run, who wait, and who come later; and health hears of it."""
    engine, died = echo_engine(), threading.Event()

    def fail(*_: Any) -> Any:
        raise _Fatal("the end")

    setattr(engine, where, fail)
    with _scheduler(engine, died) as scheduler:
        futures = scheduler.submit([echo_source([11] * (1 + n % 3)) for n in range(9)], math.inf)
        errors = [future.exception(PATIENCE_S) for future in futures]
        answered = errors.count(None)
        assert (answered > 0) == (where == "select")
        assert sum(isinstance(error, ModelDownError) for error in errors) == 9 - answered
        assert died.wait(PATIENCE_S)
        with pytest.raises(ModelDownError) as caught:
            scheduler.submit([echo_source([12])], math.inf)
    assert caught.value.retry_after_s == 0.5
    assert "died" in caplog.text


class _DyingBatch:
    """A batch with a fault outside the engine."""

    def tick(self) -> bool:
        """Fails."""
        raise ZeroDivisionError("a fault in the scheduler itself")

    def abandon(self, error: ServerError) -> None:
        """Has nothing to fail."""


def test_a_thread_that_dies_tells_everybody(echo_source: Callable[..., Source]) -> None:
    """Its waiting callers, whoever comes later, and the one who watches health."""
    queue: WorkQueue[Source, Decoded] = WorkQueue(100, 1.0, Metrics())
    scheduler: Row = ThreadScheduler("test", queue, _DyingBatch(), lambda: 0.0)
    died = threading.Event()
    (waiting,) = scheduler.submit([echo_source([11])], math.inf)
    scheduler.start(died.set)
    assert died.wait(PATIENCE_S)
    assert isinstance(waiting.exception(PATIENCE_S), ModelDownError)
    with pytest.raises(ModelDownError):
        scheduler.submit([echo_source([12])], math.inf)
    scheduler.stop()
