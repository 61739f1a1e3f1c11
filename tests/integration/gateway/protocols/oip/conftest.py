"""Triton's own client of a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import tritonclient.grpc.aio as triton

from tests.integration.gateway.running import RunningGateway


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[triton.InferenceServerClient]:
    async with triton.InferenceServerClient(f"127.0.0.1:{gateway.gateway.server.port}") as client:
        yield client
