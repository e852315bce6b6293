"""Documents of a call on their way through a classifying model: read, scored, answered in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar

from lingraft.server.batching import Document, Scheduler, Scores
from lingraft.server.errors import InternalError, RequestError

_ItemT = TypeVar("_ItemT")
_ReadT = TypeVar("_ReadT")
_OtherT = TypeVar("_OtherT")
_ResultT = TypeVar("_ResultT")


def read_each(
    items: Sequence[_ItemT], read: Callable[[_ItemT, int], _ReadT]
) -> list[_ReadT | RequestError]:
    """What `read` makes of each item and its place, or what it raises.

    Takes time: `beside_the_loop`.
    """
    readings: list[_ReadT | RequestError] = []
    for place, item in enumerate(items):
        try:
            readings.append(read(item, place))
        except RequestError as error:
            readings.append(error)
    return readings


async def answer_each(
    scheduler: Scheduler[Document, Scores],
    readings: Sequence[Document | _OtherT],
    compose: Callable[[Scores | _OtherT | InternalError, int], _ResultT],
    deadline: float,
    bulk: bool = False,
) -> list[_ResultT]:
    """What `compose` makes of the scores of each document, or of its error, and its place.

    What is no document is handed on as it is. Raises what ends the whole call; then, or when
    nobody waits any more, documents that are left are taken back.
    """
    works = [reading for reading in readings if isinstance(reading, Document)]
    futures = scheduler.submit(works, deadline, bulk) if works else []
    waiting = iter(futures)
    try:
        return [
            compose(await _outcome(reading, waiting), place)
            for place, reading in enumerate(readings)
        ]
    finally:
        for future in futures:
            future.cancel()


async def _outcome(
    reading: Document | _OtherT, waiting: Iterator[Future[Scores]]
) -> Scores | _OtherT | InternalError:
    if not isinstance(reading, Document):
        return reading
    try:
        return await asyncio.wrap_future(next(waiting))
    except InternalError as error:
        return error
