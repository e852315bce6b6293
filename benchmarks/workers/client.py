"""The clients of a service, all in one process: they call, wait, and note how long it took."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from grpc import aio

from benchmarks.common import Json
from benchmarks.workers.base import serve_requests
from lingraft.v1 import translation_pb2 as pb
from lingraft.v1 import translation_pb2_grpc

# One connection for each client, as if they were programs of their own.
_OPTIONS = (("grpc.use_local_subchannel_pool", 1),)
_TIMEOUT_S = 120.0


class Caller:
    """One client with a connection of its own; keeps what its calls took and brought."""

    def __init__(self, address: str, most: int) -> None:
        self._channel = aio.insecure_channel(address, options=_OPTIONS)
        self._stub = translation_pb2_grpc.TranslationServiceStub(self._channel)
        self._most = most

    async def call(self, text: str) -> int:
        """Translates one text. Returns the tokens of the answer; raises when there is none."""
        request = pb.TranslateTextRequest(
            contents=[text], source_language="en", target_language="fr"
        )
        request.decoding.max_output_tokens = self._most
        response = await self._stub.TranslateText(request, timeout=_TIMEOUT_S)
        if response.results[0].WhichOneof("result") != "translation":
            raise RuntimeError(f"no translation: {response.results[0].error.message}")
        return int(response.usage.output_tokens)

    async def close(self) -> None:
        """Ends the connection."""
        await self._channel.close()


async def closed_loop(callers: Sequence[Caller], texts: Sequence[str]) -> Json:
    """Each caller takes the next text as soon as its last one is answered, until none is left."""
    left = iter(texts)
    return await _timed([_caller(caller, left) for caller in callers])


async def open_loop(
    callers: Sequence[Caller], texts: Sequence[str], times: Sequence[float]
) -> Json:
    """Text i is sent `times[i]` seconds after the beginning, whatever else is under way.

    Latency counts from that moment, also when this process comes late.
    """
    turns = itertools.cycle(callers)
    began = time.perf_counter() + 0.05
    plan = zip(turns, texts, times, strict=False)
    return await _timed([_at(caller, text, began + at) for caller, text, at in plan])


async def _timed(work: Sequence[Coroutine[Any, Any, list[tuple[float, int]]]]) -> Json:
    """Runs all at once: what `Loaded` of load.py holds, but for the server's part."""
    began, worked = time.perf_counter(), time.process_time()
    done = [each for part in await asyncio.gather(*work) for each in part]
    return {
        "seconds": time.perf_counter() - began,
        "latencies": [latency for latency, _ in done],
        "tokens": sum(size for _, size in done),
        "client_cpu_s": time.process_time() - worked,
    }


async def _caller(caller: Caller, texts: Iterator[str]) -> list[tuple[float, int]]:
    done = []
    for text in texts:
        began = time.perf_counter()
        tokens = await caller.call(text)
        done.append((time.perf_counter() - began, tokens))
    return done


async def _at(caller: Caller, text: str, moment: float) -> list[tuple[float, int]]:
    await asyncio.sleep(max(0.0, moment - time.perf_counter()))
    tokens = await caller.call(text)
    return [(time.perf_counter() - moment, tokens)]


async def _with_callers(
    request: Json, use: Callable[[Sequence[Caller]], Coroutine[Any, Any, Json]]
) -> Json:
    callers = [Caller(request["address"], request["most"]) for _ in range(request["clients"])]
    try:
        await asyncio.gather(*(caller.call(request["texts"][0]) for caller in callers))
        return await use(callers)
    finally:
        await asyncio.gather(*(caller.close() for caller in callers))


def handle(request: Json) -> Json:
    """`{"do": "closed"}` or `{"do": "open", "times"}`, with address, clients, texts and most."""

    async def use(callers: Sequence[Caller]) -> Json:
        if request["do"] == "open":
            return await open_loop(callers, request["texts"], request["times"])
        return await closed_loop(callers, request["texts"])

    return asyncio.run(_with_callers(request, use))


if __name__ == "__main__":
    serve_requests(handle)
