"""A scheduler whose queue, batch and model are in another process."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol

from lingraft.server.batching import Screen, as_wanted, queue_full
from lingraft.server.batching.lanes import AnswerT, WorkT
from lingraft.server.errors import ModelDownError, ServerError, ShuttingDownError
from lingraft.server.metrics import REFUSED, Metrics
from lingraft.server.workers.line import Line
from lingraft.server.workers.messages import Cancel, Farewell, Progress, Put, Row, Stop

_log = logging.getLogger(__name__)
# Far longer than any step; a process that hangs for good does not keep the server from ending.
_LAST_STEP_S = 10.0


class Peer(Protocol):
    """The process, as far as its scheduler knows it (`process.Worker`)."""

    @property
    def end(self) -> socket.socket:
        """This side of the socket to it."""

    def ending(self) -> str:
        """Waits for the process, and says how it ended."""

    def kill(self) -> None:
        """Ends the process, whatever it does."""


@dataclass(frozen=True)
class Bounds:
    """Of the queue: rows that may wait, and when whom it refuses may come again."""

    limit: int
    retry_after_s: float


class ProcessScheduler(Generic[WorkT, AnswerT]):
    """A `Scheduler` for use inside one event loop, which it never holds up.

    Screening and refusing are done here, at once; queue, lanes and deadlines are the process's.
    """

    def __init__(
        self,
        name: str,
        worker: Peer,
        bounds: Bounds,
        metrics: Metrics,
        clock: Callable[[], float],
        screen: Screen[WorkT] = as_wanted,
    ) -> None:
        """`clock` is the machine's (`time.monotonic`): the process reads the same one."""
        self._name, self._worker, self._bounds = name, worker, bounds
        self._metrics, self._clock, self._screen = metrics, clock, screen
        self._numbers = itertools.count()
        self._pending: dict[int, Future[AnswerT]] = {}
        self._running = 0  # of the pending, as the process said last
        self._closed: ServerError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = threading.Event()

    def start(self, on_death: Callable[[], None]) -> None:
        """Listens to the process; `on_death` is called when that ends without having been asked."""
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._line = Line(self._worker.end, self._heard, self._ended)

    def submit(
        self, works: Sequence[WorkT], deadline: float, bulk: bool = False
    ) -> list[Future[AnswerT]]:
        """A future for each work, all of them or, when it raises, none.

        A future that is cancelled leaves at the next step. Raises QueueFullError,
        MemoryCeilingError, ShuttingDownError, or ModelDownError when the process has died.
        """
        now = self._clock()
        lanes = self._screen(works, bulk)
        if self._closed is not None:
            raise self._closed
        self._refuse_over(len(works))
        rows: list[Row] = []
        futures: list[Future[AnswerT]] = []
        for work, lane in zip(works, lanes, strict=True):
            number = next(self._numbers)
            future: Future[AnswerT] = Future()
            self._pending[number] = future
            future.add_done_callback(partial(self._settled, number))
            rows.append(Row(number, work, now, deadline, lane))
            futures.append(future)
        if rows:
            self._line.say(Put(rows))
        return futures

    @property
    def waiting(self) -> int:
        """Rows that wait for a place in the batch; some more while the process has not told."""
        return max(0, len(self._pending) - self._running)

    @property
    def is_stopping(self) -> bool:
        """Whether new rows are refused for good."""
        return self._closed is not None

    def stop(self) -> None:
        """Takes nothing more, fails what is left, and waits for the process to end.

        Called in another thread than that of the event loop, which has to run on.
        """
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ask_to_stop)
            if self._over.wait(_LAST_STEP_S):
                self._worker.ending()
                return
            _log.warning("the process of model %s did not end; it is killed", self._name)
        self._worker.kill()

    def _ask_to_stop(self) -> None:
        self._close(ShuttingDownError("the server is shutting down"))
        self._line.say(Stop())

    def _close(self, error: ServerError) -> None:
        self._closed = self._closed or error

    def _refuse_over(self, arriving: int) -> None:
        waiting, bounds = self.waiting, self._bounds
        if waiting > 0 and waiting + arriving > bounds.limit:
            self._metrics.count(REFUSED, arriving)
            raise queue_full(waiting, arriving, bounds.limit, bounds.retry_after_s)

    def _settled(self, number: int, future: Future[AnswerT]) -> None:
        """A caller who takes a row back is heard by the process too."""
        if future.cancelled() and self._pending.pop(number, None) is not None:
            self._line.say(Cancel(number))

    def _heard(self, message: Any) -> None:
        if isinstance(message, Progress):
            self._running = message.running
            for number, answer in message.answered:
                if (future := self._pending.pop(number, None)) is not None:
                    future.set_result(answer)
            for number, error in message.failed:
                self._fail(number, error)
        elif isinstance(message, Farewell):
            self._metrics.add(message.counted)

    def _fail(self, number: int, error: ServerError) -> None:
        if (future := self._pending.pop(number, None)) is not None:
            future.set_exception(error)

    def _ended(self) -> None:
        """The process is gone, and everybody is told so."""
        died = self._closed is None
        if died:
            _log.error("the process of model %s died: %s", self._name, self._worker.ending())
            message = f"model {self._name} is down; the log of the server has more"
            self._close(ModelDownError(message, self._bounds.retry_after_s, {"model": self._name}))
        for number in list(self._pending):
            assert self._closed is not None
            self._fail(number, self._closed)
        self._over.set()
        if died:
            self._on_death()
