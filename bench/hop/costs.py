"""What the hop costs: requests, streams and CPU before a backend without a model, contenders in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.hop.cpu import Cpu, settled_cpu
from bench.hop.durations import NUM_CALLERS, TOKENS_PER_SECOND, Durations
from bench.hop.figures import Figures
from bench.hop.load import LoadFailed, Run, Target, closed_loop, exact_quantile, open_loop
from bench.hop.messages import (
    FAST_MESSAGES,
    GENERATE,
    SAMPLE,
    SAMPLE_STREAM,
    generate_requests,
    sample_requests,
    stream_requests,
)
from bench.hop.servers import DIRECT, Backends, Hop

_SHARES = {"p50": 0.5, "p99": 0.99}


@dataclass(frozen=True)
class Contender:
    """Where requests go; `pid` leads the processes of the hop, None without one."""

    name: str
    port: int
    pid: int | None


def contenders(backends: Backends, hops: Sequence[Hop]) -> list[Contender]:
    """Return the backend itself and the hops in front of it."""
    return [Contender(DIRECT, backends.gan, None), *(Contender(each.name, each.port, each.pid) for each in hops)]


def measure_round(program: Path, found: Sequence[Contender], durations: Durations, figures: Figures) -> None:
    """Measure each contender once and add what the hop has added to the backend's own time."""
    alone: dict[str, dict[str, float]] = {}
    for each in found:
        alone[each.name] = _one_client(program, each, durations) | _one_stream(program, each, durations)
        _many_clients(program, each, NUM_CALLERS, durations, figures)
        _many_clients(program, each, 1, durations, figures)
        _fast_streams(program, each, durations, figures)
        if each.pid is not None:
            _paced(program, each, durations, figures, are_together=False)
            _paced(program, each, durations, figures, are_together=True)
    for contender, seen in alone.items():
        for name, value in seen.items():
            figures.add(f"one_{name}_ms", contender, value)
            if contender != DIRECT:
                figures.add(f"added_{name}_ms", contender, value - alone[DIRECT][name])


def _one_client(program: Path, contender: Contender, durations: Durations) -> dict[str, float]:
    """Return milliseconds of a unary request of a lone client."""
    run = closed_loop(program, Target(contender.port, SAMPLE, sample_requests()), 1, durations.one_client)
    _check(run, contender)
    return {f"unary_{name}": run.quantile(share) * 1e3 for name, share in _SHARES.items()}


def _one_stream(program: Path, contender: Contender, durations: Durations) -> dict[str, float]:
    """Return milliseconds to the first message and to the end of a lone stream that comes as fast as it can."""
    run = closed_loop(program, Target(contender.port, SAMPLE_STREAM, stream_requests()), 1, durations.fast_streams)
    _check(run, contender)
    return {
        "first_message_p50": exact_quantile(run.first_seconds, 0.5) * 1e3,
        "whole_stream_p50": run.quantile(0.5) * 1e3,
    }


def _fast_streams(program: Path, contender: Contender, durations: Durations, figures: Figures) -> None:
    target = Target(contender.port, SAMPLE_STREAM, stream_requests())
    before = _cpu(contender)
    run = closed_loop(program, target, NUM_CALLERS, durations.fast_streams)
    _check(run, contender)
    figures.add("fast_per_second", contender.name, run.per_second * FAST_MESSAGES)
    _add_cpu(figures, "fast", contender, before, run.num_ok * FAST_MESSAGES)


def _many_clients(
    program: Path, contender: Contender, connections: int, durations: Durations, figures: Figures
) -> None:
    target = Target(contender.port, SAMPLE, sample_requests())
    before = _cpu(contender)
    run = closed_loop(program, target, NUM_CALLERS, durations.many_clients, connections)
    _check(run, contender)
    name = f"unary_{connections}_connections"
    figures.add(f"{name}_per_second", contender.name, run.per_second)
    _add_cpu(figures, name, contender, before, run.num_ok)
    figures.add("client_cpu_ms_a_request", contender.name, run.cpu_seconds / run.num_ok * 1e3)


def _paced(program: Path, contender: Contender, durations: Durations, figures: Figures, are_together: bool) -> None:
    """Streams whose messages are due at the same instants (a batch's), or spread evenly over the interval."""
    apart = 0.0 if are_together else 1 / TOKENS_PER_SECOND / NUM_CALLERS
    starts = np.arange(NUM_CALLERS, dtype=np.float64) * apart
    before = _cpu(contender)
    run = open_loop(program, Target(contender.port, GENERATE, generate_requests()), starts, NUM_CALLERS)
    _check(run, contender)
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


def _check(run: Run, contender: Contender) -> None:
    if not run.num_ok or run.num_ok < len(run.status):
        others = sorted({int(each) for each in run.status[~run.is_ok]})
        raise LoadFailed(f"{contender.name}: {run.num_ok} of {len(run.status)} requests ended OK, others with {others}")
