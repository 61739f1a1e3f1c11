"""Load by a compiled client: closed loop, or open loop by a schedule; every request's times come back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.clients import Client
from benchmarks.harness.http1 import http1_loop
from benchmarks.harness.sent import route_of, sent
from tandem.measure.generator.native.library import Library
from tandem.measure.generator.sending.sender import Load
from tandem.measure.generator.sending.tables import End, Seen
from tandem.measure.statistics.quantiles import nearest_rank

Array = NDArray[np.float64]

_MOST_REQUESTS = 1_000_000
_DRAIN_SECONDS = 10.0
_HEAD_START_SECONDS = 0.01


class LoadFailed(Exception):
    """The client ended without a result; says why."""


@dataclass(frozen=True)
class Target:
    """An RPC on 127.0.0.1 and the requests (serialised messages, taken in turn) to send there."""

    port: int
    path: str
    requests: Sequence[bytes]


@dataclass(frozen=True)
class Run:
    """What the client saw of its requests, in the order in which they ended; seconds from any zero.

    Arrays have one entry a request. NaN in `ended`: it had not ended when the client gave up. `status`: gRPC's number,
    -1 if none arrived. `cpu_seconds`: the client's own; `is_real_time`: whether the system let it go first. `replies`:
    of finished requests, if asked for.
    """

    intended: Array
    sent: Array
    first_message: Array
    ended: Array
    messages: Array
    status: Array
    cpu_seconds: float
    is_real_time: bool
    replies: tuple[bytes, ...]

    @property
    def is_ok(self) -> NDArray[np.bool_]:
        return np.equal(self.status, 0)

    @property
    def num_ok(self) -> int:
        return int(self.is_ok.sum())

    @property
    def seconds(self) -> Array:
        """Duration of each request that ended OK, from when it was sent."""
        return (self.ended - self.sent)[self.is_ok]

    @property
    def first_seconds(self) -> Array:
        """Seconds to the first message of each request that ended OK."""
        return (self.first_message - self.sent)[self.is_ok]

    @property
    def per_second(self) -> float:
        """Requests that ended OK a second, from the first that was sent to the last that ended."""
        return self.num_ok / float(np.nanmax(self.ended) - np.min(self.sent)) if self.num_ok else 0.0

    def delivered_share(self) -> float:
        """Of an open loop: requests that ended OK a second, as a share of those that were due a second.

        Both in the last three quarters of the time, so that what is always under way counts for nothing, and a queue
        that grows shows.
        """
        begin, end = float(self.intended.min()), float(self.intended.max())
        since = begin + (end - begin) / 4
        delivered = self.is_ok & (self.ended > since) & (self.ended <= end)
        return float(delivered.sum() / (self.intended > since).sum())

    def check_all_ok(self, what: str) -> None:
        """Raise LoadFailed, which names `what` was asked, unless there were requests and all of them ended OK."""
        if not self.num_ok or self.num_ok < len(self.status):
            others = sorted({int(each) for each in self.status[~self.is_ok]})
            raise LoadFailed(f"{what}: {self.num_ok} of {len(self.status)} requests ended OK, others with {others}")

    def quantile(self, share: float) -> float:
        """Return the exact quantile of the durations, NaN without any."""
        return nearest_rank(self.seconds, share)


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
        shape = (connections or callers, callers, most_requests, seconds)
        return _http1(client, target, shape, keep_replies)
    load = Load(
        zero=time.monotonic(),
        begins_at=0.0,
        ends_at=seconds,
        drain_seconds=_DRAIN_SECONDS,
        is_open=False,
        budget=most_requests,
        callers=[(0.0, seconds)] * callers,
        pause_seconds=0.0,
        goes_first=goes_first,
    )
    return _run(client, target, load, None, connections or callers, keep_replies)


def open_loop(
    client: Client,
    target: Target,
    starts: Array,
    connections: int = 32,
    deadline_seconds: float | None = None,
    goes_first: bool = True,
) -> Run:
    """Send a request at each of `starts` (seconds from the beginning, ascending). Raises LoadFailed.

    `goes_first`: as Load has it.
    """
    if isinstance(client, Path):
        raise LoadFailed("a server of HTTP/1.1 gets closed loops alone")
    last, most = float(starts[-1]), len(starts)
    load = Load(
        zero=time.monotonic() + _HEAD_START_SECONDS,
        begins_at=0.0,
        ends_at=last + _DRAIN_SECONDS,
        drain_seconds=_DRAIN_SECONDS,
        is_open=True,
        max_outstanding=most,
        goes_first=goes_first,
    )
    return _run(client, target, load, starts, connections, False, deadline_seconds)


def poisson(per_second: float, seconds: float, seed: int) -> Array:
    """Return start times of independent callers: so many a second on average, all before `seconds`; at least one."""
    generator = np.random.default_rng(seed)
    gaps = generator.exponential(1 / per_second, size=int(per_second * seconds * 2) + 20)
    starts = np.cumsum(gaps) - gaps[0]
    return np.asarray(starts[starts < seconds])


def _http1(program: Path, target: Target, shape: tuple[float, ...], keep_replies: bool) -> Run:
    arguments = (target.port, target.path, target.requests, shape, _DRAIN_SECONDS, keep_replies)
    try:
        found = http1_loop(program, *arguments)
    except ChildProcessError as error:
        raise LoadFailed(str(error)) from None
    return Run(**found.columns, cpu_seconds=found.cpu_seconds, is_real_time=found.is_real_time, replies=found.replies)


def _run(
    library: Library,
    target: Target,
    load: Load,
    starts: Array | None,
    connections: int,
    keep_replies: bool,
    deadline_seconds: float | None = None,
) -> Run:
    route = route_of(target.path, deadline_seconds, keep_replies)
    try:
        seen, end, is_real_time = sent(library, target.port, route, target.requests, load, starts, connections)
    except ConnectionError as error:
        raise LoadFailed(f"cannot connect: {error}") from None
    rows = seen.rows
    is_cut_off = rows["end"] == End.CUT_OFF
    return Run(
        intended=rows["intended"],
        sent=rows["sent"],
        first_message=rows["first_output"],
        ended=np.where(is_cut_off, np.nan, rows["ended"]),
        messages=rows["num_messages"].astype(np.float64),
        status=np.where(is_cut_off, -1, rows["code"]).astype(np.float64),
        cpu_seconds=end.cpu_seconds,
        is_real_time=is_real_time,
        replies=_replies(seen),
    )


def _replies(seen: Seen) -> tuple[bytes, ...]:
    """Return the messages that were kept, of one request after another in the order of their ends."""
    order = np.argsort(seen.rows["number"])
    places = order[np.searchsorted(seen.rows["number"], seen.kept["number"], sorter=order)]
    kept = seen.kept[np.lexsort((seen.kept["message"], places))]
    raw = seen.kept_bytes.tobytes()
    return tuple(raw[begin : begin + size] for begin, size in kept[["begin", "size"]].tolist())
