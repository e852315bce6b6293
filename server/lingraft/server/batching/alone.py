"""A row that is alone in the batch: some steps in one call of the engine.

Each step has costs that hang on no row, ONNX Runtime's and Python's, and a row that is alone bears
them all. An engine may make several steps at once (`TranslationEngine.ahead`), as long as nobody
comes or goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lingraft.server.batching.member import Member
from lingraft.server.batching.queue import WorkQueue
from lingraft.server.batching.work import Decoded, Source, SourceEntry
from lingraft.server.engines import TranslationEngine
from lingraft.server.engines.base import Plan, Step

_MOST_AHEAD = 32
_NOWHERE = -1


class Alone:
    """Makes the steps of a row that is alone. Whoever comes or goes is waited for no longer.

    It is told so by `halt`, at any time and in any thread: the step that runs is then the last one
    before the batch looks who is there.
    """

    def __init__(
        self,
        engine: TranslationEngine,
        queue: WorkQueue[Source, Decoded],
        clock: Callable[[], float],
    ) -> None:
        self._engine, self._queue, self._clock = engine, queue, clock
        # Not 0 when the batch is to look again, and where to look for what comes in. Other threads
        # write the first while the engine reads it, which holds no lock for that: a number of 32
        # bits is there as a whole or not at all.
        self._halt: NDArray[np.int32] = np.array([0, _NOWHERE], np.int32)
        if engine.goes_ahead:
            queue.watch(self.halt)

    def halt(self, *_: object) -> None:
        """Lets the step that runs be the last before the batch looks again."""
        self._halt[0] = 1

    def heed(self, entry: SourceEntry) -> None:
        """Halts when nobody waits for this one any more."""
        if self._engine.goes_ahead:
            entry.future.add_done_callback(self.halt)

    def steps(self, member: Member) -> Sequence[Step]:
        """The next ones, one at least."""
        plan = self._plan(member)
        if plan is not None:
            return self._engine.ahead(member.inputs[0], plan, self._halt)
        # It waits for the output layer's weights to be read, and need not for all of them.
        return [self._engine.step(member.inputs, member.candidates, member.may_be_late)]

    def _plan(self, member: Member) -> Plan | None:
        """For more than one step; None where it may be only one."""
        if not self._engine.goes_ahead:
            return None
        self._halt[0] = 0  # first: whoever comes or goes from here on sets it anew
        if len(self._queue) or self._queue.is_closed or member.entry.future.done():
            return None  # who waits may expire, and joins as soon as there is room
        self._halt[1] = _NOWHERE if self._queue.arrives_at is None else self._queue.arrives_at
        plan = member.plan(_MOST_AHEAD, member.entry.deadline - self._clock())
        return plan if plan is not None and plan.steps > 1 else None
