"""Whole batches of documents of about the same length; each gets its own scores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingraft.server.batching import (
    Document,
    Entry,
    LengthBuckets,
    Scores,
    WorkQueue,
    document_bucket,
)
from lingraft.server.errors import DeadlineExceededError, InternalError, ShuttingDownError
from lingraft.server.metrics import Metrics


class Bench:
    """A batch with everything around it, driven by hand."""

    def __init__(self, engine: Any, clock: Any, rows: int = 8, tokens: int = 1_000) -> None:
        self.engine, self.clock = engine, clock
        self.queue: WorkQueue[Document, Scores] = WorkQueue(1_000, 1.0, Metrics(), document_bucket)
        self.batch = LengthBuckets(engine, self.queue, rows, tokens, Metrics(), clock)

    def put(self, length: int, **options: Any) -> Future[Scores]:
        """Submits a document of so many pieces."""
        entry: Entry[Document, Scores] = Entry(Document((5,) * length), self.clock(), **options)
        self.queue.put([entry], self.clock())
        return entry.future

    def run(self) -> None:
        """Ticks until nothing is left."""
        while self.batch.tick():
            pass


@pytest.fixture
def bench(length_engine: Callable[[], Any], clock: Any) -> Callable[..., Bench]:
    """Makes a bench with a fake engine and a clock that stands still."""
    return lambda **options: Bench(length_engine(), clock, **options)


def test_documents_of_a_length_share_a_batch(bench: Callable[..., Bench]) -> None:
    """Long ones do not make short ones pay for their padding."""
    table = bench()
    for length in (3, 200, 5, 198, 4):
        table.put(length)
    table.run()
    assert table.engine.batches == [[3, 5, 4], [200, 198]]


def test_the_oldest_document_always_goes(bench: Callable[..., Bench]) -> None:
    """Whatever length is in fashion, nobody starves."""
    table = bench()
    old = table.put(200)
    for _ in range(3):
        table.put(3)
    table.batch.tick()
    assert old.result(0).logits == (200.0, -200.0)


def test_a_batch_keeps_to_its_rows_and_tokens(bench: Callable[..., Bench]) -> None:
    """Rows, and rows times padded length."""
    table = bench(rows=3, tokens=64)
    for _ in range(7):
        table.put(10)
    table.put(30)
    table.put(31)
    table.put(100)
    table.run()
    assert table.engine.batches == [[10] * 3, [10] * 3, [10, 30], [31], [100]]


def test_a_failing_batch_fails_its_documents_only(bench: Callable[..., Bench]) -> None:
    """The next ones are classified as ever."""
    table = bench()
    first = table.put(3)
    table.engine.broken = True
    table.run()
    table.engine.broken = False
    second = table.put(4)
    table.run()
    assert isinstance(first.exception(0), InternalError)
    assert second.result(0).logits == (4.0, -4.0)


def test_documents_of_those_who_left_are_not_classified(
    bench: Callable[..., Bench], clock: Any
) -> None:
    """Cancelled and expired ones are dropped on the way into a batch."""
    table = bench()
    gone, late, there = table.put(3), table.put(3, deadline=1.0), table.put(3)
    gone.cancel()
    clock.advance(1.0)
    table.run()
    assert table.engine.batches == [[3]]
    assert isinstance(late.exception(0), DeadlineExceededError)
    assert there.done()


def test_abandoning_an_idle_batch_is_no_fault(bench: Callable[..., Bench]) -> None:
    """Shutdown calls it in any case."""
    table = bench()
    table.batch.abandon(ShuttingDownError("bye"))
    assert table.batch.tick() is False


def test_interactive_documents_go_before_bulk_ones(bench: Callable[..., Bench]) -> None:
    """Bulk work fills what room is left, and waits otherwise."""
    table = bench(rows=2)
    for length in (50, 51, 52):
        table.put(length, bulk=True)
    table.put(53)
    table.run()
    assert table.engine.batches == [[53, 50], [51, 52]]


def test_bulk_work_begins_every_eighth_batch(bench: Callable[..., Bench]) -> None:
    """However much interactive work waits, bulk work does not starve."""
    table = bench(rows=1)
    bulk = table.put(9, bulk=True)
    for _ in range(20):
        table.put(7)
    ticks = 0
    while not bulk.done():
        table.batch.tick()
        ticks += 1
    assert ticks == 8


def test_an_odd_length_is_not_left_behind(bench: Callable[..., Bench]) -> None:
    """Others of a length in fashion keep coming; the odd one goes when it is the oldest."""
    table = bench(rows=2)
    table.put(7)
    odd = table.put(300)
    for _ in range(4):
        table.put(7)
        table.batch.tick()
    assert odd.done()


@given(lengths=st.lists(st.integers(1, 150), max_size=40), tokens=st.integers(1, 600))
def test_padding_stays_small(
    length_engine: Callable[[], Any], lengths: list[int], tokens: int
) -> None:
    """An eighth of a batch's positions, or no more than what another run would cost."""
    table = Bench(length_engine(), lambda: 0.0, 32, tokens)
    for length in lengths:
        table.put(length)
    table.run()
    for batch in table.engine.batches:
        positions = len(batch) * max(batch)
        assert positions - sum(batch) <= max(32, positions // 8)
        assert positions <= tokens or len(batch) == 1


@given(
    arrivals=st.lists(
        st.tuples(st.integers(1, 99), st.booleans(), st.sampled_from(("stays", "leaves", "late"))),
        max_size=60,
    ),
    together=st.integers(1, 9),
)
def test_nobody_is_lost_and_nobody_answered_twice(
    length_engine: Callable[[], Any], arrivals: list[tuple[int, bool, str]], together: int
) -> None:
    """Whoever stays gets the scores of their own document, in whatever order all of them come."""
    table = Bench(length_engine(), lambda: 5.0, 4, 100)
    put = []
    for number, (length, bulk, fate) in enumerate(arrivals):
        deadline = 1.0 if fate == "late" else 9.0
        put.append((length, fate, table.put(length, bulk=bulk, deadline=deadline)))
        if fate == "leaves":
            put[-1][2].cancel()
        if number % together == 0:
            table.batch.tick()
    table.run()
    for length, fate, future in put:
        if fate == "stays":
            assert future.result(0).logits[0] == length
        elif fate == "late":
            assert isinstance(future.exception(0), DeadlineExceededError)
        else:
            assert future.cancelled()
    stayed = sorted(length for length, fate, _ in put if fate == "stays")
    assert sorted(length for batch in table.engine.batches for length in batch) == stayed


@given(lengths=st.lists(st.integers(1, 99), max_size=40), rows=st.integers(1, 9))
def test_each_document_gets_its_own_scores(
    length_engine: Callable[[], Any], lengths: list[int], rows: int
) -> None:
    """Sorting into buckets mixes up the order of work, never whose answer is whose."""
    table = Bench(length_engine(), lambda: 0.0, rows, tokens=200)
    futures = [table.put(length) for length in lengths]
    table.run()
    assert [future.result(0).logits[0] for future in futures] == lengths
    assert all(len(batch) <= rows for batch in table.engine.batches)
