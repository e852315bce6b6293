"""A row that is alone goes ahead: with the same end, and as far as nobody comes or goes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from lingraft.server.batching import Capacity, ContinuousBatch, Decoded, Entry, Source, WorkQueue
from lingraft.server.engines.base import Plan, Step
from lingraft.server.errors import DeadlineExceededError, InternalError, ShuttingDownError
from lingraft.server.metrics import STEPS, Metrics
from lingraft.server.search import SearchOptions, begin
from lingraft.server.search.base import Found

EOS, PIECES = 0, 48
PAD = PIECES - 1
NEVER = 1_000  # steps


@dataclass(frozen=True)
class _Special:
    eos: int = EOS
    pad: int = PAD
    decoder_start: int = PAD


class Talker:
    """Made-up logits of all that a row was told. It ends as soon as it may after `source[0]` steps.

    A row alone may owe its normaliser. `calls` are the steps of each call, and `aheads` those of
    calls that went ahead; `meanwhile` comes while the step of a number runs, counted from 1.
    """

    pads = True

    def __init__(self, goes_ahead: bool = True, clock: Any = lambda: 0.0) -> None:
        self.goes_ahead, self.clock = goes_ahead, clock
        self.rows: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self.calls: list[int] = []
        self.aheads: list[int] = []
        self.owed: list[int] = []
        self.made = 0
        self.meanwhile: dict[int, Callable[[], object]] = {}

    def footprint(self, rows: int, source_tokens: int, target_tokens: int) -> int:
        """Nothing."""
        return 0

    def join(self, sources: Sequence[Sequence[int]], widths: Sequence[int]) -> None:
        """Puts rows at the end."""
        for source, width in zip(sources, widths, strict=True):
            self.rows += [(tuple(source), ())] * width

    def step(self, input_ids: Sequence[int], candidates: int, late: bool = False) -> Step:
        """One more of all rows."""
        self.calls.append(1)
        return self._step(input_ids, candidates, late)

    def ahead(self, piece: int, plan: Plan, halt: Any) -> list[Step]:
        """Steps as they would be asked for one by one."""
        steps: list[Step] = []
        began = self.clock()
        while True:
            steps.append(self._step([piece], plan.candidates, late=True))
            piece = next((each for each in steps[-1].ids[0] if each not in plan.banned), plan.eos)
            late = self.clock() - began >= plan.seconds
            if late or halt[0] or piece == plan.eos or len(steps) == plan.steps:
                self.calls.append(len(steps))
                self.aheads.append(len(steps))
                return steps

    def normalisers(self, unscored: Sequence[Any]) -> list[np.float32]:
        """What was lacking."""
        self.owed.append(len(unscored))
        return [each[0] for each in unscored]

    def select(self, parents: Sequence[int]) -> None:
        """Rows go on from others."""
        self.rows = [self.rows[parent] for parent in parents]

    def clear(self) -> None:
        """Forgets all rows."""
        self.rows = []

    def _step(self, input_ids: Sequence[int], candidates: int, late: bool) -> Step:
        self.made += 1
        self.meanwhile.pop(self.made, lambda: None)()
        told = zip(self.rows, input_ids, strict=True)
        self.rows = [(source, (*said, piece)) for (source, said), piece in told]
        logits = np.stack([_logits(*row) for row in self.rows])
        lacking = np.log(np.exp(logits).sum(1, keepdims=True))
        best = np.argsort(-logits, axis=1, kind="stable")[:, :candidates]
        values = np.take_along_axis(logits if late else logits - lacking, best, 1)
        return Step(best.tolist(), values.tolist(), None, lacking if late else None)


def _logits(source: tuple[int, ...], said: tuple[int, ...]) -> Any:
    generator = np.random.default_rng(zlib.crc32(repr((source, said)).encode()))
    logits = generator.normal(0, 1, PIECES).astype(np.float32)
    logits[EOS] = 9 if len(said) > source[0] else -9
    return logits


class Table:
    """A batch around a Talker, driven by hand."""

    def __init__(self, goes_ahead: bool = True, rows: int = 8, clock: Any = lambda: 0.0) -> None:
        self.engine, self.metrics = Talker(goes_ahead, clock), Metrics()
        self.queue: WorkQueue[Source, Decoded] = WorkQueue(100, 1.0, self.metrics)
        capacity = Capacity(rows, 10_000, 10_000, self.engine.footprint)
        self.batch = ContinuousBatch(self.engine, self.queue, capacity, self.metrics, clock)

    def put(self, options: SearchOptions, ends: int = NEVER, **more: Any) -> Entry[Source, Decoded]:
        """Submits a sentence of which the engine says so many pieces before the end."""
        ids = (ends, 5, 6)
        search = partial(begin, options, _Special(), len(ids))
        source = Source(ids, options.max_length, search, options.beam_size)
        entry: Entry[Source, Decoded] = Entry(source, 0.0, **more)
        self.queue.put([entry], 0.0)
        return entry

    def run(self) -> None:
        """Until nothing is left."""
        while self.batch.tick():
            pass


def _found(entry: Entry[Source, Decoded]) -> tuple[Found, ...]:
    return entry.future.result(0).found


def _alone(options: SearchOptions, ends: int = NEVER) -> tuple[Found, ...]:
    """What single steps find."""
    table = Table(goes_ahead=False)
    entry = table.put(options, ends)
    table.run()
    assert table.engine.calls == [1] * table.engine.made
    return _found(entry)


@pytest.mark.parametrize("ends", [3, 12, 21, NEVER])
@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(40),
        SearchOptions(9),
        SearchOptions(40, end_at_limit=True),
        SearchOptions(40, min_length=15),
        SearchOptions(30, min_length=50),
        SearchOptions(40, banned=frozenset(range(1, 30))),
        SearchOptions(30, banned=frozenset(range(PIECES)) - {9}, min_length=7),
        SearchOptions(40, forced=4, length_penalty=0.5),
        SearchOptions(40, prefix=(4, EOS, 30), min_length=9),
    ],
)
def test_a_row_alone_goes_ahead_and_finds_what_single_steps_find(
    options: SearchOptions, ends: int
) -> None:
    """The same pieces, bits of log-probabilities, and scores; every step is counted."""
    table = Table()
    entry = table.put(options, ends)
    table.run()
    assert _found(entry) == _alone(options, ends)
    assert sum(table.engine.calls) == table.engine.made == table.metrics.value(STEPS)
    assert len(table.engine.calls) < table.engine.made
    assert table.engine.rows == []


def test_a_search_with_nothing_left_to_say_ends_ahead() -> None:
    """Everything is banned from the end of its prefix on."""
    options = SearchOptions(9, banned=frozenset(range(PIECES)), prefix=(7,))
    table = Table()
    entry = table.put(options)
    table.run()
    assert _found(entry) == _alone(options)
    assert table.engine.made == 2


def test_32_steps_are_the_most() -> None:
    """Of one call."""
    table = Table()
    table.put(SearchOptions(70))
    table.run()
    assert table.engine.calls == [32, 32, 6]


def test_no_more_steps_than_probabilities_may_be_owed() -> None:
    """They are asked for when 64 are lacking, and at the end."""
    table = Table()
    table.put(SearchOptions(90, min_length=40))
    table.run()
    assert table.engine.owed == [64, 26]
    assert table.engine.calls == [32, 8, 24, 26]


def test_who_arrives_joins_after_the_step_in_progress() -> None:
    """Both find what they find alone."""
    first, second = SearchOptions(30), SearchOptions(12)
    table, entries = Table(), []
    entries.append(table.put(first))
    table.engine.meanwhile[4] = lambda: entries.append(table.put(second, 9))
    for _ in range(3):
        table.batch.tick()
    assert table.engine.calls == [4, 1, 1]
    assert len(table.engine.rows) == 2
    table.run()
    assert list(map(_found, entries)) == [_alone(first), _alone(second, 9)]


def test_who_arrives_between_two_steps_joins_at_the_next() -> None:
    """And whoever is alone again goes ahead again."""
    table = Table()
    table.put(SearchOptions(30, min_length=2))
    table.batch.tick()
    table.put(SearchOptions(3))
    for _ in range(4):
        table.batch.tick()
    assert table.engine.calls == [2, 1, 1, 1, 25]


def test_a_cancelled_row_leaves_after_the_step_in_progress() -> None:
    """Nobody decodes on for a caller who went away."""
    table = Table()
    entry = table.put(SearchOptions(30))
    table.engine.meanwhile[5] = entry.future.cancel
    table.run()
    assert table.engine.calls == [5]
    assert table.engine.rows == []


def test_a_row_that_is_cancelled_just_before_makes_no_more_than_one_step() -> None:
    """After the look at who is there, when the time of the step is read."""
    readings: list[Callable[[], object]] = []

    def clock() -> float:
        if readings:
            readings.pop(0)()
        return 0.0

    table = Table(clock=clock)
    entry = table.put(SearchOptions(30))
    readings += [lambda: None, lambda: None, lambda: None, entry.future.cancel]
    table.run()
    assert entry.future.cancelled()
    assert table.engine.calls == [1]


def test_a_queue_that_closes_halts_who_goes_ahead() -> None:
    """A server that ends waits for one step."""
    table = Table()
    table.put(SearchOptions(30))
    table.engine.meanwhile[3] = lambda: table.queue.close(ShuttingDownError("bye"))
    for _ in range(2):
        table.batch.tick()
    assert table.engine.calls == [3, 1]


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(12, beam_size=2),
        SearchOptions(12, temperature=0.8, top_k=5, seed=3),
        SearchOptions(12, repetition_penalty=1.3),
        SearchOptions(12, no_repeat_ngram_size=2),
        SearchOptions(12, alignment=True),
    ],
)
def test_who_cannot_foresee_goes_step_by_step(options: SearchOptions) -> None:
    """Beams, draws, penalties and bans that hang on the pieces before, and attention."""
    table = Table()
    table.put(options)
    table.run()
    assert table.engine.calls == [1] * 12


def test_given_pieces_are_taken_step_by_step() -> None:
    """Their steps say nothing of what comes next."""
    table = Table()
    table.put(SearchOptions(12, prefix=(4, 5, 6)))
    table.run()
    assert table.engine.calls == [1, 1, 1, 9]


def test_nobody_goes_ahead_beside_another_row_or_while_anybody_waits() -> None:
    """Who waits may expire, and joins as soon as there is room."""
    for rows in (1, 2):
        table = Table(rows=rows)
        for _ in range(2):
            table.put(SearchOptions(6))
        for _ in range(6):
            table.batch.tick()
        assert table.engine.aheads == []


def test_an_engine_that_does_not_go_ahead_is_not_asked_to() -> None:
    """Its steps come one by one."""
    table = Table(goes_ahead=False)
    table.put(SearchOptions(20))
    table.run()
    assert table.engine.aheads == []


def test_an_expired_row_leaves_at_the_next_step(clock: Any) -> None:
    """It goes no further ahead than its deadline leaves."""
    table = Table(clock=clock)
    entry = table.put(SearchOptions(30), deadline=5.5)
    for number in range(1, 31):
        table.engine.meanwhile[number] = partial(clock.advance, 1.0)
    table.run()
    assert isinstance(entry.future.exception(0), DeadlineExceededError)
    assert table.engine.calls == [6]


def test_an_engine_that_fails_ahead_fails_that_row_alone() -> None:
    """The next are served as ever."""

    def fail() -> None:
        raise RuntimeError("the decoder is broken")

    table = Table()
    entry = table.put(SearchOptions(30))
    table.engine.meanwhile[4] = fail
    table.run()
    assert isinstance(entry.future.exception(0), InternalError)
    later = table.put(SearchOptions(12))
    table.run()
    assert _found(later) == _alone(SearchOptions(12))
