"""Continuous batching: rows join and leave at every decoder step (Orca, Yu et al., OSDI 2022)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from lingraft.server.batching.admission import Admission, Turns
from lingraft.server.batching.alone import Alone
from lingraft.server.batching.capacity import Capacity
from lingraft.server.batching.encoding import Pace, passes, positions
from lingraft.server.batching.member import Member
from lingraft.server.batching.queue import WorkQueue
from lingraft.server.batching.scheduler import guarded
from lingraft.server.batching.work import Decoded, Source, SourceEntry
from lingraft.server.engines import TranslationEngine
from lingraft.server.engines.base import Step
from lingraft.server.errors import InternalError, ServerError
from lingraft.server.metrics import MODEL_SECONDS, QUEUE_SECONDS, STEPS, Metrics
from lingraft.server.search.base import Found

_ENCODE_S = 0.02
# While so many rows run, newcomers wait for company, so many steps at most: a pass of one reads all
# weights of the encoder, and with 32 callers each step had one. Everybody's answer is there sooner.
_BUSY_ROWS, _COMPANY, _PATIENCE_STEPS = 16, 4, 3


class ContinuousBatch:
    """The sentences that are being decoded. One thread ticks.

    A `tick` is one decoder step, or some steps of a row that is alone, the last of which is the one
    in which somebody comes (`Alone`).

    Newcomers are encoded for `encode_s` seconds at most between two steps, as far as that can be
    foreseen, or one of them if it alone takes longer. When nothing runs, interactive ones may take
    any time; bulk ones still may not, for interactive work may come at any moment. While many rows
    run, they join a few at a time.
    """

    def __init__(
        self,
        engine: TranslationEngine,
        queue: WorkQueue[Source, Decoded],
        capacity: Capacity,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        encode_s: float = _ENCODE_S,
    ) -> None:
        self._engine, self._queue, self._capacity = engine, queue, capacity
        self._metrics, self._clock = metrics, clock
        self._turns, self._pace = Turns(), Pace(encode_s)
        self._alone = Alone(engine, queue, clock)
        self._members: list[Member] = []
        self._newcomers: list[SourceEntry] = []  # taken from the queue, not yet members
        self._changed = False  # whether the engine's rows are to be selected anew
        self._waited = 0  # steps that newcomers have waited for company

    def tick(self) -> bool:
        """Drops the gone, admits newcomers, makes a step. False when there was no row."""
        now = self._clock()
        self._drop_gone(now)
        self._settle()
        if len(self._queue):
            self._admit(now)
        if not self._members:
            return False
        self._step()
        return True

    def abandon(self, error: ServerError) -> None:
        """Fails all sentences in the batch."""
        for entry in (*self._newcomers, *(member.entry for member in self._members)):
            self._queue.fail(entry, error)
        self._newcomers, self._members = [], []
        self._changed = False
        self._engine.clear()

    def _drop_gone(self, now: float) -> None:
        is_gone = self._queue.is_gone
        stay = [member for member in self._members if not is_gone(member.entry, now)]
        if len(stay) < len(self._members):
            self._members, self._changed = stay, True

    def _settle(self) -> None:
        """One selection for all that the last step changed, and for those who have left."""
        if not self._changed:
            return
        parents: list[int] = []
        for member in self._members:
            parents += member.move(len(parents))
        self._changed = False
        outcome = guarded(self._engine.select, parents)
        if isinstance(outcome, InternalError):
            self.abandon(outcome)

    def _admit(self, now: float) -> None:
        if not self._is_time():
            self._queue.expire(now)
            return
        running = [member.entry for member in self._members]
        bound = self._pace.tokens
        admission = Admission(
            self._capacity, self._turns, running, bound if running else math.inf, bound
        )
        self._queue.pick(admission, now, self._newcomers)
        for group in passes(self._newcomers, self._engine.pads):
            self._join(group)
        self._newcomers = []

    def _is_time(self) -> bool:
        """Whether to ask who may join: there is room, and for enough of them to encode together."""
        rows = sum(member.width for member in self._members)
        room = self._capacity.max_rows - rows
        if room <= 0:
            return False
        alone = rows >= _BUSY_ROWS and min(room, len(self._queue)) < _COMPANY
        if rows > len(self._members):
            alone = False  # beams: room for one may be all the room that there will be
        if self._queue.has_interactive and any(each.entry.bulk for each in self._members):
            alone = False  # nobody waits on bulk work's account
        self._waited = self._waited + 1 if alone and self._waited < _PATIENCE_STEPS else 0
        return self._waited == 0

    def _join(self, group: Sequence[SourceEntry]) -> None:
        """Encodes newcomers in one pass; if that fails, they fail alone."""
        members = [member for member in map(self._begun, group) if member is not None]
        if not members:
            return
        began = self._clock()
        sources = [member.entry.work.ids for member in members]
        outcome = guarded(self._engine.join, sources, [member.width for member in members])
        if isinstance(outcome, InternalError):
            for member in members:
                self._queue.fail(member.entry, outcome)
            return
        self._pace.measured(positions(group, self._engine.pads), self._clock() - began)
        slot = sum(member.width for member in self._members)
        for member in members:
            self._metrics.observe(QUEUE_SECONDS, began - member.entry.arrived)
            member.join(slot, began)
            self._alone.heed(member.entry)
            slot += member.width
        self._members += members

    def _begun(self, entry: SourceEntry) -> Member | None:
        outcome = guarded(Member, entry)
        if isinstance(outcome, InternalError):
            self._queue.fail(entry, outcome)
            return None
        return outcome

    def _step(self) -> None:
        steps = guarded(self._made)
        if isinstance(steps, InternalError):
            self.abandon(steps)
            return
        self._metrics.count(STEPS, len(steps))
        for step in steps:
            self._take(step)

    def _made(self) -> Sequence[Step]:
        """What the engine says: one step, or some where a row is alone."""
        inputs: list[int] = []
        candidates = 1
        for member in self._members:
            inputs += member.inputs
            candidates = max(candidates, member.candidates)
        if len(inputs) == 1:
            return self._alone.steps(self._members[0])
        return [self._engine.step(inputs, candidates)]

    def _take(self, step: Step) -> None:
        """Hands a step to all who are there; those who finish leave."""
        finished = []
        for member in self._members:
            outcome = guarded(self._advance, member, step)
            if outcome is not None:
                finished.append((member, outcome))
            elif member.is_reordered:
                self._changed = True
        self._leave(finished)

    def _advance(self, member: Member, step: Step) -> tuple[Found, ...] | None:
        """What a member found, once it has finished and lacks no probability."""
        ended = member.advance(step)
        if member.owed and (ended or not member.credit):
            member.score(self._engine.normalisers(member.owed))
        return member.found() if ended else None

    def _leave(self, finished: Sequence[tuple[Member, tuple[Found, ...] | InternalError]]) -> None:
        if not finished:
            return
        now = self._clock()
        for member, outcome in finished:
            if isinstance(outcome, InternalError):
                self._queue.fail(member.entry, outcome)
                continue
            waited, ran = member.joined_at - member.entry.arrived, now - member.joined_at
            self._metrics.observe(MODEL_SECONDS, ran)
            self._queue.answer(member.entry, Decoded(outcome, waited, ran))
        gone = {member for member, _ in finished}
        self._members = [member for member in self._members if member not in gone]
        self._changed = True
