"""Exemplars at /metrics, for those who ask for OpenMetrics."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.integration.gateway.fakes import GENERATE, SAMPLE
from tests.integration.gateway.running import RunningGateway
from tests.integration.gateway.tracing.test_spans import SAMPLED, TRACE, finish

OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}


async def scraped(gateway: RunningGateway, headers: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(base_url=gateway.web_address, timeout=60) as client:
        return await client.get("/metrics", headers=headers)


@pytest.fixture
async def busy(gateway: RunningGateway) -> RunningGateway:
    """A gateway that has served a recorded request of each paradigm, and others."""
    for metadata in (SAMPLED, None):
        await finish(gateway.stream(GENERATE, b"", metadata=metadata))
        await finish(gateway.unary(SAMPLE, b"", metadata=metadata))
    await gateway.until_idle()
    return gateway


async def test_latencies_name_their_trace_in_openmetrics(busy: RunningGateway) -> None:
    response = await scraped(busy, OPENMETRICS)
    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    named = {
        family.name: sample.exemplar
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
        if sample.exemplar
    }
    assert named.keys() == {
        "gen_ai_server_request_duration_seconds",
        "gen_ai_server_time_to_first_token_seconds",
        "gen_ai_server_time_per_output_token_seconds",
        "tandem_time_to_first_output_seconds",
        "tandem_phase_seconds",
        "tandem_gateway_overhead_seconds",
    }
    assert {exemplar.labels["trace_id"] for exemplar in named.values()} == {TRACE}
