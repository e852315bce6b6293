"""A scheduler whose queue, batch and model are in another process."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol

from lingraft.server.batching import Screen, as_wanted, queue_full
from lingraft.server.batching.lanes import AnswerT, WorkT
from lingraft.server.errors import (
    InternalError,
    ModelDownError,
    ServerError,
    ShuttingDownError,
)
from lingraft.server.metrics import FAILED, REFUSED, Metrics
from lingraft.server.workers.line import Line
from lingraft.server.workers.messages import (
    Cancel,
    Farewell,
    Progress,
    Put,
    Row,
    Stop,
    encoded,
)

_log = logging.getLogger(__name__)
# Far longer than any step; a process that hangs for good does not keep the server from ending.
_LAST_STEP_S = 10.0
# A larger call goes in parts: pickling one of 16,384 sentences takes a quarter of a second.
_PART_ROWS = 128
# Rows that may be on their way to a process, however few may wait there: it may be at a long step.
_LEAST_ON_THE_WAY = 1_024


class Peer(Protocol):
    """The process, as far as its scheduler knows it (`process.Worker`)."""

    @property
    def end(self) -> socket.socket:
        """This side of the socket to it."""

    def ending(self) -> str:
        """Waits for the process, and says how it ended."""

    def kill(self) -> None:
        """Ends the process, whatever it does."""

    def close(self) -> None:
        """Ends the process and the socket to it, where no event loop listens to that."""


@dataclass(frozen=True)
class Bounds:
    """Of the queue: rows that may wait, and when whom it refuses may come again."""

    limit: int
    retry_after_s: float


class ProcessScheduler(Generic[WorkT, AnswerT]):
    """A `Scheduler` for use inside one event loop, in its thread; it never holds that up.

    Queue, lanes and deadlines are the process's, and so is the refusal of a full queue. Here a call
    is screened, and refused while the process looks at nothing and too much is on its way to it.
    """

    def __init__(
        self,
        name: str,
        worker: Peer,
        bounds: Bounds,
        metrics: Metrics,
        clock: Callable[[], float],
        screen: Screen[WorkT] = as_wanted,
        last_step_s: float = _LAST_STEP_S,
    ) -> None:
        """`clock` is the machine's (`time.monotonic`): the process reads the same one."""
        self._last_step_s = last_step_s
        self._name, self._worker, self._bounds = name, worker, bounds
        self._metrics, self._clock, self._screen = metrics, clock, screen
        self._calls, self._numbers = itertools.count(), itertools.count()
        self._pending: dict[int, Future[AnswerT]] = {}
        self._cancelled: list[int] = []
        # Rows of all time, those of them that the process has looked at, and rows in its queue.
        self._submitted = self._heard_of = self._queued = 0
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
        MemoryCeilingError, ShuttingDownError, or ModelDownError when the process has died. The
        process may refuse a call too: then all of its futures hold the QueueFullError.
        """
        now = self._clock()
        lanes = self._screen(works, bulk)
        if self._closed is not None:
            raise self._closed
        self._refuse_over(len(works))
        rows = [
            Row(next(self._numbers), work, now, deadline, lane)
            for work, lane in zip(works, lanes, strict=True)
        ]
        futures: list[Future[AnswerT]] = [Future() for _ in rows]
        self._send(rows, futures)
        self._submitted += len(rows)
        for row, future in zip(rows, futures, strict=True):
            self._pending[row.number] = future
            future.add_done_callback(partial(self._settled, row.number))
        return futures

    @property
    def waiting(self) -> int:
        """Rows that wait for a place in the batch, on their way to the process or in its queue."""
        return self._submitted - self._heard_of + self._queued

    @property
    def is_stopping(self) -> bool:
        """Whether new rows are refused for good."""
        return self._closed is not None

    def stop(self) -> None:
        """Takes nothing more, fails what is left, and waits for the process to end.

        Called in another thread than that of the event loop, which has to run on.
        """
        if self._over.is_set():
            return
        if self._loop is None or self._loop.is_closed():
            self._worker.close()
            return
        self._loop.call_soon_threadsafe(self._ask_to_stop)
        if not self._over.wait(self._last_step_s):
            _log.warning("the process of model %s did not end; it is killed", self._name)
            self._worker.kill()
            self._over.wait(self._last_step_s)
        self._worker.ending()

    def _ask_to_stop(self) -> None:
        self._closed = self._closed or ShuttingDownError("the server is shutting down")
        self._line.say(Stop())

    def _refuse_over(self, arriving: int) -> None:
        """The queue refuses; here stands how much may be on its way to it, while nobody reads."""
        unheard, after_s = self._submitted - self._heard_of, self._bounds.retry_after_s
        limit = max(self._bounds.limit, _LEAST_ON_THE_WAY)
        if unheard > 0 and unheard + arriving > limit:
            self._metrics.count(REFUSED, arriving)
            raise queue_full(unheard, arriving, limit, after_s)

    def _send(self, rows: Sequence[Row], futures: Sequence[Future[AnswerT]]) -> None:
        """A call of some rows at once; one of many in parts, before which others may go."""
        call = next(self._calls)
        if len(rows) > _PART_ROWS:
            self._line.stream(self._parts(call, rows, futures))
        elif rows:
            try:
                self._line.say(Put(call, rows, len(rows)))
            except Exception as error:
                raise _unsendable() from error

    def _parts(
        self, call: int, rows: Sequence[Row], futures: Sequence[Future[AnswerT]]
    ) -> Iterator[bytes]:
        """Frames of a call, made when there is room for them, without rows taken back by then."""
        for begin in range(0, len(rows), _PART_ROWS):
            end = begin + _PART_ROWS
            pairs = zip(rows[begin:end], futures[begin:end], strict=True)
            part = [row for row, future in pairs if not future.done()]
            try:
                yield encoded(Put(call, part, len(rows) if end >= len(rows) else 0))
            except Exception:  # noqa: BLE001 -- of this call alone, whatever it is
                numbers = [row.number for row in rows]
                for number in numbers:
                    self._fail(number, _unsendable())
                self._line.say(Cancel(numbers))
                yield encoded(Put(call, [], len(rows)))
                return

    def _settled(self, number: int, future: Future[AnswerT]) -> None:
        """Rows that callers take back are heard of by the process too, many at a time."""
        if not future.cancelled() or self._pending.pop(number, None) is None:
            return
        if not self._cancelled and self._loop is not None:
            self._loop.call_soon(self._tell_cancelled)
        self._cancelled.append(number)

    def _tell_cancelled(self) -> None:
        numbers, self._cancelled = self._cancelled, []
        self._line.say(Cancel(numbers))

    def _heard(self, message: Any) -> None:
        if isinstance(message, Progress):
            self._heard_of, self._queued = message.heard, message.waiting
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
        if self._closed is None:
            message = f"model {self._name} is down; the log of the server has more"
            after_s = self._bounds.retry_after_s
            self._closed = ModelDownError(message, after_s, {"model": self._name})
            self._metrics.count(FAILED, len(self._pending))
        for number in list(self._pending):
            self._fail(number, self._closed)
        self._over.set()
        if died:
            self._on_death()
            threading.Thread(target=self._tell_how, name=f"ended-{self._name}").start()

    def _tell_how(self) -> None:
        """In a thread of its own: a process may take its time to go."""
        _log.error("the process of model %s died: %s", self._name, self._worker.ending())


def _unsendable() -> InternalError:
    _log.exception("a call cannot be handed to the process of its model")
    return InternalError("the call cannot be handed to its model; the log of the server has more")
