"""One process at a time: what a run's folder holds is made by one of those that want it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lingraft.training.run import processes


def _warn(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def held(folder: Path, name: str, say: Callable[[str], None] = _warn) -> Iterator[None]:
    """Hold `name` in `folder`, which is made, until the block ends, or the process does.

    While another process holds it, this one says so once and waits. The processes of one run under
    `torchrun` are one holder: the main one holds.
    """
    if not processes.is_main():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f".{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"{folder / name}: another process is at it; waiting for it to end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
