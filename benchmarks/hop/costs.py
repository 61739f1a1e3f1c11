"""What the hop costs: requests, streams and CPU before a backend without a model, contenders in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.harness.cpu import settled_cpu
from benchmarks.harness.figures import Figures
from benchmarks.harness.load import Client, closed_loop, open_loop
from benchmarks.harness.messages import (
    FAST_MESSAGES,
    GENERATE,
    SAMPLE,
    SAMPLE_STREAM,
    generate_requests,
    sample_requests,
    stream_requests,
)
from benchmarks.harness.run import Run, Target
from benchmarks.harness.servers import DIRECT, Hop
from benchmarks.hop.durations import NUM_CALLERS, TOKENS_PER_SECOND, Durations
from tandem.measure.meters.metrics_page import Page, read
from tandem.measure.statistics.quantiles import nearest_rank

_COUNTED_WITHIN_SECONDS = 60.0


def measure_round(client: Client, hops: Sequence[Hop], durations: Durations, figures: Figures) -> None:
    """Measure each contender once and add what the hop has added to the backend's own time."""
    alone: dict[str, dict[str, float]] = {}
    for hop in hops:
        alone[hop.name] = _alone(client, hop, durations)
        for connections in (NUM_CALLERS, 1):
            _many_clients(client, hop, connections, durations, figures)
        _fast_streams(client, hop, durations, figures)
        if hop.pid:
            _paced(client, hop, figures, are_together=False)
            _paced(client, hop, figures, are_together=True)
    for contender, seen in alone.items():
        for name, value in seen.items():
            figures.add(f"one_{name}_ms", contender, value)
            if contender != DIRECT:
                figures.add(f"added_{name}_ms", contender, value - alone[DIRECT][name])


def measure_limit(client: Client, hop: Hop, durations: Durations, figures: Figures) -> None:
    """Send as much as the proxy carries, and add what its log lost of it."""
    before = read(f"127.0.0.1:{hop.http_port}")
    run = closed_loop(client, _unary(hop), NUM_CALLERS, durations.limit, goes_first=False)
    run.check_all_ok(hop.name)
    figures.add("limit_per_second", hop.name, run.per_second)
    figures.add("limit_dropped", hop.name, num_uncounted(hop, before, len(run.status)))


def num_uncounted(hop: Hop, before: Page, num_sent: int) -> float:
    """Return how many of the requests sent the metrics lack, once they had time to count them."""
    deadline = time.monotonic() + _COUNTED_WITHIN_SECONDS
    while True:
        counted = read(f"127.0.0.1:{hop.http_port}").since(before).total("tandem_requests_total")
        if counted >= num_sent or time.monotonic() >= deadline:
            return num_sent - counted
        time.sleep(0.1)


def _alone(client: Client, hop: Hop, durations: Durations) -> dict[str, float]:
    """Return milliseconds of a lone unary request, and to the first message and the end of a lone stream that comes as
    fast as it can.
    """
    unary = closed_loop(client, _unary(hop), 1, durations.one_client, goes_first=False)
    stream = closed_loop(client, _stream(hop), 1, durations.fast_streams, goes_first=False)
    for run in (unary, stream):
        run.check_all_ok(hop.name)
    return {
        "unary_p50": unary.quantile(0.5) * 1e3,
        "unary_p99": unary.quantile(0.99) * 1e3,
        "first_message_p50": nearest_rank(stream.first_seconds, 0.5) * 1e3,
        "whole_stream_p50": stream.quantile(0.5) * 1e3,
    }


def _many_clients(client: Client, hop: Hop, connections: int, durations: Durations, figures: Figures) -> None:
    name = f"unary_{connections}_connections"
    seconds = durations.many_clients
    run = _costly(
        figures,
        name,
        hop,
        lambda: closed_loop(client, _unary(hop), NUM_CALLERS, seconds, connections, goes_first=False),
    )
    figures.add(f"{name}_per_second", hop.name, run.per_second)
    figures.add("client_cpu_ms_a_request", hop.name, run.cpu_seconds / run.num_ok * 1e3)


def _fast_streams(client: Client, hop: Hop, durations: Durations, figures: Figures) -> None:
    seconds = durations.fast_streams
    run = _costly(
        figures, "fast", hop, lambda: closed_loop(client, _stream(hop), NUM_CALLERS, seconds, goes_first=False)
    )
    figures.add("fast_per_second", hop.name, run.per_second * FAST_MESSAGES)


def _paced(client: Client, hop: Hop, figures: Figures, are_together: bool) -> None:
    """Streams whose messages are due at the same instants (a batch's), or spread evenly over the interval."""
    apart = 0.0 if are_together else 1 / TOKENS_PER_SECOND / NUM_CALLERS
    starts = np.arange(NUM_CALLERS, dtype=np.float64) * apart
    name, target = f"paced_{'together' if are_together else 'apart'}", Target(hop.port, GENERATE, generate_requests())
    run = _costly(figures, name, hop, lambda: open_loop(client, target, starts, NUM_CALLERS, goes_first=False))
    messages = float(run.messages.sum())
    figures.add(f"{name}_per_second", hop.name, messages / float(run.seconds.max()))
    figures.add("client_cpu_ms_a_message", hop.name, run.cpu_seconds / messages * 1e3)


def _unary(hop: Hop) -> Target:
    return Target(hop.port, SAMPLE, sample_requests())


def _stream(hop: Hop) -> Target:
    return Target(hop.port, SAMPLE_STREAM, stream_requests())


def _costly(figures: Figures, name: str, hop: Hop, load: Callable[[], Run]) -> Run:
    """Run a load; add the milliseconds of the whole hop for each message, and what its Python process has of it."""
    before = settled_cpu(hop.pid) if hop.pid else None
    run = load()
    run.check_all_ok(hop.name)
    if before is not None:
        used = settled_cpu(hop.pid).since(before)
        messages = float(run.messages.sum())
        figures.add(f"{name}_cpu_ms", hop.name, used.total / messages * 1e3)
        figures.add(f"{name}_python_cpu_ms", hop.name, used.own / messages * 1e3)
    return run
