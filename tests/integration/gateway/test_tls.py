"""TLS and mutual TLS: between clients and the gateway on both ports, and between the gateway and its backends."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.rpc.routes import PARALLEL
from runtime.tls import ServerTls
from tests.certificates import Authority, backend_settings
from tests.integration.gateway.fakes import SAMPLE, FakeBackend, FakeParallel
from tests.integration.gateway.running import RunningGateway, running_gateway


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@contextlib.asynccontextmanager
async def gateway_with(gan: FakeBackend, **settings: Any) -> AsyncIterator[RunningGateway]:
    async with running_gateway([], [gan], **settings) as running:
        await running.until_replicas_serve(PARALLEL, 1)
        yield running


@contextlib.asynccontextmanager
async def backend_with(tls: ServerTls | None) -> AsyncIterator[FakeBackend]:
    backend = FakeBackend(PARALLEL, FakeParallel(), tls)
    await backend.start()
    yield backend
    await backend.stop()


async def test_a_backend_found_by_name_is_known_by_that_name(ours: Authority) -> None:
    """Its name stands for IP addresses, and the connection is to one of these; the certificate need not name them."""
    async with backend_with(ours.server("localhost", mutual=True)) as gan:
        targets = {"gan_targets": [f"localhost:{gan.port}"]}
        async with gateway_with(gan, **targets, **backend_settings(ours.client("gateway"))) as gateway:
            assert [each.address for each in gateway.gateway.replicas.of(PARALLEL)] == [gan.target]
            await gateway.unary(SAMPLE, b"")
