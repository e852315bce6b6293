"""The thread that runs one model: it sleeps while nothing waits, and outlives failing engines."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

from lingraft.server.batching.lanes import AnswerT, Entry, WorkT
from lingraft.server.batching.queue import WorkQueue
from lingraft.server.errors import InternalError, ModelDownError, ServerError, ShuttingDownError

_log = logging.getLogger(__name__)
_ResultT = TypeVar("_ResultT")
_ScreenedT = TypeVar("_ScreenedT", contravariant=True)
_TakenT = TypeVar("_TakenT", contravariant=True)
_GivenT = TypeVar("_GivenT")
# Far longer than any step; a thread that hangs for good does not keep the process from ending.
_LAST_STEP_S = 10.0


class Batch(Protocol):
    """What a scheduler drives: a batch that takes from a queue."""

    def tick(self) -> bool:
        """Takes what fits, runs the model once, answers what is done. False: nothing to do."""

    def abandon(self, error: ServerError) -> None:
        """Fails all rows in the batch."""


class Screen(Protocol[_ScreenedT]):
    """Sees a call's works before they are queued."""

    def __call__(self, works: Sequence[_ScreenedT], bulk: bool, /) -> Sequence[bool]:
        """For each whether it waits in the bulk lane. Raises what refuses the call."""


class Scheduler(Protocol[_TakenT, _GivenT]):
    """What callers know of a model that runs beside them, in a thread or in a process."""

    def start(self, on_death: Callable[[], None]) -> None:
        """Begins; `on_death` is called when the model ends without having been asked to."""

    def submit(
        self, works: Sequence[_TakenT], deadline: float, bulk: bool = False
    ) -> list[Future[_GivenT]]:
        """A future for each work, all of them or, when it raises, none. Called in the event loop.

        `deadline` is by the scheduler's clock. A future that is cancelled leaves at the next step.
        Raises QueueFullError, MemoryCeilingError, ShuttingDownError, or ModelDownError when the
        model is gone.
        """

    @property
    def waiting(self) -> int:
        """Rows that wait for a place in the batch."""

    @property
    def is_stopping(self) -> bool:
        """Whether new rows are refused for good."""

    def stop(self) -> None:
        """Takes nothing more, fails what is left, and waits for the last step to end.

        Called in another thread than that of the event loop, which has to run on.
        """


class ThreadScheduler(Generic[WorkT, AnswerT]):
    """A `Scheduler` that owns a thread, a queue and a batch; any thread may use it.

    `clock` gives seconds and never goes back. Without a `screen` all works wait in the lane that
    the caller wants.
    """

    def __init__(
        self,
        name: str,
        queue: WorkQueue[WorkT, AnswerT],
        batch: Batch,
        clock: Callable[[], float],
        screen: Screen[WorkT] | None = None,
    ) -> None:
        self._name, self._queue, self._batch, self._clock = name, queue, batch, clock
        self._screen = screen or as_wanted
        self._on_death: Callable[[], None] = _nothing
        self._thread = threading.Thread(target=self._run, name=f"model-{name}", daemon=True)

    def start(self, on_death: Callable[[], None]) -> None:
        """Starts the thread; it calls `on_death` when it ends without having been asked to."""
        self._on_death = on_death
        self._thread.start()

    def submit(
        self, works: Sequence[WorkT], deadline: float, bulk: bool = False
    ) -> list[Future[AnswerT]]:
        """A future for each work, all of them or, when it raises, none. Any thread may call it.

        A future that is cancelled leaves at the next step. Raises QueueFullError,
        MemoryCeilingError, ShuttingDownError, or ModelDownError when the thread has died.
        """
        now = self._clock()
        lanes = self._screen(works, bulk)
        entries: list[Entry[WorkT, AnswerT]] = [
            Entry(work, now, deadline, lane) for work, lane in zip(works, lanes, strict=True)
        ]
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
        try:
            self._serve()
        except BaseException:  # noqa: BLE001 -- whatever ends this thread, nobody may wait for it
            _log.exception("the thread of model %s died", self._name)
            self._die()
        else:
            self._end(ShuttingDownError("the server is shutting down"))

    def _die(self) -> None:
        retry_after_s = self._queue.retry_after_s
        message = f"model {self._name} is down; the log of the server has more"
        try:
            self._end(ModelDownError(message, retry_after_s, {"model": self._name}))
        finally:
            self._on_death()

    def _end(self, error: ServerError) -> None:
        self._queue.close(error)
        self._batch.abandon(error)

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


def as_wanted(works: Sequence[Any], bulk: bool) -> Sequence[bool]:
    """A `Screen` that lets all works wait where the caller wants."""
    return [bulk] * len(works)


def _nothing() -> None:
    pass
