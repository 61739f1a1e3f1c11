"""`python -m gateway` reads OpenTelemetry's variables."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process

import grpc

from benchmarks.harness.processes import free_port
from tests.integration.gateway.fakes import SCORE, FakeBackend
from tests.integration.gateway.tracing.collector import Collector, attributes
from tests.integration.gateway.tracing.test_spans import SAMPLED, TRACE


async def gateway_process(*flags: str, **variables: str) -> Process:
    environment = {**os.environ, **variables}
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", *flags, stderr=PIPE, env=environment)


async def test_the_variables_turn_it_on_and_the_last_spans_come_at_the_end(
    ar: FakeBackend, collector: Collector
) -> None:
    """A span waits for a minute here, so that it is the end of the process that sends it."""
    port = free_port()
    flags = ("--port", str(port), "--http-port", "0", "--ar-targets", ar.target, "--gan-targets", "")
    names = {"OTEL_SERVICE_NAME": "ours", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "OTEL_BSP_SCHEDULE_DELAY": "60000", **names}
    process = await gateway_process(*flags, **variables)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(60):
        await channel.unary_unary(SCORE)(b"", wait_for_ready=True, metadata=SAMPLED)
    process.send_signal(signal.SIGTERM)
    _, errors = await process.communicate()
    assert (process.returncode, b"Traceback" in errors) == (0, False)
    *_, span = await collector.requests(1)
    assert (span.trace_id.hex(), attributes(span)["rpc.response.status_code"]) == (TRACE, "OK")
    assert collector.services == {"ours"}
