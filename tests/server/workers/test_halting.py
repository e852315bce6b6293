"""Whoever comes or goes halts a row that goes ahead, from another thread or another process."""

from __future__ import annotations

import math
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from lingraft.server.batching import (
    Capacity,
    ContinuousBatch,
    Decoded,
    Source,
    ThreadScheduler,
    WorkQueue,
)
from lingraft.server.bundle import SpecialIds
from lingraft.server.metrics import Metrics
from lingraft.server.search import SearchOptions, begin
from lingraft.server.workers import attend, say
from lingraft.server.workers.messages import (
    READ_BYTES,
    Cancel,
    Farewell,
    Frames,
    Progress,
    Put,
    Row,
    Stop,
)

PATIENCE_S = 20.0
SPECIAL = SpecialIds(eos=0, unk=1, pad=2, decoder_start=99_999)  # those of an echo engine
LONG = range(20, 60)


class UntilHalted:
    """An engine that goes ahead until it is halted, and then for one step; it waits `inside`."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.inside = engine, threading.Event()

    def ahead(self, piece: int, plan: Any, halt: Any) -> Any:
        """Waits for the halt."""
        self.inside.set()
        end = time.monotonic() + PATIENCE_S
        while not (halt[0] or (halt[1] >= 0 and select.select([halt[1]], [], [], 0)[0])):
            if time.monotonic() > end:
                raise RuntimeError("nobody halted it")
            time.sleep(0.001)
        self.inside.clear()
        return self.engine.ahead(piece, plan, np.array([1, -1], np.int32))

    def wait(self) -> None:
        """Until it goes ahead."""
        assert self.inside.wait(PATIENCE_S)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)


@pytest.fixture
def engine(echo_engine: Callable[..., Any]) -> UntilHalted:
    """Around one that says the source again."""
    return UntilHalted(echo_engine())


@pytest.fixture
def greedy(echo_source: Callable[..., Source]) -> Source:
    """A long sentence, searched for by a search that foresees."""
    source = echo_source(LONG)
    return replace(source, begin=partial(begin, SearchOptions(50), SPECIAL, len(source.ids)))


def _batch(engine: Any) -> tuple[WorkQueue[Source, Decoded], ContinuousBatch, Metrics]:
    metrics = Metrics()
    queue: WorkQueue[Source, Decoded] = WorkQueue(100, 0.5, metrics)
    capacity = Capacity(4, 1_000, 1_000, engine.footprint)
    return queue, ContinuousBatch(engine, queue, capacity, metrics), metrics


def test_a_row_in_a_thread_is_halted_by_whoever_comes_goes_or_stops(
    engine: UntilHalted, greedy: Source, echo_source: Callable[..., Source]
) -> None:
    """Each finds what it finds alone."""
    queue, batch, _ = _batch(engine)
    scheduler = ThreadScheduler("test", queue, batch, lambda: 0.0)
    scheduler.start(lambda: None)
    (first,) = scheduler.submit([greedy], math.inf)
    engine.wait()
    (second,) = scheduler.submit([echo_source([11, 12])], math.inf)
    assert second.result(PATIENCE_S).found[0].ids == (11, 12)
    engine.wait()
    assert first.cancel()
    (third,) = scheduler.submit([greedy], math.inf)
    engine.wait()
    scheduler.stop()
    assert third.exception(PATIENCE_S)
    assert engine.rows == []


@contextmanager
def _process(engine: Any) -> Iterator[socket.socket]:
    """The loop of a process in a thread, and the server's end of the socket to it."""
    end, theirs = socket.socketpair()
    queue, batch, metrics = _batch(engine)
    thread = threading.Thread(target=attend, args=(theirs, queue, batch, metrics))
    thread.start()
    with end, theirs:
        end.settimeout(PATIENCE_S)
        yield end
        thread.join(PATIENCE_S)


def _heard(end: socket.socket) -> Iterator[Any]:
    """All messages, until the last one that a process says."""
    frames = Frames()
    while True:
        for message in frames.take(end.recv(READ_BYTES)):
            yield message
            if isinstance(message, Farewell):
                return


def _answer(heard: Iterator[Any]) -> tuple[int, tuple[int, ...]]:
    """The next one: the number of its row, and the pieces."""
    progress = next(each for each in heard if isinstance(each, Progress) and each.answered)
    ((number, decoded),) = progress.answered
    return number, decoded.found[0].ids


def test_a_row_in_a_process_is_halted_by_whatever_the_server_says(
    engine: UntilHalted, greedy: Source, echo_source: Callable[..., Source]
) -> None:
    """Arrivals, cancellations, and the end."""
    with _process(engine) as end:
        heard = _heard(end)
        say(end, Put(0, [Row(0, greedy, 0.0, math.inf, False)], 1))
        engine.wait()
        say(end, Put(1, [Row(1, echo_source([11, 12]), 0.0, math.inf, False)], 1))
        assert _answer(heard) == (1, (11, 12))
        engine.wait()
        say(end, Cancel([0]))
        say(end, Put(2, [Row(2, echo_source([13]), 0.0, math.inf, False)], 1))
        assert _answer(heard) == (2, (13,))
        say(end, Put(3, [Row(3, greedy, 0.0, math.inf, False)], 1))
        engine.wait()
        say(end, Stop())
        assert isinstance(list(heard)[-1], Farewell)
    assert engine.rows == []
