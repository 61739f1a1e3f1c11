"""A closed loop over server-sent events, by as little client as can be: it shares the machine with the server."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_END = b"data: [DONE]"


class SseRun(NamedTuple):
    """What the client saw; seconds from any zero, one entry a request, in the order in which they ended."""

    sent: NDArray[np.float64]
    first_event: NDArray[np.float64]
    ended: NDArray[np.float64]
    num_events: NDArray[np.int64]

    @property
    def first_seconds(self) -> NDArray[np.float64]:
        return self.first_event - self.sent

    @property
    def per_second(self) -> float:
        """Requests that ended a second, from the first that was sent to the last that ended."""
        return len(self.ended) / float(self.ended.max() - self.sent.min())


class SseFailed(Exception):
    """A request did not end as a stream does; says what came instead."""


def sse_loop(port: int, path: str, bodies: Sequence[bytes], callers: int, num_requests: int) -> SseRun:
    """Let `callers` send one request after another, each on a connection of its own. Raises SseFailed."""
    return asyncio.run(_loop(port, path, bodies, callers, num_requests))


async def _loop(port: int, path: str, bodies: Sequence[bytes], callers: int, num_requests: int) -> SseRun:
    heads = (_request(path, body) for body in itertools.cycle(bodies))
    requests = itertools.islice(heads, num_requests)
    rows: list[tuple[float, float, float, int]] = []
    await asyncio.gather(*(_call(port, requests, rows) for _ in range(callers)))
    columns = np.array(rows, np.float64).T
    return SseRun(columns[0], columns[1], columns[2], columns[3].astype(np.int64))


def _request(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    )
    return head.encode() + b"\r\n" + body


async def _call(port: int, requests: Iterator[bytes], rows: list[tuple[float, float, float, int]]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for request in requests:
            sent = time.monotonic()
            writer.write(request)
            first, count, rest = 0.0, 0, b""
            if b"200" not in (status := await reader.readline()):
                raise SseFailed(status.decode(errors="replace"))
            while _END not in rest:
                part = await reader.read(65_536)
                if not part or b"event: error" in part:
                    raise SseFailed((rest + part).decode(errors="replace"))
                count += part.count(b"data: {")
                first = first or (time.monotonic() if count else 0.0)
                rest = rest[-len(_END) :] + part
            rows.append((sent, first, time.monotonic(), count))
            while not rest.endswith(b"0\r\n\r\n"):
                rest += await reader.read(65_536)
    finally:
        writer.close()
