"""What the hop costs: requests, streams and CPU before a backend without a model, contenders in turn."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from benchmarks.harness.backend import AR_MODEL, GAN_MODEL
from benchmarks.harness.figures import DIRECT, Figures
from benchmarks.harness.load import LoadTester, Run
from benchmarks.harness.processes import Service
from tandem.measure.meters.metrics_page import Page, read
from tandem.measure.scenario import ClosedLoop, OpenLoop
from tandem.measure.workload_text import parse_workload

NUM_CALLERS, TOKENS_PER_SECOND = 32, 200
ALONE, MANY = ClosedLoop(concurrency=1), ClosedLoop(concurrency=NUM_CALLERS)
IMAGES, IMAGE = parse_workload("images", model=GAN_MODEL), parse_workload("image", model=AR_MODEL)
# Streams whose messages are due one after another, evenly over the interval between two of one stream.
APART = OpenLoop(rate_per_second=TOKENS_PER_SECOND * NUM_CALLERS, arrivals="constant")
# The proxy logs in batches, on a busy machine seconds late.
_COUNTED_WITHIN_SECONDS = 60.0


def measure_round(
    contenders: Sequence[str],
    testers: Mapping[str, LoadTester],
    servers: Mapping[str, Service],
    seconds: float,
    figures: Figures,
) -> None:
    """Measure each contender once, and add what the hop has added to the backend's own time."""
    alone = {}
    for name in contenders:
        tester, pids = testers[name], servers[name].pids  # none of the backend, whose CPU is no cost of the hop
        alone[name] = tester.run(f"{name}, alone", IMAGES, ALONE, duration_seconds=seconds).quantile(0.5) * 1e3
        figures.add("one_unary_p50_ms", name, alone[name])
        run = tester.run(f"{name}, many", IMAGES, MANY, pids=pids, duration_seconds=seconds)
        figures.add("unary_32_connections_per_second", name, run.per_second)
        if pids:
            _add_cpu(figures, "unary_32_connections", name, run, run.num_ok)
            run = tester.run(f"{name}, paced", IMAGE, APART, pids=pids, num_requests=NUM_CALLERS)
            _add_cpu(figures, "paced_apart", name, run, int(run.rows["num_messages"].sum()))
    for name, milliseconds in alone.items():
        if name != DIRECT:
            figures.add("added_unary_p50_ms", name, milliseconds - alone[DIRECT])


def _add_cpu(figures: Figures, what: str, name: str, run: Run, num_messages: int) -> None:
    """Add the milliseconds of the whole hop for each message, and what its Python process has of them."""
    assert run.cpu is not None
    figures.add(f"{what}_cpu_ms", name, run.cpu.total / num_messages * 1e3)
    figures.add(f"{what}_python_cpu_ms", name, run.cpu.own / num_messages * 1e3)
    figures.add("client_cpu_ms", name, run.found.cpu_seconds / num_messages * 1e3)


def measure_limit(name: str, tester: LoadTester, hop: Service, seconds: float, figures: Figures) -> None:
    """Send as much as the proxy carries, and add what its log lost of it."""
    before = read(f"127.0.0.1:{hop.http_port}")
    run = tester.run(f"{name}, limit", IMAGES, MANY, duration_seconds=seconds)
    figures.add("limit_per_second", name, run.per_second)
    page = counted_since(hop, before, {IMAGES.rpc: len(run.rows)})
    figures.add("limit_dropped", name, len(run.rows) - page.total("tandem_requests_total", rpc=IMAGES.rpc))


def counted_since(hop: Service, before: Page, num_sent: Mapping[str, int]) -> Page:
    """Return what the metrics have counted since `before`: all of the requests sent, by RPC, if they had time enough.

    A tester also asks which models there are, so that a count over all RPCs is reached one request too early.
    """
    deadline = time.monotonic() + _COUNTED_WITHIN_SECONDS
    while True:
        page = read(f"127.0.0.1:{hop.http_port}").since(before)
        are_counted = (page.total("tandem_requests_total", rpc=rpc) >= num for rpc, num in num_sent.items())
        if all(are_counted) or time.monotonic() >= deadline:
            return page
        time.sleep(0.1)
