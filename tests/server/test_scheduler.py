"""The thread of a model: it sleeps when idle, survives failures, and says so when it dies."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lingraft.server.batching import (
    ContinuousBatch,
    DecodingRules,
    Hypothesis,
    Scheduler,
    Source,
    WorkQueue,
)
from lingraft.server.errors import InternalError, ServerError, ShuttingDownError
from lingraft.server.metrics import Metrics

PATIENCE_S = 20.0
Row = Scheduler[Source, Hypothesis]


@contextmanager
def _scheduler(engine: Any, died: threading.Event) -> Iterator[Row]:
    metrics = Metrics()
    queue: WorkQueue[Source, Hypothesis] = WorkQueue(100, 1.0, metrics)
    rules = DecodingRules(engine.start, 0, (engine.start,), 4, 1_000)
    batch = ContinuousBatch(engine, queue, rules, metrics)
    scheduler: Row = Scheduler("test", queue, batch, lambda: 0.0)
    scheduler.start(died.set)
    yield scheduler
    scheduler.stop()


def _source(*words: int) -> Source:
    return Source((7, *words, 0), 50)


def test_rows_of_many_callers_are_answered_by_one_thread(
    echo_engine: Callable[..., Any],
) -> None:
    """Callers in many threads; each gets what it asked for."""
    with _scheduler(echo_engine(), threading.Event()) as scheduler:
        answers: dict[int, tuple[int, ...]] = {}

        def ask(number: int) -> None:
            (future,) = scheduler.submit([_source(number, number + 1)], math.inf)
            answers[number] = future.result(PATIENCE_S).ids

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(10, 40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert answers == {number: (number, number + 1) for number in range(10, 40)}


def test_a_failing_engine_does_not_stop_the_thread(echo_engine: Callable[..., Any]) -> None:
    """The rows of the batch fail; whoever comes next is served."""
    engine, died = echo_engine(), threading.Event()
    engine.broken = lambda rows: any(66 in row for row in rows)
    with _scheduler(engine, died) as scheduler:
        (bad,) = scheduler.submit([_source(66)], math.inf)
        assert isinstance(bad.exception(PATIENCE_S), InternalError)
        (good,) = scheduler.submit([_source(11)], math.inf)
        assert good.result(PATIENCE_S).ids == (11,)
    assert not died.is_set()


def test_stopping_fails_what_is_left_and_refuses_what_comes(
    echo_engine: Callable[..., Any],
) -> None:
    """Nobody waits for a thread that is gone."""
    with _scheduler(echo_engine(), threading.Event()) as scheduler:
        scheduler.stop()
        with pytest.raises(ShuttingDownError):
            scheduler.submit([_source(11)], math.inf)


class _DyingBatch:
    """A batch with a fault outside the engine."""

    def tick(self) -> bool:
        """Fails."""
        raise ZeroDivisionError("a fault in the scheduler itself")

    def abandon(self, error: ServerError) -> None:
        """Has nothing to fail."""


def test_a_thread_that_dies_tells_everybody() -> None:
    """Its waiting callers, whoever comes later, and the one who watches health."""
    queue: WorkQueue[Source, Hypothesis] = WorkQueue(100, 1.0, Metrics())
    scheduler: Row = Scheduler("test", queue, _DyingBatch(), lambda: 0.0)
    died = threading.Event()
    (waiting,) = scheduler.submit([_source(11)], math.inf)
    scheduler.start(died.set)
    assert died.wait(PATIENCE_S)
    assert isinstance(waiting.exception(PATIENCE_S), InternalError)
    with pytest.raises(InternalError):
        scheduler.submit([_source(12)], math.inf)
    scheduler.stop()
