"""Who decides what is recorded, and what an unrecorded request leaves behind: nothing."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from gateway.tracing.settings import TracingSettings
from tests.integration.gateway.callers import client_of
from tests.integration.gateway.fakes import GENERATE, SAMPLE, SCORE, FakeBackend, FakeSequential
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.integration.gateway.tracing.collector import Collector
from tests.integration.gateway.tracing.test_spans import SAMPLED, TRACE, finish, note

UNSAMPLED = ((SAMPLED[0][0], SAMPLED[0][1][:-1] + "0"),)
TOO_LARGE = bytes((4 << 20) + 1)


async def test_an_unsampled_request_leaves_no_span_and_no_exemplar(
    traced: RunningGateway, collector: Collector
) -> None:
    assert await finish(traced.unary(SAMPLE, b"", metadata=UNSAMPLED)) == "OK"
    assert await finish(traced.unary(SAMPLE, TOO_LARGE, metadata=UNSAMPLED)) == "RESOURCE_EXHAUSTED"
    await traced.until_idle()
    assert exemplars(traced) == set()
    await finish(traced.unary(SAMPLE, b"", metadata=SAMPLED))
    [span] = await collector.requests(1)
    assert span.trace_id.hex() == TRACE
    assert exemplars(traced) == {TRACE}


@pytest.mark.parametrize(
    ("sampler", "of_the_sampled", "of_the_unsampled", "of_the_unsaid"),
    [
        ("parentbased_always_on", True, False, True),
        ("parentbased_always_off", True, False, False),
        ("always_on", True, True, True),
        ("traceidratio", False, False, False),
        ("parentbased_traceidratio", True, False, False),
    ],
)
async def test_the_samplers_of_the_sdk(
    ar: FakeBackend,
    gan: FakeBackend,
    collector: Collector,
    sampler: Any,
    of_the_sampled: bool,
    of_the_unsampled: bool,
    of_the_unsaid: bool,
) -> None:
    """With a ratio of 0. Envoy decides of what it sends on, the SDK of what it does not."""
    settings = TracingSettings(endpoint=collector.address, sampler=sampler, ratio=0.0)
    async with running_gateway([ar], [gan], tracing=settings) as gateway:
        for metadata in (SAMPLED, UNSAMPLED, None):
            for request in (b"", TOO_LARGE):
                await finish(gateway.unary(SAMPLE, request, metadata=metadata))
        await gateway.until_idle()
    found = [(span.trace_id.hex() == TRACE) for span in collector.spans if span.kind == span.SPAN_KIND_SERVER]
    assert sorted(found) == sorted([True] * 2 * (of_the_sampled + of_the_unsampled) + [False] * 2 * of_the_unsaid)


async def test_a_share_is_recorded(ar: FakeBackend, gan: FakeBackend, collector: Collector) -> None:
    settings = TracingSettings(endpoint=collector.address, sampler="parentbased_traceidratio", ratio=0.5)
    async with running_gateway([ar], [gan], tracing=settings) as gateway:
        for _ in range(200):
            await finish(gateway.unary(SAMPLE, b""))
        await gateway.until_idle()
    num_recorded = sum(span.kind == span.SPAN_KIND_SERVER for span in collector.spans)
    assert 60 <= num_recorded <= 140  # beyond 5.6 standard deviations


async def test_with_tracing_off_the_callers_trace_goes_through_and_names_exemplars(
    gateway: RunningGateway, text: FakeSequential
) -> None:
    seen: list[str] = []
    text.on_score = lambda request, call: note(seen, call, text, request)
    call = gateway.unary(SCORE, b"", metadata=SAMPLED)
    assert "traceresponse" not in dict(await call.initial_metadata())
    await call
    await finish(gateway.unary(SCORE, b""))
    await gateway.until_idle()
    assert seen == [TRACE, ""]
    assert exemplars(gateway) == {TRACE}
    assert gateway.value("tandem_trace_spans_total") == 0


def exemplars(gateway: RunningGateway) -> set[str]:
    """Return the traces that the metrics name."""
    samples = [sample for family in gateway.gateway.registry.collect() for sample in family.samples]
    return {sample.exemplar.labels["trace_id"] for sample in samples if sample.exemplar}


OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}


async def test_latencies_name_their_trace_in_openmetrics(gateway: RunningGateway) -> None:
    for metadata in (SAMPLED, None):
        await finish(gateway.stream(GENERATE, b"", metadata=metadata))
        await finish(gateway.unary(SAMPLE, b"", metadata=metadata))
    await gateway.until_idle()
    async with client_of(gateway) as client:
        response = await client.get("/metrics", headers=OPENMETRICS)
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
