"""A collector that is dead, slow or full costs spans alone; `python -m gateway` reads OpenTelemetry's variables."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE

import grpc
import pytest

from benchmarks.harness.processes import free_port
from gateway.tracing.settings import TracingSettings
from tests.integration.gateway.fakes import SAMPLE, SCORE, FakeBackend
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.integration.gateway.tracing.collector import Collector, attributes
from tests.integration.gateway.tracing.test_spans import SAMPLED, TRACE, finish


def spans(gateway: RunningGateway, outcome: str) -> float:
    return gateway.value("tandem_trace_spans_total", outcome=outcome)


async def test_a_dead_collector_costs_spans_alone(ar: FakeBackend, gan: FakeBackend) -> None:
    """The queue fills, what comes then is dropped and counted, and requests are answered and counted as ever."""
    settings = TracingSettings(endpoint=f"http://127.0.0.1:{free_port()}", max_queue_size=20)
    async with running_gateway([ar], [gan], tracing=settings) as gateway:
        for _ in range(30):
            assert await finish(gateway.unary(SAMPLE, b"", metadata=SAMPLED)) == "OK"
        await gateway.until_idle()
        assert gateway.value("tandem_requests_total", code="OK") == 30
        assert spans(gateway, "dropped") >= 30 * 4 - 20
        assert spans(gateway, "exported") == 0
        await gateway.stop(0)
        # What was admitted, and nothing of it twice.
        assert 0 < spans(gateway, "failed") <= 20


async def test_every_span_has_one_outcome(traced: RunningGateway, collector: Collector) -> None:
    for _ in range(10):
        await finish(traced.unary(SAMPLE, b"", metadata=SAMPLED))
    await traced.until_idle()
    await traced.stop(0)
    assert spans(traced, "exported") == len(collector.spans)
    assert len(await collector.requests(10)) == 10
    assert spans(traced, "failed") == spans(traced, "dropped") == 0


async def test_a_frozen_collector_does_not_hold_the_gateway(
    ar: FakeBackend, gan: FakeBackend, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes spans and never answers; the gateway stops within seconds all the same."""
    frozen = asyncio.Event()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "60")

    async def never(request: object, context: object) -> None:
        frozen.set()
        await asyncio.Event().wait()

    collector.on_export = never
    async with running_gateway([ar], [gan], tracing=TracingSettings(endpoint=collector.address)) as gateway:
        await finish(gateway.unary(SAMPLE, b"", metadata=SAMPLED))
        await asyncio.wait_for(frozen.wait(), 60)
        assert await finish(gateway.unary(SAMPLE, b"", metadata=SAMPLED)) == "OK"
        await gateway.until_idle()
        async with asyncio.timeout(60):  # left alone, the SDK's thread waits for thirty seconds
            await gateway.stop(0)
        assert spans(gateway, "failed") > 0


async def test_the_variables_turn_it_on_and_the_last_spans_come_at_the_end(
    ar: FakeBackend, collector: Collector
) -> None:
    """A span waits for a minute here, so that it is the end of the process that sends it."""
    port = free_port()
    command = ("-m", "gateway", "--port", str(port), "--http-port", "0", "--ar-targets", ar.target, "--gan-targets", "")
    names = {"OTEL_SERVICE_NAME": "ours", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "OTEL_BSP_SCHEDULE_DELAY": "60000", **names}
    environment = {**os.environ, **variables}
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stderr=PIPE, env=environment)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(60):
        await channel.unary_unary(SCORE)(b"", wait_for_ready=True, metadata=SAMPLED)
    process.send_signal(signal.SIGTERM)
    _, errors = await process.communicate()
    assert (process.returncode, b"Traceback" in errors) == (0, False)
    *_, span = await collector.requests(1)
    assert (span.trace_id.hex(), attributes(span)["rpc.response.status_code"]) == (TRACE, "OK")
    assert collector.services == {"ours"}
