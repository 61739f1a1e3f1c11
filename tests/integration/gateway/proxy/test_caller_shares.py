"""What one caller may take of the proxy, and that the others have the rest."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from gateway.figures.log_entry import GATEWAY_FULL, refusal_of
from gateway.proxy import modules
from gateway.proxy.sockets import Sockets
from tests.faults.attacks.connection import Connection, connected
from tests.faults.attacks.grpc_stream import begin
from tests.integration.gateway.callers import SECRET, keys_file
from tests.integration.gateway.fakes import GENERATE, HOST, SCORE
from tests.integration.gateway.proxy.backend import Backend, never
from tests.integration.gateway.proxy.running import proxy

OTHER = "127.0.0.2"
FULL = "RESOURCE_EXHAUSTED"


async def status(connection: Connection, body: bytes = b"a", **headers: str) -> str:
    """Return how a request ends."""
    return (await connection.answer(await begin(connection, SCORE, body, *headers.items()))).status_name


async def test_requests(ar: Backend) -> None:
    """Of eight, one caller may have four, and by connections that have none yet two more; then it is others' turn."""
    ar.answer = never
    async with proxy([ar], max_in_flight=8, max_caller_share=0.5) as running, contextlib.AsyncExitStack() as stack:
        hog, *further = [await stack.enter_async_context(connected(running.address)) for _ in range(4)]
        held = [await begin(hog, GENERATE, b"a") for _ in range(4)]
        await running.until_active(4)
        assert await status(hog) == FULL
        for each in further[:2]:
            await begin(each, GENERATE, b"a")
        await running.until_active(6)
        assert await status(further[2]) == FULL
        assert await status(further[0]) == FULL
        other = await stack.enter_async_context(connected(running.address, source=OTHER))
        await begin(other, GENERATE, b"a")
        await running.until_active(7)
        for number in held:
            hog.reset(number)
        await hog.flush()
        await running.until_active(3)
        for _ in range(2):
            await begin(hog, GENERATE, b"a")
        await running.until_active(5)


async def test_a_refusal_says_when_to_come_back_and_is_in_the_log(ar: Backend) -> None:
    ar.answer = never
    async with proxy([ar], max_in_flight=2, max_caller_share=0.5) as running:
        running.stream(GENERATE)
        await running.until_active(1)
        ended = await running.call(SCORE)
        assert (ended.code.name, ended.details) == (
            "RESOURCE_EXHAUSTED",
            "this caller has as many requests at the gateway as one may",
        )
        assert "grpc-status-details-bin" in ended.trailers
        assert refusal_of(await running.observer.entry(), "8") == GATEWAY_FULL


async def test_bytes_of_requests(ar: Backend) -> None:
    ar.answer = never
    async with (
        proxy([ar], limits={"request_bytes": 20_000}, max_caller_share=0.5) as running,
        connected(running.address) as hog,
        connected(running.address, source=OTHER) as other,
    ):
        await begin(hog, GENERATE, b"a" * 9_000)
        await running.until_active(1)
        assert await status(hog, b"a" * 2_000) == FULL
        await begin(other, GENERATE, b"a" * 9_000)
        await running.until_active(2)


async def is_let_in(address: str, source: str = "") -> bool:
    """Return whether one more connection stays open."""
    with contextlib.suppress(ConnectionError):
        async with connected(address, source=source) as connection:
            return await connection.greeted()
    return False


@pytest.mark.parametrize("listener", ["grpc", "http"])
async def test_connections(ar: Backend, listener: str) -> None:
    async with proxy([ar], max_connections=8, max_caller_share=0.5) as running:
        address = f"{HOST}:{running.envoy.ports[listener]}"
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(4):
                assert await (await stack.enter_async_context(connected(address))).greeted()
            assert not await is_let_in(address)
            assert await is_let_in(address, OTHER)
        async with asyncio.timeout(60):
            while not await is_let_in(address):
                await asyncio.sleep(0.02)


async def test_unknown_keys(ar: Backend, tmp_path: Path) -> None:
    """Some hundred are checked, then none for a while, but the known ones of the address and those of others."""
    async with (
        proxy([ar], api_keys_file=keys_file(tmp_path)) as running,
        connected(running.address) as hostile,
        connected(running.address, source=OTHER) as other,
    ):
        assert await status(hostile, authorization=f"Bearer {SECRET}") == "OK"
        ends: list[str] = []
        async with asyncio.timeout(60):
            while FULL not in ends:
                ends.append(await status(hostile, authorization=f"Bearer bad-{len(ends)}"))
        assert set(ends[:-1]) == {"UNAUTHENTICATED"}
        assert len(running.observer.checks) == len(ends) > 90
        assert await status(hostile, authorization=f"Bearer {SECRET}") == "OK"
        assert await status(other, authorization="Bearer bad") == "UNAUTHENTICATED"
        assert len(running.observer.checks) == len(ends) + 2


def test_without_the_module_for_this_envoy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "packaged_version", lambda: "1.41.0")
    assert modules.place_shares(Sockets(tmp_path)) is None
