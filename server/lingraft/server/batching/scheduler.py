"""The thread that runs one model: it sleeps while nothing waits, and outlives failing engines."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

from lingraft.server.batching.queue import AnswerT, Entry, WorkQueue, WorkT
from lingraft.server.errors import InternalError, ServerError, ShuttingDownError

_log = logging.getLogger(__name__)
_ResultT = TypeVar("_ResultT")
# Far longer than any step; a thread that hangs for good does not keep the process from ending.
_LAST_STEP_S = 10.0


class Batch(Protocol):
    """What a scheduler drives: a batch that takes from a queue."""

    def tick(self) -> bool:
        """Takes what fits, runs the model once, answers what is done. False: nothing to do."""

    def abandon(self, error: ServerError) -> None:
        """Fails all rows in the batch."""


class Scheduler(Generic[WorkT, AnswerT]):
    """Owns a thread, a queue and a batch. `clock` gives seconds and never goes back."""

    def __init__(
        self,
        name: str,
        queue: WorkQueue[WorkT, AnswerT],
        batch: Batch,
        clock: Callable[[], float],
    ) -> None:
        self._queue, self._batch, self._clock = queue, batch, clock
        self._on_death: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name=f"model-{name}", daemon=True)

    def start(self, on_death: Callable[[], None]) -> None:
        """Starts the thread; it calls `on_death` when it ends without having been asked to."""
        self._on_death = on_death
        self._thread.start()

    def submit(
        self, works: Sequence[WorkT], deadline: float, bulk: bool = False
    ) -> list[Future[AnswerT]]:
        """A future for each row, all of them or, when it raises, none.

        A future that is cancelled leaves at the next step. Raises QueueFullError,
        ShuttingDownError, or InternalError when the thread has died.
        """
        now = self._clock()
        entries: list[Entry[WorkT, AnswerT]] = [Entry(work, now, deadline, bulk) for work in works]
        self._queue.put(entries, now)
        return [entry.future for entry in entries]

    @property
    def waiting(self) -> int:
        """Rows that wait for a place in the batch."""
        return len(self._queue)

    @property
    def is_stopping(self) -> bool:
        """Whether new rows are refused for good."""
        return self._queue.is_closed

    def stop(self) -> None:
        """Takes nothing more, fails what is left, and waits for the last step to end."""
        self._queue.close(ShuttingDownError("the server is shutting down"))
        if self._thread.ident is not None:
            self._thread.join(_LAST_STEP_S)

    def _run(self) -> None:
        outcome = guarded(self._serve)
        died = isinstance(outcome, InternalError)
        error = outcome or ShuttingDownError("the server is shutting down")
        self._queue.close(error)
        self._batch.abandon(error)
        if died:
            self._on_death()

    def _serve(self) -> None:
        while self._queue.wait():
            self._tick_until_idle()

    def _tick_until_idle(self) -> None:
        while self._batch.tick():
            if self._queue.is_closed:
                return


def guarded(call: Callable[..., _ResultT], *arguments: Any) -> _ResultT | InternalError:
    """What a call answers, or an InternalError for whatever it raised, which is logged.

    This is the border of the engine thread: the rows concerned fail, the thread goes on.
    """
    try:
        return call(*arguments)
    except Exception:  # noqa: BLE001 -- the border of the engine thread, for whatever comes
        _log.exception("the engine failed")
        return InternalError("the engine failed; the log of the server has more")
