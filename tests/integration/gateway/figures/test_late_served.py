"""Backends are asked what calls were served of whose end they could not tell: each entry is recorded once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from gateway.figures import late_served
from gateway.figures.late_served import LateServed
from gateway.figures.replicas import Replicas
from gateway.proxy.admin import ProxiedReplica
from runtime.rpc.served import ServedLedger
from runtime.server.backend import SERVED_SERVICE, served_handler
from runtime.server.server import RpcServer
from tandem.common.v1.served_pb2 import Served
from tests.unit.gateway.figures.entries import NEVER_ASKED, left, served
from tests.waiting import until

HOST = "127.0.0.1"
PATIENT = 60.0


class Backend:
    """Serves what is in its ledger."""

    def __init__(self) -> None:
        self.ledger = ServedLedger(max_entries=100_000)
        self.server = RpcServer(HOST, 0, [served_handler(self.ledger)], [SERVED_SERVICE])

    @property
    def address(self) -> str:
        return f"{HOST}:{self.server.port}"

    def keep(self, request_id: str, outputs: int) -> None:
        self.ledger.keep(request_id, Served(model="m", outputs=outputs).SerializeToString())


class Asking:
    """What has been recorded, by request id."""

    def __init__(self, addresses: Iterable[str], patience_seconds: float) -> None:
        self.replicas = Replicas({"sequential": list(addresses)})
        self.told = [ProxiedReplica("sequential", each, "", False, 0) for each in addresses]
        self.late = LateServed(self.replicas, self._record, patience_seconds)
        self.served: dict[str, Served | None] = {}
        self.times_recorded: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    def _record(self, raw: Any, served: Served | None) -> None:
        self.served[raw.request.request_id] = served
        self.times_recorded[raw.request.request_id] += 1

    async def recorded(self, count: int) -> None:
        await until(lambda: len(self.served) >= count)
        assert set(self.times_recorded.values()) == {1}


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    backend = Backend()
    await backend.server.start()
    yield backend
    await backend.server.stop(0)


@contextlib.asynccontextmanager
async def asking(*addresses: str, patience_seconds: float = PATIENT) -> AsyncIterator[Asking]:
    running = Asking(addresses, patience_seconds)
    await running.replicas.update(running.told)
    yield running
    await running.late.finish()
    await running.replicas.close()


def entry_of(address: str, request_id: str) -> Any:
    host, _, port = address.rpartition(":")
    raw = left(upstream=(host, int(port)))
    raw.request.request_id = request_id
    return raw


async def test_a_call_that_ends_after_its_entry_is_asked_for_again(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()
    take = backend.ledger.take

    def told(request_id: str) -> bytes | None:
        asked.set()
        return take(request_id)

    monkeypatch.setattr(backend.ledger, "take", told)
    async with asking(backend.address) as here:
        here.late.take(entry_of(backend.address, "late"))
        await until(asked.is_set)
        assert here.served == {}
        backend.keep("late", 7)
        await here.recorded(1)
    assert here.served["late"] == Served(model="m", outputs=7)


async def test_a_backend_that_is_gone_keeps_nobody_else_waiting(backend: Backend) -> None:
    gone = Backend()
    await gone.server.start()
    address = gone.address
    await gone.server.stop(0)
    async with asking(backend.address, address, patience_seconds=0.0) as here:
        backend.keep("a", 1)
        here.late.take(entry_of(address, "b"))
        here.late.take(entry_of(backend.address, "a"))
        await here.recorded(2)
    assert here.served == {"a": Served(model="m", outputs=1), "b": None}


async def test_many_are_asked_for_in_batches(backend: Backend) -> None:
    """A backend refuses to be asked for more than 1,000 at once."""
    async with asking(backend.address) as here:
        for number in range(2_500):
            backend.keep(f"id-{number}", number)
            here.late.take(entry_of(backend.address, f"id-{number}"))
        await here.recorded(2_500)
    assert sum(served.outputs for served in here.served.values() if served) == 2_500 * 2_499 // 2


async def test_more_than_may_wait_do_not_wait(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_served, "MAX_WAITING", 3)
    async with asking(backend.address) as here:
        for number in range(5):
            here.late.take(entry_of(backend.address, f"id-{number}"))
        assert here.served == {"id-3": None, "id-4": None}
        for number in range(3):
            backend.keep(f"id-{number}", 1)
        await here.recorded(5)
        here.late.take(entry_of(backend.address, "next"))
        assert "next" not in here.served
        backend.keep("next", 1)
        await here.recorded(6)


@pytest.mark.parametrize(
    ("is_asked", "fields"),
    [
        (True, {}),
        (True, {"timeout": "100m", "duration": 0.1}),
        (True, {"status": "4", "in_headers": True, "flags": ()}),  # its own timer, which sends no trailers of ours
        (False, {"status": "0", "told": served(), "flags": ()}),
        (False, NEVER_ASKED),
        (False, {"upstream": None}),
    ],
)
async def test_a_backend_is_asked_if_it_had_the_call_and_has_not_told(
    backend: Backend, is_asked: bool, fields: dict[str, Any]
) -> None:
    async with asking(backend.address) as here:
        host, _, port = backend.address.rpartition(":")
        here.late.take(left(**{"upstream": (host, int(port)), **fields}))
        assert (len(here.served) == 0) is is_asked


async def test_at_the_end_all_that_waits_is_recorded(backend: Backend) -> None:
    running = Asking([backend.address], PATIENT)
    await running.replicas.update(running.told)
    backend.keep("a", 3)
    for request_id in ("a", "unknown"):
        running.late.take(entry_of(backend.address, request_id))
    await running.late.finish()
    await running.replicas.close()
    assert running.served == {"a": Served(model="m", outputs=3), "unknown": None}
    assert set(running.times_recorded.values()) == {1}


async def test_a_backend_that_goes_while_it_is_asked_costs_only_what_it_knew(backend: Backend) -> None:
    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        closed.set()

    connected, closed = asyncio.Event(), asyncio.Event()
    silent = await asyncio.start_server(keep_silent, HOST, 0)
    address = f"{HOST}:{silent.sockets[0].getsockname()[1]}"
    async with asking(backend.address, address, patience_seconds=0.0) as here, silent:
        here.late.take(entry_of(address, "lost"))
        await until(connected.is_set)
        await here.replicas.update(each for each in here.told if each.address != address)
        await here.recorded(1)
        backend.keep("known", 1)
        here.late.take(entry_of(backend.address, "known"))
        await here.recorded(2)
    await until(closed.is_set)
    assert here.served == {"lost": None, "known": Served(model="m", outputs=1)}
