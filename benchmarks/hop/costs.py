"""What the hop costs: requests, streams and CPU before a backend without a model, contenders in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.harness.cpu import Cpu, settled_cpu
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
from benchmarks.harness.run import Target
from benchmarks.harness.servers import DIRECT, Backends, Hop
from benchmarks.hop.durations import NUM_CALLERS, TOKENS_PER_SECOND, Durations
from tandem.measure.statistics.quantiles import nearest_rank

_SHARES = {"p50": 0.5, "p99": 0.99}


@dataclass(frozen=True)
class Contender:
    """Where requests go; `pid` leads the processes of the hop, None without one."""

    name: str
    port: int
    pid: int | None


def contenders(backends: Backends, hops: Sequence[Hop]) -> list[Contender]:
    """Return the backend itself and the hops in front of it."""
    assert backends.gan is not None
    return [Contender(DIRECT, backends.gan, None), *(Contender(each.name, each.port, each.pid) for each in hops)]


def measure_round(client: Client, found: Sequence[Contender], durations: Durations, figures: Figures) -> None:
    """Measure each contender once and add what the hop has added to the backend's own time."""
    alone: dict[str, dict[str, float]] = {}
    for each in found:
        alone[each.name] = _one_client(client, each, durations) | _one_stream(client, each, durations)
        _many_clients(client, each, NUM_CALLERS, durations, figures)
        _many_clients(client, each, 1, durations, figures)
        _fast_streams(client, each, durations, figures)
        if each.pid is not None:
            _paced(client, each, durations, figures, are_together=False)
            _paced(client, each, durations, figures, are_together=True)
    for contender, seen in alone.items():
        for name, value in seen.items():
            figures.add(f"one_{name}_ms", contender, value)
            if contender != DIRECT:
                figures.add(f"added_{name}_ms", contender, value - alone[DIRECT][name])


def _one_client(client: Client, contender: Contender, durations: Durations) -> dict[str, float]:
    """Return milliseconds of a unary request of a lone client."""
    run = closed_loop(
        client, Target(contender.port, SAMPLE, sample_requests()), 1, durations.one_client, goes_first=False
    )
    run.check_all_ok(contender.name)
    return {f"unary_{name}": run.quantile(share) * 1e3 for name, share in _SHARES.items()}


def _one_stream(client: Client, contender: Contender, durations: Durations) -> dict[str, float]:
    """Return milliseconds to the first message and to the end of a lone stream that comes as fast as it can."""
    run = closed_loop(
        client, Target(contender.port, SAMPLE_STREAM, stream_requests()), 1, durations.fast_streams, goes_first=False
    )
    run.check_all_ok(contender.name)
    return {
        "first_message_p50": nearest_rank(run.first_seconds, 0.5) * 1e3,
        "whole_stream_p50": run.quantile(0.5) * 1e3,
    }


def _fast_streams(client: Client, contender: Contender, durations: Durations, figures: Figures) -> None:
    target = Target(contender.port, SAMPLE_STREAM, stream_requests())
    before = _cpu(contender)
    run = closed_loop(client, target, NUM_CALLERS, durations.fast_streams, goes_first=False)
    run.check_all_ok(contender.name)
    figures.add("fast_per_second", contender.name, run.per_second * FAST_MESSAGES)
    _add_cpu(figures, "fast", contender, before, run.num_ok * FAST_MESSAGES)


def _many_clients(
    client: Client, contender: Contender, connections: int, durations: Durations, figures: Figures
) -> None:
    target = Target(contender.port, SAMPLE, sample_requests())
    before = _cpu(contender)
    run = closed_loop(client, target, NUM_CALLERS, durations.many_clients, connections, goes_first=False)
    run.check_all_ok(contender.name)
    name = f"unary_{connections}_connections"
    figures.add(f"{name}_per_second", contender.name, run.per_second)
    _add_cpu(figures, name, contender, before, run.num_ok)
    figures.add("client_cpu_ms_a_request", contender.name, run.cpu_seconds / run.num_ok * 1e3)


def _paced(client: Client, contender: Contender, durations: Durations, figures: Figures, are_together: bool) -> None:
    """Streams whose messages are due at the same instants (a batch's), or spread evenly over the interval."""
    apart = 0.0 if are_together else 1 / TOKENS_PER_SECOND / NUM_CALLERS
    starts = np.arange(NUM_CALLERS, dtype=np.float64) * apart
    before = _cpu(contender)
    run = open_loop(
        client, Target(contender.port, GENERATE, generate_requests()), starts, NUM_CALLERS, goes_first=False
    )
    run.check_all_ok(contender.name)
    messages = float(run.messages.sum())
    name = f"paced_{'together' if are_together else 'apart'}"
    _add_cpu(figures, name, contender, before, messages)
    figures.add(f"{name}_per_second", contender.name, messages / float(run.seconds.max()))
    figures.add("client_cpu_ms_a_message", contender.name, run.cpu_seconds / messages * 1e3)


def _cpu(contender: Contender) -> Cpu:
    return Cpu(0.0, 0.0) if contender.pid is None else settled_cpu(contender.pid)


def _add_cpu(figures: Figures, name: str, contender: Contender, before: Cpu, count: float) -> None:
    """Add the milliseconds of the whole hop for each of `count`, and what its Python process has of it."""
    if contender.pid is not None:
        used = settled_cpu(contender.pid).since(before)
        figures.add(f"{name}_cpu_ms", contender.name, used.total / count * 1e3)
        figures.add(f"{name}_python_cpu_ms", contender.name, used.own / count * 1e3)
