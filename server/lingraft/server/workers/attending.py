"""The loop of a model's process: one thread hears the server, runs the model, and answers."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from lingraft.server.batching import Batch, Entry, WorkQueue
from lingraft.server.errors import InternalError, ServerError, ShuttingDownError
from lingraft.server.metrics import Metrics
from lingraft.server.workers.messages import (
    READ_BYTES,
    Cancel,
    Farewell,
    Frames,
    Progress,
    Put,
    encoded,
    say,
)

_FAILED = "the engine failed; the log of the server has more"


def attend(end: socket.socket, queue: WorkQueue[Any, Any], batch: Batch, metrics: Metrics) -> None:
    """Serves until the server says stop or is gone. Raises ConnectionError when it goes meanwhile.

    Between two steps it looks whether something was said, without waiting while there is work: no
    other thread of the process ever runs Python beside the model's. A batch that goes ahead of a
    row looks itself whether something can be heard.
    """
    hatch = _Hatch(end, queue)
    queue.arrives_at = end.fileno()
    busy = False
    while hatch.listen(wait=not busy and not len(queue)):
        busy = batch.tick()
        hatch.tell()
    gone = ShuttingDownError("the server is shutting down")
    queue.close(gone)
    batch.abandon(gone)
    if hatch.is_open:
        hatch.tell()
        say(end, Farewell(metrics.counted()))


class _Hatch:
    """What goes in and out between two steps. `is_open`: the server is still there."""

    def __init__(self, end: socket.socket, queue: WorkQueue[Any, Any]) -> None:
        self._end, self._queue = end, queue
        self._frames = Frames()
        self._futures: dict[int, Future[Any]] = {}
        self._parts: dict[int, list[Entry[Any, Any]]] = {}  # of calls that are not whole yet
        self._answered: list[tuple[int, Any]] = []
        self._failed: list[tuple[int, ServerError]] = []
        self._heard = 0
        self._told = (0, 0)  # rows heard of, rows that wait
        self.is_open = True

    def listen(self, wait: bool) -> bool:
        """Does what was said. False when the server said stop, or is gone."""
        try:
            data = self._end.recv(READ_BYTES, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except ConnectionError:
            data = b""
        self.is_open = bool(data)
        return self.is_open and all(map(self._do, self._frames.take(data)))

    def tell(self) -> None:
        """Says what has become of rows since it was told last, if anything."""
        now = (self._heard, len(self._queue))
        if not self._answered and not self._failed and now == self._told:
            return
        progress = Progress(self._answered, self._failed, *now)
        self._answered, self._failed, self._told = [], [], now
        self._end.sendall(encoded(progress))

    def _do(self, message: Any) -> bool:
        """Whether to go on."""
        if isinstance(message, Put):
            self._put(message)
        elif isinstance(message, Cancel):
            for number in message.numbers:
                if (future := self._futures.get(number)) is not None:
                    future.cancel()
        else:
            return False
        return True

    def _put(self, message: Put) -> None:
        entries = self._parts.setdefault(message.call, [])
        for number, work, arrived, deadline, bulk in message.rows:
            entry: Entry[Any, Any] = Entry(work, arrived, deadline, bulk)
            self._futures[number] = entry.future
            entry.future.add_done_callback(partial(self._settled, number))
            entries.append(entry)
        if message.is_last:
            del self._parts[message.call]
            self._heard += message.size
            self._queue_up([entry for entry in entries if not entry.future.done()])

    def _queue_up(self, entries: Sequence[Entry[Any, Any]]) -> None:
        if not entries:
            return
        try:
            self._queue.put(entries, max(entry.arrived for entry in entries))
        except ServerError as error:
            for entry in entries:
                entry.future.set_exception(error)

    def _settled(self, number: int, future: Future[Any]) -> None:
        del self._futures[number]
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            self._answered.append((number, future.result()))
        elif isinstance(error, ServerError):
            self._failed.append((number, error))
        else:
            self._failed.append((number, InternalError(_FAILED)))
