"""Names that stand for no replica yet: what callers, the operator and Prometheus are told.

How replicas come and go with their names is in tests/integration/gateway/proxy/test_discovery.py.
"""

from __future__ import annotations

import grpc
import httpx
import pytest

from runtime.rpc.routes import SEQUENTIAL
from tests.integration.gateway.fakes import GENERATE, FakeBackend
from tests.integration.gateway.running import RunningGateway, running_gateway

NAME = "nowhere.invalid:50051"


async def test_a_name_without_an_address_is_named(ar: FakeBackend) -> None:
    async with running_gateway(ar_targets=[NAME]) as gateway:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in gateway.stream(GENERATE, b""):
                pass
        assert (caught.value.code().name, caught.value.details()) == ("UNAVAILABLE", "sequential backend is not ready")
        assert await missing(gateway) == {SEQUENTIAL: f"sequential backend has no address at {NAME}"}
        assert (NAME, 0) in serving(gateway)


async def test_a_name_without_an_address_does_not_keep_others_from_serving(ar: FakeBackend) -> None:
    async with running_gateway(ar_targets=[NAME, ar.target]) as gateway:
        await gateway.until(serving=True)
        assert [reply async for reply in gateway.stream(GENERATE, b"")]
        assert await missing(gateway) == {}
        assert sorted(serving(gateway)) == sorted([(NAME, 0), (ar.target, 1)])


async def missing(gateway: RunningGateway) -> dict[str, str]:
    async with httpx.AsyncClient(base_url=gateway.web_address, timeout=60) as client:
        found: dict[str, str] = (await client.get("/readyz")).json()["missing"]
    return found


def serving(gateway: RunningGateway) -> list[tuple[str, float]]:
    """Return each target of the sequential backend, and whether it serves."""
    return [
        (sample.labels["target"], sample.value)
        for metric in gateway.gateway.registry.collect()
        for sample in metric.samples
        if sample.name == "tandem_replica_serving" and sample.labels["paradigm"] == SEQUENTIAL
    ]
