"""What the hop costs: requests, streams and CPU before a backend without a model, contenders in turn."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from benchmarks.harness.backend import AR_MODEL, GAN_MODEL
from benchmarks.harness.figures import DIRECT, NOW, Round
from benchmarks.harness.load import LoadTester, Run
from benchmarks.harness.processes import Service
from tandem.measure.meters.metrics_page import Page, read
from tandem.measure.scenario import ClosedLoop, OpenLoop
from tandem.measure.workload_text import parse_workload

NUM_CALLERS, TOKENS_PER_SECOND = 32, 200
ALONE, MANY = ClosedLoop(concurrency=1), ClosedLoop(concurrency=NUM_CALLERS)
FULL = ClosedLoop(concurrency=2 * NUM_CALLERS)
IMAGES, IMAGE = parse_workload("images", model=GAN_MODEL), parse_workload("image", model=AR_MODEL)
# Streams whose messages are due one after another, evenly over the interval between two of one stream.
APART = OpenLoop(rate_per_second=TOKENS_PER_SECOND * NUM_CALLERS, arrivals="constant")
# The proxy logs in batches, on a busy machine seconds late.
_COUNTED_WITHIN_SECONDS = 60.0


def measure(name: str, tester: LoadTester, server: Service, seconds: float) -> dict[str, float]:
    """Return the figures of a contender; CPU times only of one with processes that are a cost of the hop."""
    alone = tester.run(f"{name}, alone", IMAGES, ALONE, duration_seconds=seconds)
    many = tester.run(f"{name}, many", IMAGES, MANY, pids=server.pids, duration_seconds=seconds)
    found = {"one_unary_p50_ms": alone.quantile(0.5) * 1e3}
    found["unary_32_connections_per_second"] = many.measured.rates.requests
    if server.pids:
        paced = tester.run(f"{name}, paced", IMAGE, APART, pids=server.pids, num_requests=NUM_CALLERS)
        found |= _cpu("unary_32_connections", many, many.num_ok)
        found |= _cpu("paced_apart", paced, int(paced.rows["num_messages"].sum()))
    return found


def _cpu(what: str, run: Run, num_messages: int) -> dict[str, float]:
    """Return the milliseconds of the whole hop for each message, and the client's own."""
    used = {"cpu_ms": run.cpu, "client_cpu_ms": run.found.cpu_seconds}
    return {f"{what}_{name}": seconds / num_messages * 1e3 for name, seconds in used.items()}


def added(seen: Mapping[str, Round]) -> dict[str, dict[str, float]]:
    """Return what the hop has added in a round to the backend's own time."""
    alone = seen.get("one_unary_p50_ms", {})
    return {"added_unary_p50_ms": {NOW: alone.get(NOW, math.nan) - alone.get(DIRECT, math.nan)}}


def measure_limit(tester: LoadTester, hop: Service, seconds: float) -> dict[str, float]:
    """Send as much as the proxy carries, and return what its log lost of it."""
    before = read(f"127.0.0.1:{hop.http_port}")
    run = tester.run("the limit", IMAGES, MANY, duration_seconds=seconds)
    page = counted_since(hop, before, run)
    dropped = len(run.rows) - page.total("tandem_requests_total", rpc=IMAGES.rpc)
    return {"limit_per_second": run.measured.rates.requests, "limit_dropped": dropped}


def measure_full(tester: LoadTester, hop: Service, seconds: float) -> dict[str, float]:
    """Have many callers send all that the proxy carries; return how much that was, and what it took of the hop."""
    run = tester.run("full", IMAGES, FULL, pids=hop.pids, duration_seconds=seconds)
    rate = run.measured.rates.requests
    used = _cpu("full", run, run.num_ok)
    found = {"full_per_second": rate, "full_p50_ms": run.quantile(0.5) * 1e3, **used}
    return {**found, "full_cores": rate * used["full_cpu_ms"] / 1e3}


def counted_since(hop: Service, before: Page, run: Run) -> Page:
    """Return what the metrics have counted since `before`: all requests of a run, if they had time enough."""
    rpc = run.measured.rpc  # the tester has asked for the models, too
    deadline = time.monotonic() + _COUNTED_WITHIN_SECONDS
    while True:
        page = read(f"127.0.0.1:{hop.http_port}").since(before)
        if page.total("tandem_requests_total", rpc=rpc) >= len(run.rows) or time.monotonic() >= deadline:
            return page
        time.sleep(0.1)
