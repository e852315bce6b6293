"""Encoding newcomers: in passes of like lengths, and never for long while others run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from lingraft.server.batching import Capacity, ContinuousBatch, Decoded, Entry, Source, WorkQueue
from lingraft.server.metrics import Metrics

MS = 1e-3


@pytest.fixture
def desk(
    echo_engine: Callable[..., Any], echo_source: Callable[..., Source], clock: Any
) -> Callable[..., Any]:
    """Makes an engine that encodes a piece in a millisecond, a batch, and a way to submit."""

    def make(encode_s: float) -> Any:
        engine = echo_engine()
        join = engine.join

        def slow(sources: Any, widths: Any) -> None:
            clock.advance(MS * len(sources) * max(map(len, sources)))
            join(sources, widths)

        engine.join = slow
        queue: WorkQueue[Source, Decoded] = WorkQueue(1_000, 1.0, Metrics())
        capacity = Capacity(64, 10**6, 10**9, engine.footprint)
        batch = ContinuousBatch(engine, queue, capacity, Metrics(), clock, encode_s)

        def put(lengths: Iterable[int], bulk: bool = False) -> None:
            sources = [echo_source([11] * (length - 2)) for length in lengths]
            queue.put([Entry(each, clock.now, bulk=bulk) for each in sources], clock.now)

        return engine, batch, put

    return make


def test_newcomers_are_encoded_in_passes_of_like_lengths(desk: Callable[..., Any]) -> None:
    """Little padding, and no more than 256 pieces in a pass."""
    engine, batch, put = desk(1.0)
    put([60, 5, 58, 6, 57, 59, 61, 7, 120, 5])
    batch.tick()
    assert engine.joined == [[5, 5, 6, 7], [57, 58, 59, 60], [61], [120]]


def test_newcomers_of_any_lengths_share_a_pass_where_nothing_is_padded(
    desk: Callable[..., Any],
) -> None:
    """Only the number of pieces bounds it."""
    engine, batch, put = desk(1.0)
    engine.pads = False
    put([60, 5, 58, 6, 57, 59, 61, 7, 120, 5])
    batch.tick()
    assert engine.joined == [[5, 5, 6, 7, 57, 58, 59], [60, 61, 120]]


def test_a_few_short_newcomers_share_a_pass_with_some_padding(desk: Callable[..., Any]) -> None:
    """A pass reads all weights of the encoder: that costs more than a few pieces of padding."""
    engine, batch, put = desk(1.0)
    put([3, 12, 20])
    batch.tick()
    assert engine.joined == [[3, 12, 20]]


def test_running_rows_are_never_held_up_longer_than_the_bound(
    desk: Callable[..., Any], clock: Any
) -> None:
    """20 ms are two newcomers of 10 pieces, at a millisecond each."""
    engine, batch, put = desk(20 * MS)
    put([40])
    batch.tick()
    put([10] * 7)
    stalls = []
    for _ in range(4):
        before = clock.now
        batch.tick()
        stalls.append(clock.now - before)
    assert stalls == pytest.approx([20 * MS, 20 * MS, 20 * MS, 10 * MS])
    assert len(engine.rows) == 8


def test_a_newcomer_longer_than_the_bound_joins_alone(desk: Callable[..., Any]) -> None:
    """It could never join otherwise."""
    engine, batch, put = desk(20 * MS)
    put([40])
    batch.tick()
    put([50, 50])
    batch.tick()
    batch.tick()
    assert engine.joined == [[40], [50], [50]]


def test_nobody_is_held_up_when_nothing_runs(desk: Callable[..., Any]) -> None:
    """Then all newcomers that fit are encoded at once."""
    engine, batch, put = desk(20 * MS)
    put([50] * 12)
    batch.tick()
    assert len(engine.rows) == 12


def test_bulk_newcomers_keep_to_the_bound_even_then(desk: Callable[..., Any]) -> None:
    """Interactive work may come at any moment, and must not wait for a long encoding."""
    engine, batch, put = desk(20 * MS)
    put([10])
    while batch.tick():
        pass
    put([10] * 12, bulk=True)
    batch.tick()
    assert engine.joined == [[10], [10, 10]]
