"""Asks backends afterwards what they served in calls that ended without a trailer, because the client had left.

The log's entry waits meanwhile, and is recorded once, with what the backend says or, if it says nothing in time,
without.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc

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
        self._arrived = asyncio.Event()
        self._asking: dict[str, asyncio.Task[None]] = {}

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
        self._arrived.set()

    async def run(self) -> None:
        """Ask as long as anything waits; never returns."""
        while True:
            await self._arrived.wait()
            for address in self._waiting.keys() - self._asking.keys():
                self._ask(address)
            if not self._num_waiting:
                self._arrived.clear()
            await asyncio.sleep(ASK_EVERY_SECONDS)

    async def finish(self) -> None:
        """Ask once more for all that waits, then record what is left without outputs; when nothing more comes in."""
        await asyncio.gather(*self._asking.values())
        for address in list(self._waiting):
            self._ask(address)
        await asyncio.gather(*self._asking.values())
        for address in list(self._waiting):
            self._settle(address, self._waiting.pop(address), {}, gives_up=True)

    def _ask(self, address: str) -> None:
        """Begin to ask one backend; a slow one does not keep the others waiting."""
        waiting = self._waiting.pop(address)
        if rest := waiting[MAX_IDS:]:
            self._waiting[address] = rest
        task = self._asking[address] = asyncio.create_task(self._ask_for(address, waiting[:MAX_IDS]))
        task.add_done_callback(lambda _: self._asking.pop(address, None))

    async def _ask_for(self, address: str, batch: list[_Waiting]) -> None:
        reply = TakeServedResponse()
        try:
            if replica := self._replicas.at(address):
                request = TakeServedRequest(request_ids=[entry.raw.request.request_id for entry in batch])
                take: Any = replica.channel.unary_unary(TAKE_SERVED)
                reply = TakeServedResponse.FromString(await take(request.SerializeToString(), timeout=TIMEOUT_SECONDS))
        except grpc.aio.AioRpcError:
            pass  # it is gone, or will be asked again
        finally:
            self._settle(address, batch, dict(reply.served), gives_up=False)

    def _settle(self, address: str, batch: list[_Waiting], served: dict[str, Served], gives_up: bool) -> None:
        """Record what is known or has waited long enough; the rest waits on."""
        now = time.monotonic()
        for waiting in batch:
            known = served.get(waiting.raw.request.request_id)
            if known is None and not gives_up and now < waiting.give_up_at:
                self._waiting[address].append(waiting)
            else:
                self._num_waiting -= 1
                self._record(waiting.raw, known)
