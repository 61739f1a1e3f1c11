"""Through the gateway, of delays that are known: the parts make up the whole, and the gateway measured the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness.processes import free_port, serving
from runtime.histogram import quantile
from tandem.measure.results.load import StreamResult
from tandem.measure.truth.server import TruthServer
from tests.integration.tandem.measure.generator.test_truth import open_scenario, undisturbed

FAST, SLOW, SHARE_SLOW = 0.5, 1.0, 0.3
NUM_REQUESTS = 150
MAX_OUTSIDE = 0.02
DURATION = "gen_ai_server_request_duration_seconds"


async def test_parts_sum_to_the_whole_and_the_gateway_agrees(known_times: Callable[..., TruthServer]) -> None:
    pages = []

    def start() -> TruthServer:
        backend, front, page = known_times(first=f"bimodal:{FAST}:{SLOW}:{SHARE_SLOW}"), free_port(), free_port()
        flags = ("--port", str(front), "--http-port", str(page), "--ar-targets", "", "--gan-targets", backend.address)
        gateways.enter_context(serving("gateway", *flags, port=front))
        pages.append(f"http://127.0.0.1:{page}/metrics")
        backend.address = f"127.0.0.1:{front}"
        return backend

    with ExitStack() as gateways:
        run_result, _ = await undisturbed(start, open_scenario(40.0, NUM_REQUESTS))
        histogram = await counted(pages[-1], NUM_REQUESTS)
    (stream,) = run_result.document.streams
    assert_parts_make_up_the_whole(stream)
    assert histogram[float("inf")] == stream.outcomes.ok == NUM_REQUESTS
    for share, exact in ((0.5, stream.latency.seconds.p50), (0.9, stream.latency.seconds.p90)):
        found = quantile(share, histogram)
        assert found is not None
        assert exact is not None
        assert found == pytest.approx(exact, rel=0.1), share


async def counted(page: str, count: int) -> dict[float, float]:
    """Return the histogram once so many requests are in it: the gateway learns of them a moment after their clients."""
    async with asyncio.timeout(60):
        while True:
            histogram = cumulative((await asyncio.to_thread(httpx.get, page)).text)
            if histogram.get(float("inf"), 0.0) >= count:
                return histogram
            await asyncio.sleep(0.1)


def assert_parts_make_up_the_whole(stream: StreamResult) -> None:
    assert stream.phases is not None
    parts = {name: part.around_p50_seconds or 0.0 for name, part in stream.phases.parts.items()}
    whole = stream.phases.latency_around_p50_seconds
    assert whole is not None
    assert sum(parts.values()) == pytest.approx(whole, rel=1e-6)
    assert parts["compute"] == pytest.approx(FAST, rel=0.02)
    assert 0.0 <= parts["outside"] / whole < MAX_OUTSIDE


def cumulative(page: str) -> dict[float, float]:
    """Return the counts of Sample's durations by upper bound."""
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == f"{DURATION}_bucket" and sample.labels["rpc"] == "Sample"
    }
