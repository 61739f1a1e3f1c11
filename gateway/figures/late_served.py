"""Calls whose end the backend could not tell of, because their clients had left: it is asked afterwards.

The log's entry waits meanwhile, and is recorded once, with what the backend says or, if it says nothing in time,
without.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from gateway.figures.entry import Entry
from gateway.figures.replica_channels import ReplicaChannels
from tandem.common.v1.served_pb2 import Served, TakeServedRequest, TakeServedResponse

TAKE_SERVED = "/tandem.common.v1.ServedService/TakeServed"

MAX_WAITING = 10_000
"""Entries that may wait at a time; one more is recorded without outputs."""
MAX_IDS = 1_000
"""Calls that a backend tells of in one reply."""
ASK_EVERY_SECONDS = 0.1
PATIENCE_SECONDS = 0.8
"""So long a backend is asked again for a call: it learns of the end at about the time at which the entry comes."""
TIMEOUT_SECONDS = 1.0
"""A backend that is busy answers late; one that answers later than this is not waited for."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    entry: Entry
    give_up_at: float


class LateServed:
    """Asks each backend in batches; `record` is called once for each entry that was taken, on the event loop."""

    def __init__(
        self,
        channels: ReplicaChannels,
        record: Callable[[Entry, Served | None], None],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._channels = channels
        self._record = record
        self._patience_seconds = patience_seconds
        self._waiting: dict[str, list[_Waiting]] = defaultdict(list)
        self._num_waiting = 0
        self._arrived = asyncio.Event()
        self._asking: dict[str, asyncio.Task[None]] = {}

    def take(self, entry: Entry) -> bool:
        """Return whether the entry waits for its backend; if not, it is the caller's to record."""
        if entry.upstream not in self._channels or self._num_waiting >= MAX_WAITING:
            return False
        self._num_waiting += 1
        self._waiting[entry.upstream].append(_Waiting(entry, time.monotonic() + self._patience_seconds))
        self._arrived.set()
        return True

    async def run(self) -> None:
        """Ask as long as anything waits; never returns."""
        while True:
            await self._arrived.wait()
            for address in list(self._waiting):
                if address not in self._asking:
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
            self._settle(self._waiting.pop(address), {}, gives_up=True)

    def _ask(self, address: str) -> None:
        """Begin to ask one backend; a slow one does not keep the others waiting."""
        waiting = self._waiting.pop(address)
        batch, rest = waiting[:MAX_IDS], waiting[MAX_IDS:]
        if rest:
            self._waiting[address] = rest
        task = self._asking[address] = asyncio.create_task(self._ask_for(address, batch))
        task.add_done_callback(lambda _: self._asking.pop(address, None))

    async def _ask_for(self, address: str, batch: list[_Waiting]) -> None:
        told = TakeServedResponse()
        try:
            if address in self._channels:
                request = TakeServedRequest(request_ids=[each.entry.request_id for each in batch])
                take: Any = self._channels.to(address).unary_unary(TAKE_SERVED)
                reply = await take(request.SerializeToString(), timeout=TIMEOUT_SECONDS)
                told = TakeServedResponse.FromString(reply)
        except grpc.aio.AioRpcError:
            pass  # it is gone, or will be asked again
        finally:
            self._settle(batch, dict(told.served), gives_up=False)

    def _settle(self, batch: list[_Waiting], served: dict[str, Served], gives_up: bool) -> None:
        """Record what is known or has waited long enough; the rest waits on."""
        now = time.monotonic()
        for each in batch:
            known = served.get(each.entry.request_id)
            if known is None and not gives_up and now < each.give_up_at:
                self._waiting[each.entry.upstream].append(each)
            else:
                self._num_waiting -= 1
                self._record(each.entry, known)
