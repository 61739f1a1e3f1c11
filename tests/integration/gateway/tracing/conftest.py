"""A collector, and a gateway before scripted backends that traces to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.tracing.settings import TracingSettings
from tests.integration.gateway.fakes import FakeBackend
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.integration.gateway.tracing.collector import Collector, collecting


@pytest.fixture(autouse=True)
def _quick_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's five seconds are for networks."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as running:
        yield running


@pytest.fixture
async def traced(ar: FakeBackend, gan: FakeBackend, collector: Collector) -> AsyncIterator[RunningGateway]:
    async with running_gateway([ar], [gan], tracing=TracingSettings(endpoint=collector.address)) as running:
        yield running
