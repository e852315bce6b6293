"""Admission: who joins next. Interactive work at once, bulk work never last for ever."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from lingraft.server.batching import Capacity, ContinuousBatch, Decoded, Entry, Source, WorkQueue
from lingraft.server.batching.admission import BULK_SHARE
from lingraft.server.batching.capacity import Shape
from lingraft.server.batching.lanes import MOST_OVERTAKING
from lingraft.server.bundle import Limits
from lingraft.server.errors import MemoryCeilingError
from lingraft.server.metrics import Metrics

SourceEntry = Entry[Source, Decoded]


@dataclass
class Hall:
    """A batch whose admissions are written down by name."""

    engine: Any
    source: Callable[..., Source]
    max_rows: int = 8
    max_tokens: int = 800
    max_bytes: int = 100_000
    joined: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue: WorkQueue[Source, Decoded] = WorkQueue(10_000, 1.0, Metrics())
        footprint = self.engine.footprint
        self.capacity = Capacity(self.max_rows, self.max_tokens, self.max_bytes, footprint)
        self.batch = ContinuousBatch(self.engine, self.queue, self.capacity, Metrics(), lambda: 0.0)

    def put(
        self, name: str, length: int = 3, most: int = 50, width: int = 1, bulk: bool = False
    ) -> SourceEntry:
        """Submits a sentence of `length` pieces, which takes as many steps and one more."""
        source = self.source([11] * length, most, width)

        def begin() -> Any:
            self.joined.append(name)
            return source.begin()

        (lane,) = self.capacity.screen([source], bulk)
        entry: SourceEntry = Entry(replace(source, begin=begin), 0.0, bulk=lane)
        self.queue.put([entry], 0.0)
        return entry

    def tick(self, times: int = 1) -> None:
        """Makes steps."""
        for _ in range(times):
            self.batch.tick()


@pytest.fixture
def hall(
    echo_engine: Callable[..., Any], echo_source: Callable[..., Source]
) -> Callable[..., Hall]:
    """Makes a hall with a fake engine."""
    return lambda **options: Hall(echo_engine(), echo_source, **options)


def _put_all(hall: Hall, names: Sequence[str], **options: Any) -> list[SourceEntry]:
    return [hall.put(name, **options) for name in names]


def test_interactive_work_joins_at_the_next_step_however_much_bulk_runs(
    hall: Callable[..., Hall],
) -> None:
    """Bulk fills its part of the batch for long; a beam of two does not wait for any of it."""
    room = hall()
    _put_all(room, ["bulk"] * 50, length=30, bulk=True)
    room.tick(5)
    room.put("person", width=2)
    room.tick()
    assert room.joined == ["bulk"] * 6 + ["person"]
    assert len(room.engine.rows) == 8


def test_the_reserve_is_one_of_positions_too(hall: Callable[..., Hall]) -> None:
    """Long targets of bulk and a long source of a person share a rectangle of memory."""
    room = hall()
    _put_all(room, ["bulk"] * 50, length=3, most=150, bulk=True)
    room.tick()
    room.put("person", length=31, width=2)
    room.tick()
    assert room.joined == ["bulk"] * 2 + ["person"]


def test_interactive_work_alone_has_the_whole_batch(hall: Callable[..., Hall]) -> None:
    """The reserve keeps bulk out, nobody else."""
    room = hall()
    _put_all(room, ["person"] * 9)
    room.tick()
    assert len(room.engine.rows) == 8


def test_bulk_work_does_not_pass_waiting_interactive_work(hall: Callable[..., Hall]) -> None:
    """A large interactive sentence waits for room; bulk does not take it away again."""
    room = hall()
    for length in range(5, 30):
        room.put("bulk", length=length, bulk=True)
    room.tick()
    running = len(room.joined)
    room.put("person", width=8)
    room.tick(30)
    assert room.joined[running] == "person"


def test_bulk_work_has_its_share_under_endless_interactive_work(
    hall: Callable[..., Hall],
) -> None:
    """Of BULK_SHARE admissions one is bulk's."""
    room = hall()
    _put_all(room, ["person"] * 50)
    room.tick(10)  # what joined before bulk waited does not count
    before = len(room.joined)
    bulk = _put_all(room, ["bulk"] * 5, bulk=True)
    for _ in range(200):
        _put_all(room, ["person"] * 4)
        room.tick()
    assert all(entry.future.done() for entry in bulk)
    order = itertools.groupby(room.joined[before:])
    gaps = [len(list(run)) for name, run in order if name == "person"]
    assert gaps[:5] == [BULK_SHARE - 1] * 5


def test_a_large_bulk_sentence_does_not_starve_either(hall: Callable[..., Hall]) -> None:
    """Interactive work keeps to its reserve until the bulk sentence whose turn it is has room."""
    room = hall()
    large = room.put("bulk", width=6, bulk=True)
    for _ in range(60):
        _put_all(room, ["person"] * 4)
        room.tick()
    assert large.future.done()
    assert room.joined.index("bulk") < 20


def test_bulk_work_that_leaves_no_reserve_waits_with_interactive_work(
    hall: Callable[..., Hall],
) -> None:
    """It could never run beside the reserve; so it is served like anybody else."""
    room = hall()
    small, large = room.put("bulk", bulk=True), room.put("large", width=7, bulk=True)
    assert (small.bulk, large.bulk) == (True, False)
    room.tick(10)
    assert large.future.done()


def test_sentences_about_as_long_as_those_that_run_go_first(hall: Callable[..., Hall]) -> None:
    """Rows of one batch are padded to the longest: likes go together."""
    room = hall(max_rows=2)
    room.put("running", length=20)
    room.put("running", length=25)
    room.tick()
    for name, length in (("short", 3), ("long", 40), ("like", 22)):
        room.put(name, length=length)
    room.tick(200)
    assert room.joined == ["running", "running", "like", "long", "short"]


def test_the_oldest_is_overtaken_a_bounded_number_of_times(hall: Callable[..., Hall]) -> None:
    """However many of the favoured length come, MOST_OVERTAKING of them pass it and no more."""
    room = hall(max_rows=2)
    room.put("first", length=3)
    room.tick()
    old = room.put("old", length=90, most=5)
    for _ in range(300):
        _put_all(room, ["young"] * 2)
        room.tick()
    assert old.future.done()
    assert room.joined.index("old") == 1 + MOST_OVERTAKING


def test_the_ceiling_in_bytes_is_respected(hall: Callable[..., Hall]) -> None:
    """What the engine says that the batch would take decides, whatever else there is room for."""
    room = hall(max_bytes=200)  # a byte for each position; each sentence has 5 + 45
    entries = _put_all(room, ["person"] * 9, most=45)
    while room.batch.tick():
        pass
    assert room.engine.widest == 4
    assert all(entry.future.done() for entry in entries)


def test_what_alone_would_pass_the_ceiling_is_refused(hall: Callable[..., Hall]) -> None:
    """In bytes or in rows; a row that only passes the budget of tokens is decoded alone."""
    room = hall(max_bytes=1_000)
    with pytest.raises(MemoryCeilingError):
        room.put("bytes", most=996)
    with pytest.raises(MemoryCeilingError):
        room.put("rows", width=9)
    room.put("tokens", most=900)
    room.tick()
    assert room.joined == ["tokens"]


@pytest.mark.parametrize(
    ("rows", "tokens", "memory", "reserve"),
    [
        (32, 32_768, 10**6, Shape(8, 512, 512)),  # whatever the model can take
        (32, 16_384, 10**6, Shape(8, 170, 342)),
        (32, 16_384, 15_000, Shape(8, 128, 256)),  # the bytes do not hold that many
        (2, 300, 10**6, Shape(1, 50, 100)),
        (1, 300, 10**6, Shape(0, 0, 0)),
        (8, 800, 0, Shape(0, 0, 0)),
    ],
)
def test_the_reserve_is_a_quarter_of_the_rows_with_an_even_share_each(
    rows: int, tokens: int, memory: int, reserve: Shape
) -> None:
    """No more than the model's limits, nor so large that a full batch of such would not fit."""
    limits = Limits(512, 512)
    capacity = Capacity(
        rows, tokens, memory, lambda rows, source, target: rows * (source + target), 1.0, limits
    )
    assert capacity.reserve == reserve
