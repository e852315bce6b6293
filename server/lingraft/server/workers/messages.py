"""Messages between the server and the process of a model: pickles, each behind its length.

Both ends are this program, over a pair of sockets that nobody else holds; pickles of strangers are
never read.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lingraft.server.config import ServerConfig
from lingraft.server.errors import ServerError, StartError
from lingraft.server.metrics import Counted

_LENGTH = struct.Struct("<Q")
READ_BYTES = 2**16
"""What is read from a socket at once."""


@dataclass(frozen=True)
class Setup:
    """First to the process: the bundle that it serves, and the server's settings."""

    folder: Path
    config: ServerConfig


@dataclass(frozen=True)
class Ready:
    """First from the process: the model is loaded.

    operators: what computes, `app.engines.operators`.
    footprint: that of its engine (`engines.base.TranslationEngine`), for what has caches.
    """

    operators: str
    footprint: Callable[[int, int, int], int] | None = None


@dataclass(frozen=True)
class Failed:
    """The same where it could not be."""

    error: StartError


class Row(NamedTuple):
    """A piece of work under a number of its own. Times by `time.monotonic`, one for the machine."""

    number: int
    work: Any
    arrived: float
    deadline: float
    bulk: bool


@dataclass(frozen=True)
class Put:
    """To the process: rows of one call, which are taken together or not at all.

    call: the number of the call; parts of several calls may come in turns.
    size: with its last part, the rows of the whole call, those too that were taken back before
        they were sent; 0 before that.
    """

    call: int
    rows: Sequence[Row]
    size: int

    @property
    def is_last(self) -> bool:
        """Whether the call has no more rows."""
        return self.size > 0


@dataclass(frozen=True)
class Cancel:
    """To the process: nobody waits for these rows any more."""

    numbers: Sequence[int]


@dataclass(frozen=True)
class Stop:
    """To the process: answer nothing more and end."""


@dataclass(frozen=True)
class Progress:
    """From the process, after a step that changed something.

    heard: rows that it was told of since the beginning, those that are gone by now too.
    waiting: rows in its queue.
    """

    answered: Sequence[tuple[int, Any]]
    failed: Sequence[tuple[int, ServerError]]
    heard: int
    waiting: int


@dataclass(frozen=True)
class Farewell:
    """Last from a process that was asked to stop: all that it has counted."""

    counted: Counted


def encoded(message: Any) -> bytes:
    """The frame of a message."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """What comes in, cut into messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, data: bytes) -> list[Any]:
        """The messages that are whole by now."""
        self._bytes += data
        messages: list[Any] = []
        begin = 0
        while len(self._bytes) - begin >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._bytes, begin)
            end = begin + _LENGTH.size + length
            if end > len(self._bytes):
                break
            with memoryview(self._bytes) as view:
                messages.append(pickle.loads(view[begin + _LENGTH.size : end]))
            begin = end
        del self._bytes[:begin]
        return messages


def say(end: socket.socket, message: Any) -> None:
    """Sends one message, and waits until it is on its way."""
    end.sendall(encoded(message))


def hear(end: socket.socket) -> Any:
    """Waits for one message, where only one can come. Raises EOFError when the end is gone."""
    frames = Frames()
    while True:
        data = end.recv(READ_BYTES)
        if not data:
            raise EOFError
        messages = frames.take(data)
        if messages:
            (message,) = messages
            return message
