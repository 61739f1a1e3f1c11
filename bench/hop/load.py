"""Load by the compiled client: closed loop, or open loop by a schedule; every request's times come back."""

from __future__ import annotations

import json
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_COLUMNS = ("intended", "sent", "first_message", "ended", "messages", "status")
_MOST_REQUESTS = 1_000_000
_DRAIN_SECONDS = 10.0
_PREFIX = struct.Struct(">BI")


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
    """What the client saw of its requests, in the order in which they ended; seconds of the monotonic clock.

    Arrays have one entry a request. NaN in `ended`: it had not ended when the client gave up. `status`: gRPC's number,
    -1 if none arrived. `cpu_seconds`, `niceness`: the client's own. `replies`: of finished requests, if asked for.
    """

    intended: Array
    sent: Array
    first_message: Array
    ended: Array
    messages: Array
    status: Array
    cpu_seconds: float
    niceness: int
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

    def quantile(self, share: float) -> float:
        """Return the exact quantile of the durations, NaN without any."""
        return exact_quantile(self.seconds, share)


def exact_quantile(values: Array, share: float) -> float:
    """Return the quantile by nearest rank: a value that occurred; NaN without any."""
    return float(np.quantile(values, share, method="inverted_cdf")) if len(values) else float("nan")


def closed_loop(
    program: Path,
    target: Target,
    callers: int,
    seconds: float,
    connections: int | None = None,
    most_requests: int = _MOST_REQUESTS,
    keep_replies: bool = False,
    niceness: int = 0,
) -> Run:
    """Let `callers` send one request after another for `seconds`, on a connection each unless told. Raises LoadFailed.

    At most `most_requests` are sent. A negative `niceness` is asked for, and not insisted on.
    """
    shape = (connections or callers, callers, most_requests, seconds)
    return _run(program, target, shape, None, keep_replies, niceness)


def open_loop(
    program: Path,
    target: Target,
    starts: Array,
    connections: int = 32,
    niceness: int = 0,
    deadline_seconds: float | None = None,
) -> Run:
    """Send a request at each of `starts` (seconds from the beginning, ascending). Raises LoadFailed."""
    return _run(program, target, (connections, 0, 0, 0), starts, False, niceness, deadline_seconds)


def poisson(per_second: float, seconds: float, seed: int) -> Array:
    """Return start times of independent callers: so many a second on average, all before `seconds`; at least one."""
    generator = np.random.default_rng(seed)
    gaps = generator.exponential(1 / per_second, size=int(per_second * seconds * 2) + 20)
    starts = np.cumsum(gaps) - gaps[0]
    return np.asarray(starts[starts < seconds])


def _run(
    program: Path,
    target: Target,
    shape: tuple[float, ...],
    starts: Array | None,
    keep_replies: bool,
    niceness: int,
    deadline_seconds: float | None = None,
) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        requests, rows, replies, schedule = (Path(folder) / name for name in ("requests", "rows", "replies", "starts"))
        requests.write_bytes(b"".join(_PREFIX.pack(0, len(each)) + each for each in target.requests))
        if starts is not None:
            starts.tofile(schedule)
        kept = str(replies) if keep_replies else "-"
        files = (str(requests), str(rows), kept)
        when = "-" if starts is None else str(schedule)
        command = [
            str(program),
            str(target.port),
            target.path,
            *files,
            *map(str, shape),
            str(_DRAIN_SECONDS),
            when,
            str(niceness),
            "-" if deadline_seconds is None else f"{round(1000 * deadline_seconds)}m",
        ]
        longest = (float(starts[-1]) if starts is not None else shape[-1]) + _DRAIN_SECONDS + 10
        said = json.loads(_output(command, longest))
        table = np.fromfile(rows).reshape(-1, len(_COLUMNS))
        columns = {name: table[:, index] for index, name in enumerate(_COLUMNS)}
        found = tuple(unframed(replies.read_bytes())) if keep_replies else ()
    return Run(**columns, cpu_seconds=said["cpu_seconds"], niceness=said["niceness"], replies=found)


def _output(command: list[str], longest: float) -> str:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=longest, check=False)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"the load client had not ended after {longest:.0f} s") from None
    if ended.returncode != 0:
        raise LoadFailed(f"the load client ended with {ended.returncode}: {ended.stderr.strip()}")
    return ended.stdout


def unframed(data: bytes) -> Iterator[bytes]:
    """Yield the gRPC messages that `data` holds one after another, each behind its prefix."""
    at = 0
    while at < len(data):
        _, size = _PREFIX.unpack_from(data, at)
        at += _PREFIX.size
        yield data[at : at + size]
        at += size
