"""Load by a compiled client: closed loop, or open loop by a schedule; every request's times come back.

The clients are the load generator's own sender, in this process, and a program for servers of HTTP/1.1.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from benchmarks.harness.http1 import http1_loop
from benchmarks.harness.programs import program
from benchmarks.harness.run import Array, LoadFailed, Run, Target
from benchmarks.harness.sent import sent
from tandem.measure.generator.native.library import Library, open_sender_library
from tandem.measure.generator.sending.columns import WHOLE_MESSAGE
from tandem.measure.generator.sending.sender import Load, Route

Client = Library | Path
SENDER, HTTP1 = "sender", "http1"

_MOST_REQUESTS = 1_000_000
_DRAIN_SECONDS = 10.0
_HEAD_START_SECONDS = 0.01


def open_client(name: str) -> Client:
    """Return the client SENDER or HTTP1. Raises LibraryUnavailable."""
    return program(HTTP1) if name == HTTP1 else open_sender_library()


def closed_loop(
    client: Client,
    target: Target,
    callers: int,
    seconds: float,
    connections: int | None = None,
    most_requests: int = _MOST_REQUESTS,
    keep_replies: bool = False,
    goes_first: bool = True,
) -> Run:
    """Let `callers` send one request after another for `seconds`, on a connection each unless told. Raises LoadFailed.

    At most `most_requests` are sent. `goes_first`: as Load has it.
    """
    if isinstance(client, Path):
        if connections not in (None, callers):
            raise LoadFailed("a server of HTTP/1.1 gets closed loops alone, with a connection for each caller")
        return http1_loop(client, target, (callers, most_requests, seconds, _DRAIN_SECONDS), keep_replies)
    load = Load(
        zero=time.monotonic(),
        ends_at=seconds,
        drain_seconds=_DRAIN_SECONDS,
        is_open=False,
        budget=most_requests,
        callers=[(0.0, seconds)] * callers,
        pause_seconds=0.0,
        goes_first=goes_first,
    )
    route = Route(target.path, is_streamed=True, columns=(WHOLE_MESSAGE,) if keep_replies else ())
    return sent(client, target, route, load, None, connections or callers)


def open_loop(
    client: Client,
    target: Target,
    starts: Array,
    connections: int = 32,
    goes_first: bool = True,
) -> Run:
    """Send a request at each of `starts` (seconds from the beginning, ascending). Raises LoadFailed.

    `goes_first`: as Load has it.
    """
    if isinstance(client, Path):
        raise LoadFailed("a server of HTTP/1.1 gets closed loops alone")
    load = Load(
        zero=time.monotonic() + _HEAD_START_SECONDS,
        ends_at=float(starts[-1]) + _DRAIN_SECONDS,
        drain_seconds=_DRAIN_SECONDS,
        is_open=True,
        max_outstanding=len(starts),
        goes_first=goes_first,
    )
    return sent(client, target, Route(target.path, is_streamed=True), load, starts, connections)


def poisson(per_second: float, seconds: float, seed: int) -> Array:
    """Return start times of independent callers: so many a second on average, all before `seconds`; at least one."""
    generator = np.random.default_rng(seed)
    gaps = generator.exponential(1 / per_second, size=int(per_second * seconds * 2) + 20)
    starts = np.cumsum(gaps) - gaps[0]
    return np.asarray(starts[starts < seconds])
