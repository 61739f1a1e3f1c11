"""The HTTP port: everything goes to the gateway's own HTTP server at its socket."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import zlib
from pathlib import Path

import httpx
import pytest

from gateway.proxy.bootstrap import GRPC_PREFIX_BYTES
from runtime.limits import MAX_MESSAGE_BYTES
from tests.integration.gateway.fakes import HOST
from tests.integration.gateway.proxy.backend import Backend
from tests.integration.gateway.proxy.running import QUICK, Proxy, proxy


def client(running: Proxy) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{HOST}:{running.envoy.ports['http']}", timeout=20, trust_env=False)


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
    async with client(single) as browser:
        response = await browser.post(path, content=b"a" * (MAX_MESSAGE_BYTES + GRPC_PREFIX_BYTES + 1))
    assert response.status_code == 413
    told = "Payload Too Large" if SHAPES[path] else f"larger than the {MAX_MESSAGE_BYTES} bytes that are accepted"
    assert told in text_of(response, SHAPES[path])


@pytest.mark.parametrize("path", SHAPES)
async def test_there_is_an_answer_while_the_server_is_not_there(single: Proxy, path: str) -> None:
    async with client(single) as browser:
        response = await browser.get(path)
    assert response.status_code == 503
    assert SHAPES[path] or text_of(response, False) == "UNAVAILABLE: the gateway does not answer"
    assert text_of(response, SHAPES[path])


def most_memory_kib(pid: int) -> int:
    return int(re.findall(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0])


async def test_what_is_packed_is_bounded_when_it_is_unpacked(single: Proxy) -> None:
    long, packer = gzip.compress(os.urandom(3_000_000).hex().encode()), zlib.compressobj(1, wbits=31)
    bomb = b"".join(packer.compress(b"a" * 1_000_000) for _ in range(300)) + packer.flush()
    assert max(len(long), len(bomb)) < MAX_MESSAGE_BYTES
    async with client(single) as browser:
        for body in (long, bomb):
            response = await browser.post("/", content=body, headers={"content-encoding": "gzip"})
            assert response.status_code == 413
    assert most_memory_kib(single.envoy.pid) < 500_000


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
