"""The queue: bounded, in order, all of a call or none of it, and nobody is left waiting."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

import pytest

from lingraft.server.batching import Entry, WorkQueue
from lingraft.server.batching.lanes import Lane, by_length
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


def _entry(name: str, tokens: int = 1, **options: Any) -> WorkEntry:
    return Entry(Work(name, tokens), arrived=0.0, **options)


class _Oldest:
    """Chooses the oldest of the interactive lane, then of the bulk lane."""

    def __init__(self) -> None:
        self.admitted: list[str] = []

    def choose(self, interactive: Lane[Work, str], bulk: Lane[Work, str]) -> WorkEntry | None:
        """Whoever came first."""
        return interactive.oldest() or bulk.oldest()

    def admit(self, entry: WorkEntry) -> None:
        """Writes the name down."""
        self.admitted.append(entry.work.name)


def _pick(queue: Queue, now: float = 0.0) -> list[str]:
    """The names of all who are there."""
    picked: list[WorkEntry] = []
    chooser = _Oldest()
    queue.pick(chooser, now, picked)
    assert chooser.admitted == [entry.work.name for entry in picked]
    return chooser.admitted


def _offers(lane: Lane[Work, str], like: Work | None) -> list[str]:
    return [entry.work.name for entry in lane.offers(like)]


def test_entries_are_taken_in_the_order_of_arrival(queue: Queue) -> None:
    """First come, first served, whatever their lengths."""
    queue.put([_entry("a", tokens=9), _entry("b")], 0.0)
    queue.put([_entry("c", tokens=80)], 0.0)
    assert _pick(queue) == ["a", "b", "c"]


def test_a_full_queue_refuses_a_call_as_a_whole(queue: Queue, metrics: Metrics) -> None:
    """Half a request is of no use; the refusal says when to come back."""
    queue.put([_entry("a"), _entry("b")], 0.0)
    with pytest.raises(QueueFullError) as caught:
        queue.put([_entry("c"), _entry("d")], 0.0)
    assert caught.value.retry_after_s == 0.5
    assert caught.value.metadata == {"limit": "3", "waiting": "2", "asked": "2"}
    assert _pick(queue) == ["a", "b"]
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
    assert _pick(queue, 2.0) == ["alive", "new", "newer"]
    assert isinstance(late.future.exception(), DeadlineExceededError)
    assert metrics.value(DROPPED) == 1
    assert metrics.value(FAILED) == 1


def test_the_gone_are_not_handed_out(queue: Queue, metrics: Metrics) -> None:
    """An expired one is told so even if its turn had not come."""
    gone, late, alive = _entry("gone"), _entry("late", deadline=1.0), _entry("alive")
    queue.put([gone, alive], 0.0)
    gone.future.cancel()
    assert _pick(queue) == ["alive"]
    queue.put([late], 0.0)
    assert _pick(queue, 1.0) == []
    assert isinstance(late.future.exception(), DeadlineExceededError)
    assert metrics.value(DROPPED) == 1


def test_a_full_queue_is_not_searched_for_the_gone_at_every_call(queue: Queue) -> None:
    """Those who are refused would pay for it; twenty times a second is enough."""
    first = [_entry("a"), _entry("b"), _entry("c")]
    queue.put(first, 0.0)
    with pytest.raises(QueueFullError):
        queue.put([_entry("d")], 1.0)
    first[0].future.cancel()
    with pytest.raises(QueueFullError):
        queue.put([_entry("d")], 1.01)
    queue.put([_entry("d")], 1.05)
    assert _pick(queue, 1.05) == ["b", "c", "d"]


def test_bulk_work_waits_in_a_lane_of_its_own(queue: Queue) -> None:
    """Whoever takes sees both."""
    queue.put([_entry("bulk", bulk=True), _entry("person")], 0.0)
    assert _pick(queue) == ["person", "bulk"]


def test_a_lane_offers_what_is_about_as_long_first() -> None:
    """One of each length, the oldest; without a length to go by the oldest of all comes first."""
    lane: Lane[Work, str] = Lane(by_length)
    for number, tokens in enumerate((5, 40, 90, 6, 41)):
        entry = _entry(f"{tokens}", tokens=tokens)
        entry.number = number
        lane.add(entry)
    assert _offers(lane, Work("like", 35)) == ["40", "90", "5"]
    assert _offers(lane, None) == ["5", "40", "90"]


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
