"""The server's end of what is said to a model's process: in the event loop, where nothing waits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from lingraft.server.workers.messages import READ_BYTES, Frames, encoded


class Line:
    """Messages over a socket. Made and used inside one event loop.

    Whatever is said in one turn of the loop goes out as one frame. `heard` is called with each
    message, `ended` once, when the other end is gone.
    """

    def __init__(
        self, end: socket.socket, heard: Callable[[Any], None], ended: Callable[[], None]
    ) -> None:
        self._loop, self._end = asyncio.get_running_loop(), end
        self._heard, self._ended = heard, ended
        self._frames = Frames()
        self._said: list[Any] = []
        self._unsent = bytearray()
        end.setblocking(False)
        self._loop.add_reader(end, self._read)

    def say(self, message: Any) -> None:
        """Sends a message soon. After the end it goes nowhere."""
        if not self._said:
            self._loop.call_soon(self._flush)
        self._said.append(message)

    def _flush(self) -> None:
        messages, self._said = self._said, []
        if self._end.fileno() < 0:
            return
        waits = bool(self._unsent)
        self._unsent += encoded(messages)
        if not waits:
            self._send()

    def _send(self) -> None:
        """As much as the socket takes now; the rest when it takes more."""
        try:
            del self._unsent[: self._end.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:  # gone; reading tells
            self._unsent.clear()
        if self._unsent:
            self._loop.add_writer(self._end, self._send)
        else:
            self._loop.remove_writer(self._end)

    def _read(self) -> None:
        try:
            data = self._end.recv(READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        for message in self._frames.take(data):
            self._heard(message)
        if not data:
            self._loop.remove_reader(self._end)
            self._loop.remove_writer(self._end)
            self._end.close()
            self._ended()
