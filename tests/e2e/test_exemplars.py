"""A real Prometheus keeps which trace a latency is of: of the gateway, and of the backend behind it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import grpc
import pytest

from benchmarks.harness.processes import free_port, serving
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tests.e2e.prometheus import Prometheus, prometheus

TRACE = "0af7651916cd43dd8448eb211c80319c"
METADATA = (("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),)
METRICS = {"gateway": "gen_ai_server_request_duration_seconds", "gan": "tandem_backend_request_duration_seconds"}
PATIENCE_SECONDS = 60.0

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="Debian's package prometheus is not installed"
)


def traces(server: Prometheus) -> Mapping[str, set[str]]:
    """Return the traces that Prometheus knows, by job."""
    begin, end = time.time() - 600, time.time() + 600
    found = {}
    for job, metric in METRICS.items():
        series = server.get("query_exemplars", query=f"{metric}_bucket", start=begin, end=end)
        found[job] = {each["labels"]["trace_id"] for one in series for each in one["exemplars"]}
    return found


def test_a_latency_leads_to_its_trace(tmp_path: Path) -> None:
    gan, gateway, ports = free_port(), free_port(), {job: free_port() for job in ("gateway", "ar", "gan")}
    targets = ("--gan-targets", f"127.0.0.1:{gan}", "--ar-targets", "")
    with (
        serving("services.gan", "--port", str(gan), "--metrics-port", str(ports["gan"]), port=gan),
        serving("gateway", "--port", str(gateway), "--http-port", str(ports["gateway"]), *targets, port=gateway),
        prometheus(tmp_path, {job: f"127.0.0.1:{port}" for job, port in ports.items()}) as server,
        grpc.insecure_channel(f"127.0.0.1:{gateway}") as channel,
    ):
        stub = gan_pb2_grpc.GanServiceStub(channel)
        deadline = time.monotonic() + PATIENCE_SECONDS
        # An exemplar is kept when its series is scraped; it stays in the histogram until another takes its place.
        while (found := traces(server)) != {job: {TRACE} for job in METRICS}:
            assert time.monotonic() < deadline, found
            stub.Sample(gan_pb2.SampleRequest(), metadata=METADATA)
            stub.Sample(gan_pb2.SampleRequest())
            time.sleep(0.5)
