"""Waiting for a scheduler's answers in an event loop."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TypeVar

_AnswerT = TypeVar("_AnswerT")


async def gathered(futures: Sequence[Future[_AnswerT]]) -> list[_AnswerT]:
    """The answers to all, in order. Raises the first error, as soon as it is there.

    However many there are, the event loop is woken once and holds one future of its own.
    """
    loop, here = asyncio.get_running_loop(), threading.get_ident()
    ready = loop.create_future()
    counts = itertools.count(1)

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    def settled(future: Future[_AnswerT]) -> None:
        """Called in the model's thread, or in this one."""
        is_last = next(counts) == len(futures)
        failed = future.cancelled() or future.exception() is not None
        if not is_last and not failed:
            return
        if threading.get_ident() == here:
            wake()
        elif not loop.is_closed():
            loop.call_soon_threadsafe(wake)

    for future in futures:
        future.add_done_callback(settled)
    if futures:
        await ready
    return [future.result() for future in futures if future.done()]  # all, or one that raises
