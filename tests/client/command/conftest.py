"""The command `lingraft`, run in this process or in one of its own."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lingraft.client.cli import run
from lingraft.client.commands import Streams


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def lingraft(fake: Any) -> Callable[..., Outcome]:
    """Runs the command against the server: `lingraft("translate", "--to", "yo", stdin=b"...")`."""

    def command(*arguments: str, stdin: bytes | None = b"", server: str | None = None) -> Outcome:
        source = None if stdin is None else io.BytesIO(stdin)
        streams = Streams(source, io.StringIO(), io.StringIO())
        code = run(arguments, streams, {"LINGRAFT_SERVER": server or fake.address})
        out, err = streams.out, streams.err
        assert isinstance(out, io.StringIO)
        assert isinstance(err, io.StringIO)
        return Outcome(code, out.getvalue(), err.getvalue())

    return command
