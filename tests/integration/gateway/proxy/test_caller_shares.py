"""What one caller may take of the proxy, and that the others have the rest."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from gateway.envoy import authorization_pb2
from gateway.figures.log_entry import GATEWAY_FULL, refusal_of
from gateway.proxy import modules
from gateway.proxy.sockets import Sockets
from tests.integration.gateway.callers import keys_file
from tests.integration.gateway.fakes import GENERATE, SCORE
from tests.integration.gateway.proxy import frames
from tests.integration.gateway.proxy.backend import Backend, never
from tests.integration.gateway.proxy.frames import Connection, connected, frame, headers, message
from tests.integration.gateway.proxy.running import Proxy, proxy
from tests.integration.gateway.proxy.test_authorization import denied

OTHER = "127.0.0.2"
WAITING = "waiting"


async def asked(connection: Connection, stream: int, path: str = SCORE, body: bytes = b"a", **more: str) -> str:
    """Return how a request ended: its grpc-status, or `WAITING` if it went to a backend that does not answer."""
    head = frame(frames.HEADERS, stream, headers(path, **more), frames.END_HEADERS)
    await connection.send(head, frame(frames.DATA, stream, message(body), frames.END_STREAM))
    if path == GENERATE:
        return WAITING
    return await connection.status()


async def test_requests(ar: Backend) -> None:
    """Of eight, one caller may have four, and by connections that have none yet two more; then it is others' turn."""
    ar.answer = never
    async with proxy([ar], max_in_flight=8, max_caller_share=0.5) as running, contextlib.AsyncExitStack() as stack:
        port = running.envoy.ports["grpc"]
        hog, *further = [await stack.enter_async_context(connected(port)) for _ in range(4)]
        for stream in (1, 3, 5, 7):
            await asked(hog, stream, GENERATE)
        await running.until_active(4)
        assert await asked(hog, 9) == "8"
        for each in further[:2]:
            await asked(each, 1, GENERATE)
        await running.until_active(6)
        assert await asked(further[2], 1) == "8"
        assert await asked(further[0], 3) == "8"
        other = await stack.enter_async_context(connected(port, source=OTHER))
        await asked(other, 1, GENERATE)
        await running.until_active(7)
        reset = [frame(frames.RST_STREAM, stream, frames.CANCEL.to_bytes(4)) for stream in (1, 3, 5, 7)]
        await hog.send(*reset)
        await running.until_active(3)
        for stream in (11, 13):
            await asked(hog, stream, GENERATE)
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
    async with proxy([ar], limits={"request_bytes": 20_000}, max_caller_share=0.5) as running:
        port = running.envoy.ports["grpc"]
        async with connected(port) as hog, connected(port, source=OTHER) as other:
            await asked(hog, 1, GENERATE, b"a" * 9_000)
            await running.until_active(1)
            assert await asked(hog, 3, SCORE, b"a" * 2_000) == "8"
            await asked(other, 1, GENERATE, b"a" * 9_000)
            await running.until_active(2)


async def is_let_in(port: int, source: str = "127.0.0.1") -> bool:
    """Return whether one more connection stays open."""
    try:
        async with connected(port, source=source) as connection:
            await connection.until(frames.SETTINGS)
            return True
    except (ConnectionError, EOFError):
        return False


@pytest.mark.parametrize("listener", ["grpc", "http"])
async def test_connections(ar: Backend, listener: str) -> None:
    async with proxy([ar], max_connections=8, max_caller_share=0.5) as running:
        port = running.envoy.ports[listener]
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(4):
                await (await stack.enter_async_context(connected(port))).until(frames.SETTINGS)
            assert not await is_let_in(port)
            assert await is_let_in(port, OTHER)
        async with asyncio.timeout(60):
            while not await is_let_in(port):
                await asyncio.sleep(0.02)


def only_good(request: authorization_pb2.CheckRequest) -> authorization_pb2.CheckResponse:
    """Let in who shows the key `good`."""
    if request.attributes.request.http.headers["authorization"] == "good":
        return authorization_pb2.CheckResponse(ok_response=authorization_pb2.OkHttpResponse())
    return denied(grpc_status="16", grpc_message="no")


async def test_unknown_keys(ar: Backend, tmp_path: Path) -> None:
    """Some hundred are checked, then none for a while, but the known ones of the address and those of others."""
    async with proxy([ar], api_keys_file=keys_file(tmp_path)) as running:
        running.observer.check = only_good
        port = running.envoy.ports["grpc"]
        async with connected(port) as hostile, connected(port, source=OTHER) as other:
            assert await asked(hostile, 1, authorization="good") == "0"
            ends = [await asked(hostile, 3 + 2 * turn, authorization=f"bad-{turn}") for turn in range(400)]
            assert (ends[:90], ends[-1]) == (["16"] * 90, "8")
            num_checks = len(running.observer.checks)
            assert num_checks < 300
            assert await asked(hostile, 10_001, authorization="good") == "0"
            assert await asked(other, 1, authorization="bad") == "16"
            assert len(running.observer.checks) == num_checks + 2


def test_without_the_module_for_this_envoy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "packaged_version", lambda: "1.41.0")
    assert modules.place_shares(Sockets(tmp_path)) is None


async def test_one_caller_may_have_all(single: Proxy, ar: Backend) -> None:
    ar.answer = never
    async with proxy([ar], max_in_flight=4, max_caller_share=1) as running:
        for _ in range(4):
            running.stream(GENERATE)
        await running.until_active(4)
