"""Continuous batching: rows join and leave at every step, and each gets its own answer, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import Any

import pytest

from lingraft.server.batching import Decoded, Entry, Source
from lingraft.server.errors import DeadlineExceededError, InternalError, ShuttingDownError
from lingraft.server.metrics import STEPS
from lingraft.server.search.base import Found, Search

SourceEntry = Entry[Source, Decoded]


def _said(entry: SourceEntry) -> tuple[int, ...]:
    return entry.future.result(0).found[0].ids


def test_a_row_is_decoded_to_its_end(bench: Callable[..., Any]) -> None:
    """The end is not part of the ids, but its probability is part of the score."""
    table = bench()
    entry = table.put([11, 12])
    assert table.run() == 3
    (answer,) = entry.future.result(0).found
    assert answer.ids == (11, 12)
    assert answer.logprobs == (-0.5, -0.5, -0.5)
    assert not answer.truncated


def test_the_limit_cuts_a_row_and_says_so(bench: Callable[..., Any]) -> None:
    """A row that reaches its limit is answered with what there is."""
    table = bench()
    entry = table.put([11, 12, 13], most=2)
    table.run()
    assert _said(entry) == (11, 12)
    assert entry.future.result(0).found[0].truncated


def test_rows_join_while_others_are_under_way(bench: Callable[..., Any]) -> None:
    """A newcomer does not wait for the batch to end, and leaves before an older, longer row."""
    table = bench()
    long = table.put(range(20, 30))
    table.batch.tick()
    table.batch.tick()
    short = table.put([11])
    table.batch.tick()
    table.batch.tick()
    assert _said(short) == (11,)
    assert not long.future.done()
    table.run()
    assert _said(long) == tuple(range(20, 30))
    assert table.engine.joined == [[12], [3]]


def test_while_many_rows_run_newcomers_wait_three_steps_for_company(
    bench: Callable[..., Any],
) -> None:
    """One alone joins at the fourth step at the latest; enough of them join at once."""
    table = bench(max_rows=32)
    for _ in range(16):
        table.put(range(20, 40))
    table.batch.tick()
    table.put([11])
    for _ in range(3):
        table.batch.tick()
    assert len(table.engine.rows) == 16
    table.batch.tick()
    assert len(table.engine.rows) == 17
    for _ in range(4):
        table.put([12, 13])
    table.batch.tick()
    assert table.engine.joined[-1] == [4, 4, 4, 4]


def test_nobody_waits_for_company_beside_beams(bench: Callable[..., Any]) -> None:
    """Few of them fit at all, so that company may never come."""
    table = bench(max_rows=32)
    for _ in range(5):
        table.put(range(20, 40), width=5)
    table.batch.tick()
    table.put([11], width=5)
    table.batch.tick()
    assert len(table.engine.rows) == 30


def test_nobody_waits_for_company_beside_bulk_work(bench: Callable[..., Any]) -> None:
    """Bulk work delays interactive work by no more than the step that runs."""
    table = bench(max_rows=64)
    for _ in range(16):
        table.put(range(20, 40), bulk=True)
    table.batch.tick()
    table.put([11])
    table.batch.tick()
    assert len(table.engine.rows) == 17


def test_a_newcomer_joins_a_few_rows_at_once(bench: Callable[..., Any]) -> None:
    """A step of few rows takes little longer with one more: company would come too late."""
    table = bench(max_rows=32)
    for _ in range(15):
        table.put(range(20, 40))
    table.batch.tick()
    table.put([11])
    table.batch.tick()
    assert len(table.engine.rows) == 16


def test_never_more_rows_than_allowed(bench: Callable[..., Any]) -> None:
    """The rest waits in the queue, and gets its turn."""
    table = bench(max_rows=2)
    entries = [table.put([10 + number] * (number + 1)) for number in range(7)]
    table.run()
    assert table.engine.widest == 2
    assert [len(_said(entry)) for entry in entries] == [1, 2, 3, 4, 5, 6, 7]


def test_admission_keeps_to_the_budget_of_tokens(bench: Callable[..., Any]) -> None:
    """Rows times the longest row stay below the ceiling, whatever waits."""
    table = bench(max_rows=8, max_tokens=60)
    entries = [table.put([11] * 8, most=10) for _ in range(8)]  # 20 positions each
    table.run()
    assert table.engine.widest == 3
    assert all(entry.future.done() for entry in entries)


def test_a_row_over_the_budget_is_decoded_alone(bench: Callable[..., Any]) -> None:
    """It could never be served otherwise; those behind it wait."""
    table = bench(max_rows=8, max_tokens=10)
    large, small = table.put([11] * 20, most=30), table.put([12], most=2)
    table.run()
    assert table.engine.widest == 1
    assert _said(large) == (11,) * 20
    assert _said(small) == (12,)


def test_a_cancelled_row_leaves_at_the_next_step(bench: Callable[..., Any]) -> None:
    """Its slot is free for the next one at once."""
    table = bench(max_rows=1)
    gone, next_one = table.put(range(20, 40)), table.put([11])
    table.batch.tick()
    assert gone.future.cancel()
    table.batch.tick()
    table.batch.tick()
    assert _said(next_one) == (11,)
    with pytest.raises(CancelledError):
        gone.future.result(0)


def test_an_expired_row_leaves_at_the_next_step(bench: Callable[..., Any], clock: Any) -> None:
    """Its caller is told that the deadline passed; the others go on."""
    table = bench()
    late, other = table.put(range(20, 40), deadline=5.0), table.put([11, 12, 13])
    table.batch.tick()
    clock.advance(5.0)
    table.batch.tick()
    assert isinstance(late.future.exception(0), DeadlineExceededError)
    table.run()
    assert _said(other) == (11, 12, 13)


def test_a_row_that_expired_while_waiting_is_never_encoded(
    bench: Callable[..., Any], clock: Any
) -> None:
    """No work is done for someone who is not there any more."""
    table = bench()
    late = table.put([11], deadline=1.0)
    clock.advance(2.0)
    assert table.batch.tick() is False
    assert isinstance(late.future.exception(0), DeadlineExceededError)
    assert table.engine.joined == []


def test_a_row_that_expires_deep_in_the_queue_is_told_at_the_next_step(
    bench: Callable[..., Any], clock: Any
) -> None:
    """Its caller does not wait until all before it have been served."""
    table = bench(max_rows=1)
    table.put(range(20, 40))
    table.batch.tick()
    table.put([11])
    late = table.put([12], deadline=5.0)
    clock.advance(5.0)
    table.batch.tick()
    assert isinstance(late.future.exception(0), DeadlineExceededError)


def test_a_failing_step_fails_the_rows_of_its_batch_only(bench: Callable[..., Any]) -> None:
    """They get an InternalError; the next rows are served as ever."""
    table = bench(max_rows=2)
    first, second, third = table.put([11]), table.put([66]), table.put([13])
    table.engine.broken = lambda rows: any(66 in row and len(row) == 2 for row in rows)
    table.run()
    assert isinstance(first.future.exception(0), InternalError)
    assert isinstance(second.future.exception(0), InternalError)
    assert _said(third) == (13,)


def test_a_failing_encoder_fails_the_newcomers_only(bench: Callable[..., Any]) -> None:
    """Rows that are under way are none the wiser."""
    table = bench()
    running = table.put([11, 12, 13])
    table.batch.tick()
    table.engine.broken = lambda rows: any(row[0] == 7 for row in rows)  # the tag
    newcomer = table.put([66])
    table.run()
    assert isinstance(newcomer.future.exception(0), InternalError)
    assert _said(running) == (11, 12, 13)


def test_a_failing_selection_fails_the_rows_that_are_left(bench: Callable[..., Any]) -> None:
    """Whoever was answered before keeps the answer; the next are served as ever."""
    table = bench(max_rows=2)
    done, left = table.put([11]), table.put([11, 12, 13])
    select = table.engine.select

    def fail_once(parents: Any) -> None:
        table.engine.select = select
        raise RuntimeError("the selection is broken")

    table.engine.select = fail_once
    table.run()
    assert _said(done) == (11,)
    assert isinstance(left.future.exception(0), InternalError)
    later = table.put([14])
    table.run()
    assert _said(later) == (14,)


class _Faulty:
    """A search of two rows with a fault at one place."""

    late = None

    def __init__(self, sound: Search, where: str) -> None:
        self._sound, self._where = sound, where
        self._steps = 0
        self.width = 3 if where == "width" else 2
        self.candidates = sound.candidates
        self._fail_at("begin")

    def inputs(self) -> Sequence[int]:
        """Too few from the second step on."""
        inputs = self._sound.inputs()
        return inputs[1:] if self._where == "inputs" and self._steps else inputs

    def advance(self, ids: Any, logprobs: Any, alignment: Any) -> Sequence[int] | None:
        """Names a row that is not its own."""
        self._fail_at("advance")
        self._steps += 1
        parents = self._sound.advance(ids, logprobs, alignment)
        return [0, 2] if parents and self._where == "parents" else parents

    def found(self) -> tuple[Found, ...]:
        """The same as the sound one."""
        self._fail_at("found")
        return self._sound.found()

    def _fail_at(self, where: str) -> None:
        if self._where == where:
            raise ZeroDivisionError(where)


@pytest.mark.parametrize("where", ["begin", "width", "inputs", "advance", "parents", "found"])
def test_a_faulty_search_fails_alone(
    bench: Callable[..., Any], echo_source: Callable[..., Source], where: str
) -> None:
    """Whatever a search does wrong, its neighbours in the batch are answered."""
    table = bench()
    first = table.put([11, 12, 13])
    sound = echo_source([21], 50, 2)
    faulty = table.submit(replace(sound, begin=lambda: _Faulty(sound.begin(), where)))
    last = table.put([14])
    table.run()
    assert isinstance(faulty.future.exception(0), InternalError)
    assert (_said(first), _said(last)) == ((11, 12, 13), (14,))
    assert table.engine.rows == []


def test_one_selection_for_all_that_a_step_changes(bench: Callable[..., Any]) -> None:
    """The engine copies rows once, however many leave; and never for nothing."""
    table = bench()
    for words in ([11], [11, 12], [13], [11, 12, 13]):
        table.put(words)
    table.run()
    assert table.engine.selected == [[2, 3], [1], []]


def test_abandoning_fails_whatever_is_in_the_batch(bench: Callable[..., Any]) -> None:
    """At shutdown nobody is left without a word."""
    table = bench()
    entry = table.put([11, 12])
    table.batch.tick()
    table.batch.abandon(ShuttingDownError("bye"))
    assert isinstance(entry.future.exception(0), ShuttingDownError)
    assert table.engine.rows == []


def test_times_say_how_long_a_row_waited_and_ran(bench: Callable[..., Any], clock: Any) -> None:
    """Waiting ends when the row joins a batch."""
    table = bench()
    entry = table.put([11])
    clock.advance(3.0)
    table.batch.tick()
    clock.advance(2.0)
    table.batch.tick()
    assert (entry.future.result(0).queue_s, entry.future.result(0).model_s) == (3.0, 2.0)
    assert table.metrics.value(STEPS) == 2
