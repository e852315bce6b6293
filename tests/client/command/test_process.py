"""The command as a process: locale, signals, pipes, disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

Command: TypeAlias = Callable[..., Any]


# As the entry point does; SIGINT is set since a shell in the background leaves it ignored.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from lingraft.client.cli import main
sys.exit(main())
"""


def start(server: str, *arguments: str) -> subprocess.Popen[bytes]:
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"LINGRAFT_SERVER": server},
    )


def test_the_process_writes_utf8_in_any_locale(fake: Any) -> None:
    """Letters outside ASCII come out whole where the locale knows none of them."""
    process = start(fake.address, "translate", "--to", "yo", "--batch", "1")
    out, err = process.communicate("Ẹ kú àárọ̀\n".encode(), timeout=60)
    assert (process.returncode, out.decode(), err) == (0, "yo: Ẹ kú àárọ̀\n", b"")


def test_an_interrupt_ends_the_command_without_a_traceback(fake: Any) -> None:
    """Ctrl-C while the server is at work: exit code 130, nothing printed."""
    process = start(fake.address, "translate", "--to", "slow", "one")
    assert fake.entered.wait(60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_a_reader_that_goes_away_ends_the_command_quietly(fake: Any) -> None:
    """As with `| head -1`: exit code 141, no traceback."""
    process = start(fake.address, "translate", "--to", "yo", "--batch", "1")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"yo: one\n"
    process.stdout.close()
    process.stdin.write(b"two\n")
    process.stdin.flush()
    assert process.wait(timeout=60) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    process.stdin.close()


def test_a_full_disk_is_one_line(fake: Any) -> None:
    """Output that cannot be written is said so, exit code 1."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "translate", "--to", "yo", "one"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=os.environ | {"LINGRAFT_SERVER": fake.address},
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"cannot write the output" in done.stderr
