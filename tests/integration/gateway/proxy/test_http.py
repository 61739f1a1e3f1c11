"""The HTTP port: everything goes to the gateway's own HTTP server at its socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest

from gateway.proxy.bootstrap import GRPC_PREFIX_BYTES
from gateway.proxy.sockets import Sockets
from runtime.limits import MAX_MESSAGE_BYTES
from tests.integration.gateway.fakes import HOST
from tests.integration.gateway.proxy.backend import Backend
from tests.integration.gateway.proxy.running import QUICK, Proxy, proxy


@dataclass
class Server:
    """Answers each request with its body, after what `may_answer` waits for; keeps the heads."""

    heads: list[str] = field(default_factory=list)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            body = await reader.readexactly(_length(head))
            writer.write(b"HTTP/1.1 200 OK\r\nserver: own\r\ntransfer-encoding: chunked\r\n\r\n")
            writer.write(_chunk(b"first"))
            await writer.drain()
            await self.may_end.wait()
            writer.write(_chunk(body) + _chunk(b"") if body else _chunk(b""))
            await writer.drain()
        writer.close()


def _length(head: str) -> int:
    lengths = [line.partition(":")[2] for line in head.splitlines() if line.lower().startswith("content-length:")]
    return int(lengths[0]) if lengths else 0


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@contextlib.asynccontextmanager
async def serving(sockets: Sockets) -> AsyncIterator[Server]:
    made = Server()
    server = await asyncio.start_unix_server(made.serve, sockets.http)
    async with server:
        yield made


def client(running: Proxy) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{HOST}:{running.envoy.ports['http']}", timeout=20, trust_env=False)


async def test_a_reply_is_passed_on_as_it_comes(single: Proxy) -> None:
    async with (
        serving(single.sockets) as server,
        client(single) as browser,
        browser.stream("POST", "/tandem.ar.v1.AutoregressiveService/Generate?a=b", content=b"body") as response,
    ):
        pieces = response.aiter_bytes()
        assert await anext(pieces) == b"first"
        server.may_end.set()
        assert b"".join([piece async for piece in pieces]) == b"body"
    assert response.headers["server"] == "own"
    [head] = server.heads
    assert head.startswith("POST /tandem.ar.v1.AutoregressiveService/Generate?a=b HTTP/1.1\r\n")
    assert not single.observer.entries  # the server's own calls at internal.sock are what is counted


async def test_the_server_knows_who_calls_and_is_not_lied_to(single: Proxy) -> None:
    async with serving(single.sockets) as server, client(single) as browser:
        server.may_end.set()
        forged = {"tandem-peer": "10.0.0.1", "tandem-caller": "root", "x-envoy-internal": "true"}
        await browser.get("/", headers={**forged, "host": "localhost:80", "authorization": "Bearer abc"})
    lines = server.heads[0].lower().splitlines()
    assert [line.rpartition(":")[0] for line in lines if line.startswith("tandem-peer")] == ["tandem-peer: 127.0.0.1"]
    assert "host: localhost:80" in lines
    assert "authorization: bearer abc" in lines
    assert not [line for line in lines if line.startswith(("tandem-caller", "x-envoy-internal", "tandem-transport"))]


# The paths of the Open Inference Protocol have its shape of errors, all others that of AIP-193.
SHAPES = {"/": False, "/v1/completions": False, "/v20": False, "/v2": True, "/v2/models/a/infer?b=c": True}


def text_of(response: httpx.Response, is_of_oip: bool) -> str:
    """Return what an error that Envoy answers of itself says."""
    assert response.headers["content-type"] == "application/json"
    told = response.json()["error"]
    if is_of_oip:
        assert isinstance(told, str)
        return told
    assert (told["code"], told["details"]) == (response.status_code, [])
    return f"{told['status']}: {told['message']}"


@pytest.mark.parametrize("path", SHAPES)
async def test_a_body_that_is_too_large_never_gets_there(single: Proxy, path: str) -> None:
    async with serving(single.sockets) as server, client(single) as browser:
        response = await browser.post(path, content=b"a" * (MAX_MESSAGE_BYTES + GRPC_PREFIX_BYTES + 1))
    assert response.status_code == 413
    assert not server.heads
    told = "Payload Too Large" if SHAPES[path] else f"larger than the {MAX_MESSAGE_BYTES} bytes that are accepted"
    assert told in text_of(response, SHAPES[path])


@pytest.mark.parametrize("path", SHAPES)
async def test_there_is_an_answer_while_the_server_is_not_there(single: Proxy, path: str) -> None:
    async with client(single) as browser:
        response = await browser.get(path)
    assert response.status_code == 503
    assert SHAPES[path] or text_of(response, False) == "UNAVAILABLE: the gateway does not answer"
    assert text_of(response, SHAPES[path])


async def test_a_body_that_does_not_end_is_told(ar: Backend) -> None:
    async with proxy([ar], limits={**QUICK, "request": "0.3s"}) as running:
        reader, writer = await asyncio.open_connection(HOST, running.envoy.ports["http"])
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na")
        reply = await asyncio.wait_for(reader.read(), 60)
        writer.close()
    body = json.loads(reply.partition(b"\r\n\r\n")[2])
    told = {
        "code": 408,
        "status": "DEADLINE_EXCEEDED",
        "details": [],
        "message": "the request was not here within 0.3s",
    }
    assert body == {"error": told}
