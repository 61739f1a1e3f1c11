"""TLS and mutual TLS: between clients and the gateway on both ports, and between the gateway and its backends."""

from __future__ import annotations

from pathlib import Path

from runtime.rpc.routes import PARALLEL
from tests.certificates import Authority, backend_settings
from tests.integration.gateway.fakes import SAMPLE, FakeBackend, FakeParallel
from tests.integration.gateway.running import running_gateway


async def test_a_backend_found_by_name_is_known_by_that_name(tmp_path: Path) -> None:
    """Its name stands for IP addresses, and the connection is to one of these; the certificate need not name them."""
    ours = Authority(tmp_path, "ours")
    async with FakeBackend(PARALLEL, FakeParallel(), ours.server("localhost", mutual=True)) as gan:
        settings = {"gan_targets": [f"localhost:{gan.port}"], **backend_settings(ours.client("gateway"))}
        async with running_gateway(**settings) as gateway:
            await gateway.until_replicas_serve(PARALLEL, 1)
            assert [replica.address for replica in gateway.gateway.replicas.of(PARALLEL)] == [gan.target]
            await gateway.unary(SAMPLE, b"")
