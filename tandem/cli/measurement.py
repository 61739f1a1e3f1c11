"""One side of a race: so many requests by so many callers at a time, each request's times kept exactly.

Closed loop: a caller sends its next request when its last one has ended. Knows no model and prints nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np

from tandem.client import TandemRpcError


@dataclass(frozen=True)
class Finished:
    """What a successful request tells of itself.

    The first output's seconds are on the client's clock, the gateway's own share and the backend's whole on theirs.
    """

    num_outputs: int
    first_output_seconds: float | None
    gateway_seconds: float | None
    backend_seconds: float | None


Request = Callable[[int], Awaitable[Finished]]


@dataclass
class Measurement:
    """Everything seen of one side; `errors` counts failed requests by status code."""

    name: str
    unit: str
    rpc: str
    concurrency: int
    wall_seconds: float = 0.0
    latencies_seconds: list[float] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def num_requests(self) -> int:
        return len(self.finished) + self.errors.total()

    @property
    def outputs_per_second(self) -> float:
        """Tokens or images of all finished requests over the whole time."""
        return sum(each.num_outputs for each in self.finished) / self.wall_seconds if self.wall_seconds else 0.0

    @property
    def first_outputs_seconds(self) -> list[float]:
        return [each.first_output_seconds for each in self.finished if each.first_output_seconds is not None]

    @property
    def gateway_seconds(self) -> list[float]:
        return [each.gateway_seconds for each in self.finished if each.gateway_seconds is not None]

    @property
    def outside_backend_seconds(self) -> list[float]:
        """What each client waited beyond the backend's own total: the gateway and both hops."""
        pairs = zip(self.latencies_seconds, self.finished, strict=True)
        return [latency - each.backend_seconds for latency, each in pairs if each.backend_seconds is not None]

    def summary(self) -> dict[str, object]:
        """Return the figures as plain data; a quantile of nothing is None."""
        return {
            "paradigm": self.name,
            "unit": self.unit,
            "rpc": self.rpc,
            "concurrency": self.concurrency,
            "num_requests": self.num_requests,
            "num_outputs": sum(each.num_outputs for each in self.finished),
            "wall_seconds": self.wall_seconds,
            "outputs_per_second": self.outputs_per_second,
            "latency_p50_seconds": quantile(self.latencies_seconds, 0.50),
            "latency_p95_seconds": quantile(self.latencies_seconds, 0.95),
            "latency_p99_seconds": quantile(self.latencies_seconds, 0.99),
            "first_output_p50_seconds": quantile(self.first_outputs_seconds, 0.50),
            "outside_backend_p50_seconds": quantile(self.outside_backend_seconds, 0.50),
            "gateway_own_p50_seconds": quantile(self.gateway_seconds, 0.50),
            "errors": dict(self.errors),
        }


def quantile(values: list[float], q: float) -> float | None:
    """Return the exact quantile: the least value that at least a share `q` of the values do not exceed."""
    return float(np.quantile(values, q, method="inverted_cdf")) if values else None


async def measure(
    measurement: Measurement, request: Request, count: int, ended: Callable[[], None] = lambda: None
) -> None:
    """Send `count` requests, request(0) to request(count - 1), and keep what became of them; `ended` after each."""
    indices = iter(range(count))

    async def caller() -> None:
        for index in indices:
            await _one(measurement, request, index)
            ended()

    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(count, measurement.concurrency)):
            group.create_task(caller())
    measurement.wall_seconds = time.monotonic() - started


async def _one(measurement: Measurement, request: Request, index: int) -> None:
    started = time.monotonic()
    try:
        finished = await request(index)
    except TandemRpcError as error:
        measurement.errors[error.code] += 1
        return
    measurement.latencies_seconds.append(time.monotonic() - started)
    measurement.finished.append(finished)
