"""A method of either client, called by name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tandem.client import AsyncTandemClient, TandemClient
from tests.integration.tandem.fakes import FakeGateway

Caller = Callable[..., Awaitable[Any]]


@pytest.fixture(params=["sync", "asyncio"])
def call(request: pytest.FixtureRequest, gateway: FakeGateway) -> Caller:
    """Call a method of either client by name; streams come back as lists."""

    async def call_async(method: str, *arguments: Any, **options: Any) -> Any:
        async with AsyncTandemClient(gateway.address) as client:
            result = getattr(client, method)(*arguments, **options)
            return [item async for item in result] if hasattr(result, "__aiter__") else await result

    def call_sync(method: str, *arguments: Any, **options: Any) -> Any:
        with TandemClient(gateway.address) as client:
            result = getattr(client, method)(*arguments, **options)
            return list(result) if hasattr(result, "__next__") else result

    async def call_in_thread(method: str, *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(call_sync, method, *arguments, **options)

    return call_async if request.param == "asyncio" else call_in_thread
