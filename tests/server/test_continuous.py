"""Continuous batching: rows join and leave at every step, and each gets its own answer, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingraft.server.batching import (
    ContinuousBatch,
    DecodingRules,
    Entry,
    Hypothesis,
    Source,
    WorkQueue,
)
from lingraft.server.errors import DeadlineExceededError, InternalError, ShuttingDownError
from lingraft.server.metrics import ANSWERED, STEPS, Metrics

TAG, EOS = 7, 0
SourceEntry = Entry[Source, Hypothesis]


@dataclass
class Bench:
    """A batch with everything around it, driven by hand."""

    engine: Any
    clock: Any
    max_rows: int = 4
    max_tokens: int = 10_000
    limit: int = 1_000
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.queue: WorkQueue[Source, Hypothesis] = WorkQueue(self.limit, 1.0, self.metrics)
        start = self.engine.start
        rules = DecodingRules(start, EOS, (start,), self.max_rows, self.max_tokens)
        self.batch = ContinuousBatch(self.engine, self.queue, rules, self.metrics, self.clock)

    def put(self, words: Sequence[int], most: int = 50, **options: Any) -> SourceEntry:
        """Submits a sentence of these pieces."""
        entry: SourceEntry = Entry(Source((TAG, *words, EOS), most), self.clock.now, **options)
        self.queue.put([entry], self.clock.now)
        return entry

    def run(self, most: int = 10_000) -> int:
        """Ticks until nothing is left; the number of ticks that did something."""
        for ticks in range(most):
            if not self.batch.tick():
                return ticks
        raise AssertionError("the batch does not come to an end")


@pytest.fixture
def bench(echo_engine: Callable[..., Any], clock: Any) -> Callable[..., Bench]:
    """Makes a bench with a fake engine and a clock that stands still."""
    return lambda **options: Bench(echo_engine(), clock, **options)


def test_a_row_is_decoded_to_its_end(bench: Callable[..., Bench]) -> None:
    """The end is not part of the ids, but its probability is part of the score."""
    table = bench()
    entry = table.put([11, 12])
    assert table.run() == 3
    answer = entry.future.result(0)
    assert answer.ids == (11, 12)
    assert answer.logprobs == (-0.5, -0.5, -0.5)
    assert not answer.truncated


def test_the_limit_cuts_a_row_and_says_so(bench: Callable[..., Bench]) -> None:
    """A row that reaches its limit is answered with what there is."""
    table = bench()
    entry = table.put([11, 12, 13], most=2)
    table.run()
    assert entry.future.result(0).ids == (11, 12)
    assert entry.future.result(0).truncated


def test_rows_join_while_others_are_under_way(bench: Callable[..., Bench]) -> None:
    """A newcomer does not wait for the batch to end, and leaves before an older, longer row."""
    table = bench()
    long = table.put(range(20, 30))
    table.batch.tick()
    table.batch.tick()
    short = table.put([11])
    table.batch.tick()
    table.batch.tick()
    assert short.future.result(0).ids == (11,)
    assert not long.future.done()
    table.run()
    assert long.future.result(0).ids == tuple(range(20, 30))
    assert table.engine.joined == [[12], [3]]


def test_never_more_rows_than_allowed(bench: Callable[..., Bench]) -> None:
    """The rest waits in the queue, and gets its turn."""
    table = bench(max_rows=2)
    entries = [table.put([10 + number] * (number + 1)) for number in range(7)]
    table.run()
    assert table.engine.widest == 2
    assert [len(entry.future.result(0).ids) for entry in entries] == [1, 2, 3, 4, 5, 6, 7]


def test_admission_keeps_to_the_budget_of_tokens(bench: Callable[..., Bench]) -> None:
    """Rows times the longest row stay below the ceiling, whatever waits."""
    table = bench(max_rows=8, max_tokens=60)
    entries = [table.put([11] * 8, most=10) for _ in range(8)]  # 20 positions each
    table.run()
    assert table.engine.widest == 3
    assert all(entry.future.done() for entry in entries)


def test_a_row_over_the_budget_is_decoded_alone(bench: Callable[..., Bench]) -> None:
    """It could never be served otherwise; those behind it wait."""
    table = bench(max_rows=8, max_tokens=10)
    large, small = table.put([11] * 20, most=30), table.put([12], most=2)
    table.run()
    assert table.engine.widest == 1
    assert large.future.result(0).ids == (11,) * 20
    assert small.future.result(0).ids == (12,)


def test_a_cancelled_row_leaves_at_the_next_step(bench: Callable[..., Bench]) -> None:
    """Its slot is free for the next one at once."""
    table = bench(max_rows=1)
    gone, next_one = table.put(range(20, 40)), table.put([11])
    table.batch.tick()
    assert gone.future.cancel()
    table.batch.tick()
    table.batch.tick()
    assert next_one.future.result(0).ids == (11,)
    with pytest.raises(CancelledError):
        gone.future.result(0)


def test_an_expired_row_leaves_at_the_next_step(bench: Callable[..., Bench], clock: Any) -> None:
    """Its caller is told that the deadline passed; the others go on."""
    table = bench()
    late, other = table.put(range(20, 40), deadline=5.0), table.put([11, 12, 13])
    table.batch.tick()
    clock.advance(5.0)
    table.batch.tick()
    assert isinstance(late.future.exception(0), DeadlineExceededError)
    table.run()
    assert other.future.result(0).ids == (11, 12, 13)


def test_a_row_that_expired_while_waiting_is_never_encoded(
    bench: Callable[..., Bench], clock: Any
) -> None:
    """No work is done for someone who is not there any more."""
    table = bench()
    late = table.put([11], deadline=1.0)
    clock.advance(2.0)
    assert table.batch.tick() is False
    assert isinstance(late.future.exception(0), DeadlineExceededError)
    assert table.engine.joined == []


def test_a_failing_step_fails_the_rows_of_its_batch_only(bench: Callable[..., Bench]) -> None:
    """They get an InternalError; the next rows are served as ever."""
    table = bench(max_rows=2)
    first, second, third = table.put([11]), table.put([66]), table.put([13])
    table.engine.broken = lambda rows: any(66 in row and len(row) == 2 for row in rows)
    table.run()
    assert isinstance(first.future.exception(0), InternalError)
    assert isinstance(second.future.exception(0), InternalError)
    assert third.future.result(0).ids == (13,)


def test_a_failing_encoder_fails_the_newcomers_only(bench: Callable[..., Bench]) -> None:
    """Rows that are under way are none the wiser."""
    table = bench()
    running = table.put([11, 12, 13])
    table.batch.tick()
    table.engine.broken = lambda rows: any(row[0] == TAG for row in rows)
    newcomer = table.put([66])
    table.run()
    assert isinstance(newcomer.future.exception(0), InternalError)
    assert running.future.result(0).ids == (11, 12, 13)


def test_abandoning_fails_whatever_is_in_the_batch(bench: Callable[..., Bench]) -> None:
    """At shutdown nobody is left without a word."""
    table = bench()
    entry = table.put([11, 12])
    table.batch.tick()
    table.batch.abandon(ShuttingDownError("bye"))
    assert isinstance(entry.future.exception(0), ShuttingDownError)
    assert table.engine.slots == []


def test_times_say_how_long_a_row_waited_and_ran(bench: Callable[..., Bench], clock: Any) -> None:
    """Waiting ends when the row joins a batch."""
    table = bench()
    entry = table.put([11])
    clock.advance(3.0)
    table.batch.tick()
    clock.advance(2.0)
    table.batch.tick()
    assert (entry.future.result(0).queue_s, entry.future.result(0).model_s) == (3.0, 2.0)
    assert table.metrics.value(STEPS) == 2


EVENTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("arrive"),
            st.lists(st.integers(10, 60), max_size=9),
            st.one_of(st.none(), st.integers(1, 12)),
        ),
        st.tuples(st.just("cancel"), st.integers(0, 40), st.none()),
        st.tuples(st.just("tick"), st.integers(1, 4), st.none()),
        st.tuples(st.just("break"), st.integers(0, 3), st.none()),
    ),
    max_size=60,
)


@given(events=EVENTS, max_rows=st.integers(1, 5), max_tokens=st.integers(10, 90))
def test_no_row_is_lost_or_answered_twice_or_with_anothers_text(
    echo_engine: Callable[..., Any],
    events: list[tuple[str, Any, Any]],
    max_rows: int,
    max_tokens: int,
) -> None:
    """Random arrivals, deadlines, cancellations and engine failures; every future is settled."""
    clock = _Ticking()
    table = Bench(echo_engine(), clock, max_rows, max_tokens)
    entries: list[tuple[list[int], SourceEntry]] = []
    failures = _Failures(table.engine)
    for kind, value, patience in events:
        if kind == "arrive":
            deadline = float("inf") if patience is None else clock.now + patience
            entries.append((value, table.put(value, most=20, deadline=deadline)))
        elif kind == "cancel" and entries:
            entries[value % len(entries)][1].future.cancel()
        elif kind == "tick":
            _tick(table, value)
        elif kind == "break":
            failures.left = value
    failures.left = 0
    table.run()
    answered = [_settled(words, entry) for words, entry in entries]
    assert table.metrics.value(ANSWERED) == sum(answered)
    assert table.engine.slots == []
    assert len(table.queue) == 0
    assert table.engine.widest <= max_rows


def _tick(table: Bench, times: int) -> None:
    for _ in range(times):
        table.batch.tick()
        table.clock.now += 1


def _settled(words: list[int], entry: SourceEntry) -> bool:
    """Whether the row was answered; with its own text, then."""
    assert entry.future.done()
    if entry.future.cancelled():
        return False
    error = entry.future.exception(0)
    if error is not None:
        assert isinstance(error, DeadlineExceededError | InternalError)
        return False
    assert entry.future.result(0).ids == tuple(words)
    return True


class _Ticking:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class _Failures:
    """Breaks the next calls of an engine."""

    def __init__(self, engine: Any) -> None:
        self.left = 0
        engine.broken = self

    def __call__(self, rows: Any) -> bool:
        self.left -= 1
        return self.left >= 0
