"""`python -m gateway` as a process: start, clear errors, exit codes."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process

import grpc
import httpx
import pytest

from tests.integration.gateway.fakes import GENERATE, SAMPLE, FakeBackend


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def gateway_process(*flags: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", *flags, stderr=PIPE)


@pytest.mark.parametrize("flag", ["--port", "--http-port"])
async def test_port_in_use_is_one_clear_line(flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"--port": "0", "--http-port": "0", flag: str(taken.getsockname()[1])}
        process = await gateway_process(*(part for pair in ports.items() for part in pair), "--log-level", "ERROR")
        _, errors = await process.communicate()
    assert process.returncode == 1
    [line] = [line for line in errors.decode().splitlines() if line.startswith("error:")]
    assert line.startswith(f"error: cannot listen on 127.0.0.1:{ports[flag]}")
    assert "Traceback" not in errors.decode()


async def test_bad_setting_names_its_key() -> None:
    process = await gateway_process("--ar-targets", "nonsense")
    _, errors = await process.communicate()
    assert process.returncode != 0
    assert "ar_targets" in errors.decode()


async def test_is_live_before_its_backends_and_stops_cleanly(ar: FakeBackend) -> None:
    port, http_port, absent = free_port(), free_port(), free_port()
    process = await gateway_process(
        *("--port", str(port), "--http-port", str(http_port)),
        *("--ar-targets", ar.target, "--gan-targets", f"127.0.0.1:{absent}"),
    )
    assert process.stderr is not None
    try:
        while b"sequential backend at" not in await process.stderr.readline():
            pass
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, httpx.AsyncClient() as client:
            assert len([_ async for _ in channel.unary_stream(GENERATE)(b"")]) == 5
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(SAMPLE)(b"")
            assert caught.value.details() == "parallel backend is not ready"
            assert (await client.get(f"http://127.0.0.1:{http_port}/livez")).status_code == 200
            assert (await client.get(f"http://127.0.0.1:{http_port}/readyz")).status_code == 503
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in errors
