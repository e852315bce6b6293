"""The queue: bounded, in order, all of a call or none of it, and nobody is left waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass

import pytest

from lingraft.server.batching import Entry, WorkQueue
from lingraft.server.errors import (
    DeadlineExceededError,
    InternalError,
    QueueFullError,
    ShuttingDownError,
)
from lingraft.server.metrics import DROPPED, FAILED, QUEUED, REFUSED, Metrics


@dataclass(frozen=True)
class Work:
    """A row of some size."""

    name: str
    tokens: int = 1


WorkEntry = Entry[Work, str]
Queue = WorkQueue[Work, str]


@pytest.fixture
def metrics() -> Metrics:
    """Counters of one test."""
    return Metrics()


@pytest.fixture
def queue(metrics: Metrics) -> Queue:
    """A queue for three."""
    return WorkQueue(3, 0.5, metrics)


def _entry(name: str, **options: float | bool) -> WorkEntry:
    return Entry(Work(name), arrived=0.0, **options)  # type: ignore[arg-type]


def _names(entries: list[WorkEntry]) -> list[str]:
    return [entry.work.name for entry in entries]


def test_entries_are_taken_in_the_order_of_arrival(queue: Queue) -> None:
    """First come, first served."""
    queue.put([_entry("a"), _entry("b")], 0.0)
    queue.put([_entry("c")], 0.0)
    assert _names(queue.take(lambda entry: True, 0.0)) == ["a", "b", "c"]


def test_a_full_queue_refuses_a_call_as_a_whole(queue: Queue, metrics: Metrics) -> None:
    """Half a request is of no use; the refusal says when to come back."""
    queue.put([_entry("a"), _entry("b")], 0.0)
    with pytest.raises(QueueFullError) as caught:
        queue.put([_entry("c"), _entry("d")], 0.0)
    assert caught.value.retry_after_s == 0.5
    assert caught.value.metadata == {"limit": "3", "waiting": "2", "asked": "2"}
    assert _names(queue.take(lambda entry: True, 0.0)) == ["a", "b"]
    assert (metrics.value(QUEUED), metrics.value(REFUSED)) == (2, 2)


def test_a_call_larger_than_the_queue_is_taken_when_nothing_waits(queue: Queue) -> None:
    """Otherwise it could never be taken, however often it came back."""
    queue.put([_entry(str(number)) for number in range(9)], 0.0)
    assert len(queue) == 9


def test_those_who_are_gone_make_room(queue: Queue, metrics: Metrics) -> None:
    """Cancelled and expired entries do not keep others out."""
    gone, late, alive = _entry("gone"), _entry("late", deadline=1.0), _entry("alive")
    queue.put([gone, late, alive], 0.0)
    gone.future.cancel()
    queue.put([_entry("new"), _entry("newer")], 2.0)
    assert _names(queue.take(lambda entry: True, 2.0)) == ["alive", "new", "newer"]
    assert isinstance(late.future.exception(), DeadlineExceededError)
    assert metrics.value(DROPPED) == 1
    assert metrics.value(FAILED) == 1


def test_nobody_is_overtaken_unless_asked_for(queue: Queue) -> None:
    """A large entry at the head waits for its place; with `skip` the others may pass."""
    queue.put([_entry("large"), _entry("small")], 0.0)
    fits: Callable[[WorkEntry], bool] = lambda entry: entry.work.name == "small"  # noqa: E731
    assert queue.take(fits, 0.0) == []
    assert _names(queue.take(fits, 0.0, skip=True)) == ["small"]
    assert _names(queue.take(lambda entry: True, 0.0)) == ["large"]


def test_interactive_work_goes_before_bulk_work(queue: Queue) -> None:
    """Bulk is served when no interactive work waits, and never passes a waiting head."""
    queue.put([_entry("bulk", bulk=True), _entry("person")], 0.0)
    assert queue.take(lambda entry: entry.work.name == "bulk", 0.0) == []
    assert _names(queue.take(lambda entry: True, 0.0)) == ["person", "bulk"]


def test_a_closed_queue_fails_all_that_waits_and_takes_nothing_more(queue: Queue) -> None:
    """And it stays closed with the first reason."""
    waiting = _entry("a")
    queue.put([waiting], 0.0)
    queue.close(ShuttingDownError("bye"))
    queue.close(InternalError("later"))
    assert isinstance(waiting.future.exception(), ShuttingDownError)
    with pytest.raises(ShuttingDownError):
        queue.put([_entry("b")], 0.0)
    assert queue.wait() is False


def test_waiting_ends_when_work_comes(queue: Queue) -> None:
    """The thread sleeps until then: no busy waiting, no missed arrival."""
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(queue.wait()))
    thread.start()
    queue.put([_entry("a")], 0.0)
    thread.join(20)
    assert woken == [True]


def test_an_answer_to_someone_who_just_left_is_no_fault(queue: Queue, metrics: Metrics) -> None:
    """Cancelling races with answering; whoever comes second is passed over."""
    entry = _entry("a")
    entry.future.cancel()
    queue.answer(entry, "too late")
    queue.fail(entry, InternalError("too late as well"))
    with pytest.raises(CancelledError):
        entry.future.result()
    assert metrics.value(DROPPED) == 2
