"""Both clients of the server with canned answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import pytest

from lingraft.client import AsyncClient, Client

Ask: TypeAlias = Callable[[Callable[[Any], Any]], Any]


@pytest.fixture
def client(fake: Any) -> Iterator[Client]:
    """A client of the server."""
    with Client(fake.address) as client:
        yield client


def ask_sync(address: str, call: Callable[[Client], Any]) -> Any:
    """What `call` gives with a Client."""
    with Client(address) as client:
        return call(client)


def ask_async(address: str, call: Callable[[AsyncClient], Awaitable[Any]]) -> Any:
    """What `call` gives with an AsyncClient."""

    async def asked() -> Any:
        async with AsyncClient(address) as client:
            return await call(client)

    return asyncio.run(asked())


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest, fake: Any) -> Ask:
    """Asks the server through either client: `ask(lambda c: c.translate(...))`."""
    return lambda call: request.param(fake.address, call)


@pytest.fixture
def ask_both(fake: Any) -> Callable[[Callable[[Any], Any]], tuple[Any, Any]]:
    """Asks the server through both clients."""
    return lambda call: (ask_sync(fake.address, call), ask_async(fake.address, call))
