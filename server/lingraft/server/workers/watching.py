"""Hearing that something has come in, while the thread that will read it is busy elsewhere."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def watching(end: socket.socket, arrived: Callable[[], None]) -> Iterator[None]:
    """Meanwhile `arrived` is called, in a thread of its own, whenever something comes in at `end`.

    That thread reads nothing, and sleeps but for that. Linux only.
    """
    stop, stopped = socket.socketpair()
    with stop, stopped, select.epoll() as events:
        # Once for all that comes at one time, however long it stays unread.
        events.register(end, select.EPOLLIN | select.EPOLLET)
        events.register(stopped, select.EPOLLIN)
        arguments = (events, stopped.fileno(), arrived)
        thread = threading.Thread(target=_watch, args=arguments, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.close()
            thread.join()


def _watch(events: select.epoll, stopped: int, arrived: Callable[[], None]) -> None:
    while stopped not in (descriptor for descriptor, _ in events.poll()):
        arrived()
