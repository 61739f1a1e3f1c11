"""Asks backends afterwards what they served in calls that ended without a trailer, because the client had left.

The log's entry waits meanwhile, and is recorded once, with what the backend says or, if it says nothing in time,
without.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError

from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry
from gateway.figures.log_entry import served_of, upstream_of
from gateway.figures.replicas import Replicas
from tandem.common.v1.served_pb2 import Served, TakeServedRequest, TakeServedResponse

TAKE_SERVED = "/tandem.common.v1.ServedService/TakeServed"

MAX_WAITING = 10_000
"""Entries that may wait at a time; one more is recorded without outputs."""
MAX_IDS = 1_000
"""Calls that a backend reports in one reply."""
ASK_EVERY_SECONDS = 0.1
PATIENCE_SECONDS = 0.8
"""So long a backend is asked again for a call: it learns of the end at about the time at which the entry comes."""
TIMEOUT_SECONDS = 1.0
"""A backend that is busy answers late; one that answers later than this is not waited for."""


class _Waiting(NamedTuple):
    raw: HTTPAccessLogEntry
    give_up_at: float


class LateServed:
    """Asks each backend in batches; `record` is called once for each entry that was taken, on the event loop."""

    def __init__(
        self,
        replicas: Replicas,
        record: Callable[[HTTPAccessLogEntry, Served | None], None],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._replicas = replicas
        self._record = record
        self._patience_seconds = patience_seconds
        self._waiting: dict[str, list[_Waiting]] = defaultdict(list)
        self._num_waiting = 0
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._ends = asyncio.Event()

    def take(self, raw: HTTPAccessLogEntry) -> None:
        """Record an entry: at once, or after asking the backend that had the call and has not reported its end."""
        served = served_of(raw)
        was_asked = raw.common_properties.HasField("time_to_first_upstream_tx_byte")
        upstream = upstream_of(raw) if served is None and was_asked else ""
        if upstream not in self._replicas or self._num_waiting >= MAX_WAITING:
            self._record(raw, served)
            return
        self._num_waiting += 1
        self._waiting[upstream].append(_Waiting(raw, time.monotonic() + self._patience_seconds))
        if upstream not in self._asking:  # each backend by a task of its own: a slow one does not keep others waiting
            self._asking[upstream] = asyncio.create_task(self._ask_for_all(upstream))

    async def finish(self) -> None:
        """Ask once more for all that waits, then record what is left without outputs; when nothing more comes in."""
        self._ends.set()
        await asyncio.gather(*self._asking.values())

    async def _ask_for_all(self, address: str) -> None:
        """Ask one backend as long as an entry waits for it."""
        while waiting := self._waiting.pop(address, []):
            gives_up = self._ends.is_set()
            for start in range(0, len(waiting), MAX_IDS):
                batch = waiting[start : start + MAX_IDS]
                self._settle(address, batch, await self._ask(address, batch), gives_up=gives_up)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ends.wait(), ASK_EVERY_SECONDS)
        del self._asking[address]

    async def _ask(self, address: str, batch: list[_Waiting]) -> dict[str, Served]:
        """Return what a backend says of these entries, by request: nothing if it is gone, or is to be asked again."""
        replica = self._replicas.at(address)
        if replica is None:
            return {}
        request = TakeServedRequest(request_ids=[entry.raw.request.request_id for entry in batch])
        take: Any = replica.channel.unary_unary(TAKE_SERVED)
        call = take(request.SerializeToString(), timeout=TIMEOUT_SECONDS)
        if await call.code() is not grpc.StatusCode.OK:  # awaited itself, it raises CancelledError if it is closed
            return {}
        try:
            return dict(TakeServedResponse.FromString(await call).served)
        except DecodeError:
            return {}

    def _settle(self, address: str, batch: list[_Waiting], served: dict[str, Served], *, gives_up: bool) -> None:
        """Record what is known or has waited long enough; the rest waits on."""
        now = time.monotonic()
        for waiting in batch:
            known = served.get(waiting.raw.request.request_id)
            if known is None and not gives_up and now < waiting.give_up_at:
                self._waiting[address].append(waiting)
            else:
                self._num_waiting -= 1
                self._record(waiting.raw, known)
