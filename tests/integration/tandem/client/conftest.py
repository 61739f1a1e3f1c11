"""A method of either client, called by name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from tandem.client import AsyncTandemClient, TandemClient
from tests.integration.tandem.fakes import FakeGateway

Caller = Callable[..., Awaitable[Any]]


@pytest.fixture(params=["sync", "asyncio"])
def call_at(request: pytest.FixtureRequest) -> Caller:
    """Call a method of either client, of a server at an address; streams come back as lists."""

    async def call_async(address: str, method: str, *arguments: Any, **options: Any) -> Any:
        async with AsyncTandemClient(address) as client:
            result = getattr(client, method)(*arguments, **options)
            return [item async for item in result] if hasattr(result, "__aiter__") else await result

    def call_sync(address: str, method: str, *arguments: Any, **options: Any) -> Any:
        with TandemClient(address) as client:
            result = getattr(client, method)(*arguments, **options)
            return list(result) if hasattr(result, "__next__") else result

    async def call_in_thread(*arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(call_sync, *arguments, **options)

    return call_async if request.param == "asyncio" else call_in_thread


@pytest.fixture
def call(call_at: Caller, gateway: FakeGateway) -> Caller:
    """Call a method of either client of the fake gateway."""
    return partial(call_at, gateway.address)
