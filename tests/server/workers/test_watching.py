"""What comes in at a socket is heard of while the thread that reads it is busy."""

from __future__ import annotations

import socket
import threading

from lingraft.server.workers.watching import watching

PATIENCE_S = 20.0


def test_each_arrival_is_told_once_and_stays_to_be_read() -> None:
    """What was there before, what comes, and what comes behind that, unread."""
    mine, theirs = socket.socketpair()
    told = threading.Semaphore(0)
    theirs.send(b"a")
    with mine, theirs, watching(mine, told.release):
        assert told.acquire(timeout=PATIENCE_S)
        theirs.send(b"b")
        assert told.acquire(timeout=PATIENCE_S)
        assert not told.acquire(blocking=False)
        assert mine.recv(9) == b"ab"
        theirs.send(b"c")
        assert told.acquire(timeout=PATIENCE_S)


def test_the_end_of_the_other_side_is_told() -> None:
    """A server that is gone is noticed as soon as one that says something."""
    mine, theirs = socket.socketpair()
    told = threading.Semaphore(0)
    with mine, watching(mine, told.release):
        theirs.close()
        assert told.acquire(timeout=PATIENCE_S)


def test_the_thread_ends_with_the_watch() -> None:
    """Even if the socket is gone before."""
    mine, theirs = socket.socketpair()
    before = threading.active_count()
    with theirs, watching(mine, lambda: None):
        assert threading.active_count() == before + 1
        mine.close()
    assert threading.active_count() == before
