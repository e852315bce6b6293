"""Messages between processes come as they went, however the socket cuts them."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingraft.server.errors import BundleError, MemoryCeilingError
from lingraft.server.workers import Failed, hear, say
from lingraft.server.workers.messages import Cancel, Frames, Row, Stop, encoded

_MESSAGES = st.one_of(
    st.builds(Cancel, st.lists(st.integers())),
    st.builds(Stop),
    st.builds(Row, st.integers(), st.text(), st.floats(0), st.floats(0), st.booleans()),
)


@given(st.lists(_MESSAGES, max_size=6), st.integers(1, 64))
def test_messages_come_in_their_order_from_pieces_of_any_size(
    messages: list[object], size: int
) -> None:
    """Whole frames at once, or a byte at a time."""
    data = b"".join(map(encoded, messages))
    inbox = Frames()
    heard: list[object] = []
    for begin in range(0, len(data), size):
        heard += inbox.take(data[begin : begin + size])
    assert heard == messages


def test_errors_keep_all_that_they_say() -> None:
    """What the process met is what the server raises."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        say(theirs, MemoryCeilingError("too much", 2.5, {"rows": "9"}))
        error = hear(ours)
        assert (error.message, error.retry_after_s, error.metadata) == (
            "too much",
            2.5,
            {"rows": "9"},
        )
        say(theirs, Failed(BundleError("missing: licence")))
        assert hear(ours).error.message == "missing: licence"


def test_an_end_that_is_gone_is_no_message() -> None:
    """Also where it went in the middle of one."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(encoded(Stop())[:-1])
        with pytest.raises(EOFError):
            hear(ours)
