"""Answers in an event loop: one wake-up, the first error, and nobody left behind."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, Future

import pytest

from lingraft.server.batching import gathered
from lingraft.server.errors import InternalError

PATIENCE_S = 20.0


def _futures(count: int) -> list[Future[int]]:
    return [Future() for _ in range(count)]


def _settle_elsewhere(futures: list[Future[int]]) -> None:
    """As the model's thread does, in another order than they were asked for."""

    def settle() -> None:
        for number, future in reversed(list(enumerate(futures))):
            future.set_result(number)

    threading.Thread(target=settle).start()


def test_answers_come_in_order_from_another_thread() -> None:
    """Whatever the order in which they were found."""
    futures = _futures(50)

    async def ask() -> list[int]:
        _settle_elsewhere(futures)
        return await asyncio.wait_for(gathered(futures), PATIENCE_S)

    assert asyncio.run(ask()) == list(range(50))


def test_what_is_there_already_needs_no_waiting() -> None:
    """Nor does nothing at all."""
    futures = _futures(2)
    for future in futures:
        future.set_result(7)
    assert asyncio.run(gathered(futures)) == [7, 7]
    assert asyncio.run(gathered([])) == []


@pytest.mark.parametrize("error", [InternalError("broken"), None])
def test_the_first_error_ends_the_waiting(error: InternalError | None) -> None:
    """The others may take as long as they like."""
    futures = _futures(3)

    async def ask() -> None:
        waiting = asyncio.ensure_future(gathered(futures))
        await asyncio.sleep(0)
        if error is None:
            futures[1].cancel()
        else:
            futures[1].set_exception(error)
        await asyncio.wait_for(waiting, PATIENCE_S)

    with pytest.raises(InternalError if error else CancelledError):
        asyncio.run(ask())


def test_answers_after_the_caller_has_gone_are_no_fault() -> None:
    """Its loop may have ended as well."""
    futures = _futures(2)

    async def leave() -> None:
        waiting = asyncio.ensure_future(gathered(futures))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(leave())
    for future in futures:
        future.set_result(1)
