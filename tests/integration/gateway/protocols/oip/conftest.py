"""Triton's own client of a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tritonclient.grpc.aio import InferenceServerClient as Client

from tests.integration.gateway.running import RunningGateway


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[Client]:
    async with Client(f"127.0.0.1:{gateway.gateway.server.port}") as client:
        yield client
