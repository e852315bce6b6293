"""The server's end of what is said to a model's process: in the event loop, where nothing waits."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from lingraft.server.workers.messages import READ_BYTES, Frames, encoded

_log = logging.getLogger(__name__)
# The kernel holds about twice as much for the other end; what is urgent stands behind that.
_KERNEL_BYTES = 2**15


class Line:
    """Messages over a socket. Made and used inside one event loop, in its thread.

    `heard` is called with each message, `ended` once, when the other end is gone. What is said goes
    before what is left of a stream, of which no frame is made before there is room for it.
    """

    def __init__(
        self, end: socket.socket, heard: Callable[[Any], None], ended: Callable[[], None]
    ) -> None:
        self._loop, self._end = asyncio.get_running_loop(), end
        self._heard, self._ended = heard, ended
        self._frames = Frames()
        self._unsent = bytearray()
        self._streams: deque[Iterator[bytes]] = deque()
        self._is_due = self._is_full = False
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
        self._loop.add_reader(end, self._read)

    def say(self, message: Any) -> None:
        """Sends a message; after the end it goes nowhere. Raises what pickling it raises."""
        self._unsent += encoded(message)
        if not self._is_full:
            self._send()

    def stream(self, frames: Iterator[bytes]) -> None:
        """Sends frames (`encoded`) one after another, as there is room for them."""
        self._streams.append(frames)
        self._send_soon()

    def _send_soon(self) -> None:
        """In the next turn of the loop: between two frames of a stream others have theirs."""
        if not self._is_due and not self._is_full:
            self._is_due = True
            self._loop.call_soon(self._send_due)

    def _send_due(self) -> None:
        self._is_due = False
        if not self._is_full:
            self._send()

    def _send(self) -> None:
        """As much as the socket takes now, one frame of a stream at most; the rest later."""
        if self._end.fileno() < 0:
            return
        if not self._unsent and self._streams:
            self._unsent += next(self._streams[0], b"") or self._next_stream()
        try:
            del self._unsent[: self._end.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:  # gone; reading tells
            self._unsent.clear()
            self._streams.clear()
        self._await_room(bool(self._unsent))
        if self._streams:
            self._send_soon()

    def _next_stream(self) -> bytes:
        self._streams.popleft()
        return b""

    def _await_room(self, is_full: bool) -> None:
        if is_full and not self._is_full:
            self._loop.add_writer(self._end, self._send)
        elif self._is_full and not is_full:
            self._loop.remove_writer(self._end)
        self._is_full = is_full

    def _read(self) -> None:
        try:
            data = self._end.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            messages = self._frames.take(data)
        except Exception:  # noqa: BLE001 -- whatever makes a message unreadable, nothing follows it
            _log.exception("what a model's process said cannot be read")
            messages, data = [], b""
        for message in messages:
            self._heard(message)
        if not data:
            self._close()

    def _close(self) -> None:
        self._loop.remove_reader(self._end)
        self._await_room(False)
        self._end.close()
        self._ended()
